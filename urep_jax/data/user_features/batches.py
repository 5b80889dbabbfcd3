"""Grain source of users at moments: batch `step` of a training is a pure function of the seed and the step."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float32, Int32, Int64

from urep_jax.data.epochs import RowBatches, Rows

Features = Callable[[Int64[np.ndarray, "B"]], Float32[np.ndarray, "B F"]]
"""`features(row)`: standardised x_u of some of the rows to train on; `x.__getitem__` where they are made already."""


class UserBatch(NamedTuple):
    """Users of a batch.

    Attributes:
        x: standardised features.
        is_user: which rows are users; others fill up the batch.
        row: numbers of the rows in the whole batch.
    """

    x: Float32[np.ndarray, "B F"]
    is_user: Bool[np.ndarray, "B"]
    row: Int32[np.ndarray, "B"]


class UserBatches(RowBatches[UserBatch]):
    """Every batch of a training, by step: an epoch visits each user and moment once, in an order of its own.

    Args:
        features: makes x_u.
        user_ids: the source's id of each row's user: a user may be there at several moments.
        batch_size: rows of a batch; what is missing in an epoch's last one is filled up with empty rows.
        seed: names the run's random streams.

    Raises:
        ValueError: if there is nobody, or `batch_size` is below 1.
    """

    def __init__(self, features: Features, user_ids: pa.StringArray, batch_size: int, seed: int) -> None:
        if not len(user_ids):
            raise ValueError("there is no user to train on; train on more of the log, or on earlier moments")
        super().__init__(np.arange(len(user_ids)), user_ids, batch_size, seed)
        self.features = features

    def batch(self, rows: Rows) -> UserBatch:
        """Users of a batch; empty rows are zeros."""
        x_NxF = self.features(rows.row[rows.is_row])
        x_BxF = np.pad(x_NxF, ((0, len(rows.row) - len(x_NxF)), (0, 0)))
        return UserBatch(x_BxF, rows.is_row, rows.place)
