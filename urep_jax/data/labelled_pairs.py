"""Pairs of a user and an item, and whether the one went for the other; their Grain source."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float32, Int32, Int64

from urep_jax.data.epochs import RowBatches, Rows


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


class PairBatches(RowBatches[PairBatch]):
    """Every batch of a training on pairs, by step: an epoch visits each pair once, in an order of its own.

    Args:
        pairs: what is learnt from.
        users: a vector for each row of users.
        items: gives vectors of items for rows of users and of items; they may hang on when a user is asked about.
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
        items: Callable[[Int64[np.ndarray, "B"], Int64[np.ndarray, "B"]], Float32[np.ndarray, "B I"]],
        user_ids: pa.StringArray,
        batch_size: int,
        seed: int,
    ) -> None:
        if not len(pairs):
            raise ValueError("there is no pair to train on; take more users, or a longer time")
        super().__init__(pairs.user, user_ids, batch_size, seed)
        self.pairs, self.users, self.items = pairs, users, items

    def batch(self, rows: Rows) -> PairBatch:
        """Pairs of a batch."""
        row_B, pairs = rows.row, self.pairs
        user_B, item_B, label_B = pairs.user[row_B], pairs.item[row_B], pairs.label[row_B]
        items_BxI = self.items(user_B, item_B)
        return PairBatch(self.users[user_B], items_BxI, label_B, rows.is_row, rows.place)
