"""Pairs of a user and an item, and whether the one went for the other; their Grain source."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import grain
import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float32, Int32, Int64

from urep_jax.data.epochs import Epochs, in_order


@dataclasses.dataclass(frozen=True, eq=False)
class LabelledPairs:
    """Pairs.

    Attributes:
        user: row of each pair's user in a table of users.
        item: row of its item in a table of items.
        label: whether the user went for it.
    """

    user: Int64[np.ndarray, "P"]
    item: Int64[np.ndarray, "P"]
    label: Bool[np.ndarray, "P"]

    def __len__(self) -> int:
        return len(self.user)

    def where(self, kept: Bool[np.ndarray, "P"]) -> "LabelledPairs":
        """Some of the pairs."""
        return LabelledPairs(self.user[kept], self.item[kept], self.label[kept])

    def with_labels(self, label: Bool[np.ndarray, "P"]) -> "LabelledPairs":
        """The same pairs with other labels."""
        return dataclasses.replace(self, label=label)

    @classmethod
    def join(cls, parts: Sequence["LabelledPairs"]) -> "LabelledPairs":
        """The pairs of several, one after the other; all speak of the same tables."""
        columns = ([getattr(part, field.name) for part in parts] for field in dataclasses.fields(cls))
        return cls(*(np.concatenate(column) for column in columns))


class PairBatch(NamedTuple):
    """Pairs of a batch.

    Attributes:
        user: vectors of the users.
        item: vectors of the items.
        label: whether the one went for the other.
        is_pair: which rows are pairs; others fill up the batch.
        row: numbers of the rows in the whole batch.
    """

    user: Float32[np.ndarray, "B U"]
    item: Float32[np.ndarray, "B I"]
    label: Bool[np.ndarray, "B"]
    is_pair: Bool[np.ndarray, "B"]
    row: Int32[np.ndarray, "B"]


class PairBatches:
    """Every batch of a training on pairs, by step: an epoch visits each pair once, in an order of its own.

    Args:
        pairs: what is learnt from.
        users: a vector for each row of users.
        items: a vector for each row of items.
        user_ids: the source's id of each row of users, for messages.
        batch_size: rows of a batch; what is missing in an epoch's last one is filled up with empty rows.
        seed: names the run's random streams.

    Raises:
        ValueError: if there is no pair, or `batch_size` is below 1.
    """

    def __init__(
        self,
        pairs: LabelledPairs,
        users: Float32[np.ndarray, "N U"],
        items: Float32[np.ndarray, "V I"],
        user_ids: pa.StringArray,
        batch_size: int,
        seed: int,
    ) -> None:
        if not len(pairs):
            raise ValueError("there is no pair to train on; take more users, or a longer time")
        self.pairs, self.users, self.items, self.user_ids = pairs, users, items, user_ids
        self.batch_size = batch_size
        self.epochs = Epochs(len(pairs), batch_size, seed)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one epoch."""
        return self.epochs.steps

    def sequence_ids(self, step: int) -> list[str]:
        """The source's ids of the users in batch `step`, for messages."""
        ids: list[str] = self.user_ids.take(np.unique(self.pairs.user[self.epochs.members(step)])).to_pylist()
        return ids

    def __getitem__(self, step: int) -> PairBatch:
        """Batch number `step`, counted from 0 over all epochs."""
        members = self.epochs.members(step)
        row_B = np.arange(self.batch_size, dtype=np.int32)
        # Empty rows repeat the first pair, and don't count.
        pair_B = np.pad(members, (0, self.batch_size - len(members)), constant_values=members[0])
        user_B, item_B = self.pairs.user[pair_B], self.pairs.item[pair_B]
        return PairBatch(self.users[user_B], self.items[item_B], self.pairs.label[pair_B], row_B < len(members), row_B)

    def iterate(self, num_steps: int) -> grain.DatasetIterator:
        """A Grain iterator over the first `num_steps` batches; its state is the step, checkpointed with the model."""
        return in_order(self.__getitem__, num_steps)
