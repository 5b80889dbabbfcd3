"""Grain source of users at moments: batch `step` of a training is a pure function of the seed and the step."""

from collections.abc import Callable
from typing import NamedTuple

import grain
import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float32, Int32, Int64

from urep_jax.data.epochs import Epochs, in_order

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


class UserBatches:
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
        self.features, self.user_ids, self.batch_size = features, user_ids, batch_size
        self.epochs = Epochs(len(user_ids), batch_size, seed)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one epoch."""
        return self.epochs.steps

    def sequence_ids(self, step: int) -> list[str]:
        """The source's ids of the users in batch `step`, for messages."""
        ids: list[str] = self.user_ids.take(self.epochs.members(step)).to_pylist()
        return ids

    def __getitem__(self, step: int) -> UserBatch:
        """Batch number `step`, counted from 0 over all epochs."""
        members = self.epochs.members(step)
        x_NxF = self.features(members)
        missing = self.batch_size - len(members)
        row_B = np.arange(self.batch_size, dtype=np.int32)
        return UserBatch(np.pad(x_NxF, ((0, missing), (0, 0))), row_B < len(members), row_B)

    def iterate(self, num_steps: int) -> grain.DatasetIterator:
        """A Grain iterator over the first `num_steps` batches; its state is the step, checkpointed with the model."""
        return in_order(self.__getitem__, num_steps)
