"""Lists of candidates that were found for users, and which of them the users went for; their Grain source."""

import dataclasses
from typing import NamedTuple

import grain
import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float32, Int64

from urep_jax.data.epochs import Epochs, in_order


@dataclasses.dataclass(frozen=True, eq=False)
class Lists:
    """Lists of equal length.

    Attributes:
        user: row of each list's user in a table of users.
        item: rows of its M candidates in a table of items.
        found: the finder's scores of them.
        label: which of them the user went for.
    """

    user: Int64[np.ndarray, "N"]
    item: Int64[np.ndarray, "N M"]
    found: Float32[np.ndarray, "N M"]
    label: Bool[np.ndarray, "N M"]

    def __len__(self) -> int:
        return len(self.user)

    def where(self, kept: Bool[np.ndarray, "N"]) -> "Lists":
        """Some of the lists."""
        return Lists(self.user[kept], self.item[kept], self.found[kept], self.label[kept])


class ListBatch(NamedTuple):
    """Lists of a batch.

    Attributes:
        user: vectors of the users.
        item: vectors of the candidates.
        found: the finder's scores.
        label: which candidates the users went for.
        is_list: which rows are lists; others fill up the batch.
    """

    user: Float32[np.ndarray, "B U"]
    item: Float32[np.ndarray, "B M I"]
    found: Float32[np.ndarray, "B M"]
    label: Bool[np.ndarray, "B M"]
    is_list: Bool[np.ndarray, "B"]


class ListBatches:
    """Every batch of a training on lists, by step: an epoch visits each list once, in an order of its own.

    Args:
        lists: what is learnt from.
        users: a vector for each row of users.
        items: a vector for each row of items.
        user_ids: the source's id of each row of users, for messages.
        batch_size: lists of a batch; what is missing in an epoch's last one is filled up with empty rows.
        seed: names the run's random streams.

    Raises:
        ValueError: if there is no list, a list has nothing that its user went for, or `batch_size` is below 1.
    """

    def __init__(
        self,
        lists: Lists,
        users: Float32[np.ndarray, "N U"],
        items: Float32[np.ndarray, "V I"],
        user_ids: pa.StringArray,
        batch_size: int,
        seed: int,
    ) -> None:
        if not len(lists):
            raise ValueError("there is no list to train on; take more users, a longer time, or more candidates")
        if empty := np.count_nonzero(~lists.label.any(axis=1)):
            raise ValueError(f"{empty} lists have nothing that their user went for, and say nothing; leave them out")
        self.lists, self.users, self.items, self.user_ids = lists, users, items, user_ids
        self.batch_size = batch_size
        self.epochs = Epochs(len(lists), batch_size, seed)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one epoch."""
        return self.epochs.steps

    def sequence_ids(self, step: int) -> list[str]:
        """The source's ids of the users in batch `step`, for messages."""
        ids: list[str] = self.user_ids.take(np.unique(self.lists.user[self.epochs.members(step)])).to_pylist()
        return ids

    def __getitem__(self, step: int) -> ListBatch:
        """Batch number `step`, counted from 0 over all epochs."""
        members, lists = self.epochs.members(step), self.lists
        # Empty rows repeat the first list, and don't count.
        row_B = np.pad(members, (0, self.batch_size - len(members)), constant_values=members[0])
        is_list_B = np.arange(self.batch_size) < len(members)
        user_BxU, item_BxMxI = self.users[lists.user[row_B]], self.items[lists.item[row_B]]
        return ListBatch(user_BxU, item_BxMxI, lists.found[row_B], lists.label[row_B], is_list_B)

    def iterate(self, num_steps: int) -> grain.DatasetIterator:
        """A Grain iterator over the first `num_steps` batches; its state is the step, checkpointed with the model."""
        return in_order(self.__getitem__, num_steps)
