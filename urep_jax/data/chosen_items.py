"""What users went for, in blocks whose rows are each other's negatives; the Grain source of two towers."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float32, Int32, Int64

from urep_jax.core.mesh import Part
from urep_jax.data.epochs import RowBatches, Rows


class ChosenBatch(NamedTuple):
    """Blocks of pairs of a user and an item that the user went for.

    Attributes:
        user: vectors of the users.
        item: vectors of the items.
        number: which items they are.
        log_q: log of the share of all pairs that have the item.
        is_pair: which places hold a pair; others fill up the last batch of an epoch.
    """

    user: Float32[np.ndarray, "B M U"]
    item: Float32[np.ndarray, "B M I"]
    number: Int32[np.ndarray, "B M"]
    log_q: Float32[np.ndarray, "B M"]
    is_pair: Bool[np.ndarray, "B M"]


class ChosenBatches(RowBatches[ChosenBatch]):
    """Every batch of a training, by step: an epoch visits each pair once, in an order of its own.

    Blocks are whole on whatever device they lie, so that a pair's negatives don't depend on how many devices there are.

    Args:
        user: row of each pair's user in a table of users.
        item: row of its item in a table of items.
        users: a vector for each row of users.
        items: a vector for each row of items.
        user_ids: the source's id of each row of users, for messages.
        block: M, pairs of a block, at least 2.
        batch_size: B, blocks of a batch, at least 1.
        seed: names the run's random streams.

    Raises:
        ValueError: if there is no pair, or a number is out of range.
    """

    def __init__(
        self,
        user: Int64[np.ndarray, "P"],
        item: Int64[np.ndarray, "P"],
        users: Float32[np.ndarray, "N U"],
        items: Float32[np.ndarray, "V I"],
        user_ids: pa.StringArray,
        block: int,
        batch_size: int,
        seed: int,
    ) -> None:
        if not len(user):
            raise ValueError("there is no pair to train on; take more users, or a longer time")
        if block < 2:
            raise ValueError(f"block is {block}, but must be at least 2: a pair's negatives are in its block")
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, but must be at least 1")
        super().__init__(user, user_ids, block * batch_size, seed)
        # Devices share blocks, not pairs.
        self.batch_size = batch_size
        self.user, self.item, self.users, self.items, self.block = user, item, users, items, block
        with np.errstate(divide="ignore"):
            self._log_q = np.log(np.bincount(item, minlength=len(items)) / len(item)).astype(np.float32)

    def read(self, step: int, part: Part) -> ChosenBatch:
        """Some blocks of batch `step`: a part holds whole ones."""
        # Refuses to cut a block: those of a half would have other negatives.
        part.rows(self.batch_size)
        return super().read(step, part)

    def batch(self, rows: Rows) -> ChosenBatch:
        """Blocks of a batch."""
        pair, is_pair = rows.row.reshape(-1, self.block), rows.is_row.reshape(-1, self.block)
        user, item = self.user[pair], self.item[pair]
        return ChosenBatch(self.users[user], self.items[item], item.astype(np.int32), self._log_q[item], is_pair)
