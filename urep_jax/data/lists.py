"""Lists of candidates that were found for users, and which of them the users went for; their Grain source."""

import dataclasses
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float32, Int64

from urep_jax.data.epochs import RowBatches, Rows


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


class ListBatches(RowBatches[ListBatch]):
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
        super().__init__(lists.user, user_ids, batch_size, seed)
        self.lists, self.users, self.items = lists, users, items

    def batch(self, rows: Rows) -> ListBatch:
        """Lists of a batch."""
        lists, row = self.lists, rows.row
        user_BxU, item_BxMxI = self.users[lists.user[row]], self.items[lists.item[row]]
        return ListBatch(user_BxU, item_BxMxI, lists.found[row], lists.label[row], rows.is_row)
