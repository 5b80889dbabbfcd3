"""The order in which a training visits rows, the batches that it makes of them, and the Grain iterator over these."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Generic, NamedTuple, TypeVar

import grain
import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int32, Int64

from urep_jax.core.mesh import WHOLE, Part
from urep_jax.core.streams import numpy_stream

BatchT = TypeVar("BatchT")
EpochT = TypeVar("EpochT")


class Epochs:
    """Batches that visit each of `number` rows once in an epoch, in an order of its own.

    Args:
        number: rows, at least 1.
        batch_size: rows of a batch, at least 1.
        seed: names the run's random streams.
    """

    def __init__(self, number: int, batch_size: int, seed: int) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, but must be at least 1")
        self.number, self.batch_size, self.seed = number, batch_size, seed
        self._kept_order: tuple[int, np.ndarray] | None = None

    @property
    def steps(self) -> int:
        """Batches of one epoch."""
        return -(-self.number // self.batch_size)

    def members(self, step: int) -> Int64[np.ndarray, "_"]:
        """The rows of batch `step`, counted over all epochs; fewer than `batch_size` at the end of an epoch."""
        epoch, place = divmod(step, self.steps)
        kept = self._kept_order
        if kept is None or kept[0] != epoch:
            kept = self._kept_order = epoch, numpy_stream(self.seed, "order", epoch).permutation(self.number)
        return kept[1][place * self.batch_size : (place + 1) * self.batch_size]


class OneAhead(Generic[EpochT]):
    """What each epoch needs, by its number from 0. The next one's is made while this one's is used; both are held.

    Several who read about the border of two epochs get what they ask for, but it may be made twice.

    Args:
        make: a pure function of the number.
    """

    def __init__(self, make: Callable[[int], EpochT]) -> None:
        self._make, self._lock = make, threading.Lock()
        self._maker = ThreadPoolExecutor(1, thread_name_prefix="epoch")
        self._made: dict[int, Future[EpochT]] = {}

    def __getitem__(self, epoch: int) -> EpochT:
        """What an epoch needs; waits for it if it isn't made yet."""
        with self._lock:
            # Whoever still waits for another epoch gets it: it is only forgotten.
            held = {number: self._made.get(number) for number in (epoch, epoch + 1)}
            self._made = {number: one or self._maker.submit(self._make, number) for number, one in held.items()}
            wanted = self._made[epoch]
        return wanted.result()


class BatchesByStep(ABC, Generic[BatchT]):
    """Every batch of a training, by step: a pure function of the seed and the step, whoever reads which part of it.

    Attributes:
        batch_size: rows of the whole batch.
    """

    batch_size: int

    @property
    @abstractmethod
    def steps_per_epoch(self) -> int:
        """Batches of one epoch."""

    @abstractmethod
    def sequence_ids(self, step: int) -> list[str]:
        """The source's ids of those whose events make up batch `step`, each once, for messages."""

    @abstractmethod
    def read(self, step: int, part: Part) -> BatchT:
        """Some rows of batch `step`, counted from 0 over all epochs; no other row's events are read."""

    def __getitem__(self, step: int) -> BatchT:
        """All of batch `step`."""
        return self.read(step, WHOLE)

    def iterate(self, num_steps: int, part: Part = WHOLE, readers: int = 1) -> grain.DatasetIterator:
        """A Grain iterator over the first `num_steps` batches; its state is the step, checkpointed with the model.

        Args:
            num_steps: how many there are.
            part: which rows of them are read.
            readers: threads that make batches ahead. However many there are, the order and the state are the same.
                NumPy lets others run while it is in an array: the larger a batch, the more they gain
                (`benchmarks.input`).
        """
        options = grain.ReadOptions(num_threads=readers, prefetch_buffer_size=max(4, 2 * readers))
        return iter(grain.MapDataset.range(num_steps).map(partial(self.read, part=part)).to_iter_dataset(options))


class Rows(NamedTuple):
    """Rows of a batch.

    Attributes:
        row: which of the data's rows they are; those that fill up the batch repeat the first of the whole batch.
        is_row: which don't fill it up.
        place: their numbers in the whole batch.
    """

    row: Int64[np.ndarray, "B"]
    is_row: Bool[np.ndarray, "B"]
    place: Int32[np.ndarray, "B"]


class RowBatches(BatchesByStep[BatchT]):
    """Every batch of a training on rows, each of a user's, by step: an epoch visits each once, in an order of its own.

    Args:
        user: number of each row's user.
        user_ids: the source's ids of these numbers, for messages.
        batch_size: rows of a batch, at least 1; what is missing in an epoch's last one is filled up.
        seed: names the run's random streams.
    """

    def __init__(self, user: Int64[np.ndarray, "N"], user_ids: pa.StringArray, batch_size: int, seed: int) -> None:
        self.epochs = Epochs(len(user), batch_size, seed)
        self.batch_size = batch_size
        self._user_N, self._user_ids = user, user_ids

    @abstractmethod
    def batch(self, rows: Rows) -> BatchT:
        """What a batch holds of these rows of it; those that fill it up don't count."""

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one epoch."""
        return self.epochs.steps

    def sequence_ids(self, step: int) -> list[str]:
        """The source's ids of the users in batch `step`, each once, for messages."""
        user_B = self._user_N[self.epochs.members(step)]
        _, first = np.unique(user_B, return_index=True)
        ids: list[str] = self._user_ids.take(user_B[np.sort(first)]).to_pylist()
        return ids

    def rows(self, step: int) -> Int64[np.ndarray, "B"]:
        """The rows of batch `step`; those that fill it up repeat the first."""
        members = self.epochs.members(step)
        return np.pad(members, (0, self.epochs.batch_size - len(members)), constant_values=members[0])

    def read(self, step: int, part: Part) -> BatchT:
        """Some rows of batch `step`, counted from 0 over all epochs."""
        place = part.rows(self.epochs.batch_size)
        is_row = place < len(self.epochs.members(step))
        return self.batch(Rows(self.rows(step)[place], is_row, place.astype(np.int32)))


class Interleaved(BatchesByStep[BatchT]):
    """The batches of several trainings on rows, spread evenly among each other, so that one model learns from all.

    In an epoch each row is visited once: if those of few batches went round more often, they would be learnt by heart.

    Args:
        several: batches of the same shapes, of one size.
    """

    def __init__(self, several: Sequence[RowBatches[BatchT]]) -> None:
        self.several = tuple(several)
        self.batch_size = self.several[0].batch_size
        counts = [one.steps_per_epoch for one in self.several]
        places = [
            ((number + 0.5) / count, which, number) for which, count in enumerate(counts) for number in range(count)
        ]
        self._order = [(which, number) for _, which, number in sorted(places)]

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one epoch."""
        return len(self._order)

    def sequence_ids(self, step: int) -> list[str]:
        """The source's ids of the users in batch `step`, each once, for messages."""
        one, own = self._own(step)
        return one.sequence_ids(own)

    def read(self, step: int, part: Part) -> BatchT:
        """Some rows of batch `step`, counted from 0 over all epochs."""
        one, own = self._own(step)
        return one.read(own, part)

    def _own(self, step: int) -> tuple[RowBatches[BatchT], int]:
        """Whose batch a step is, and its number among that one's."""
        epoch, place = divmod(step, self.steps_per_epoch)
        which, number = self._order[place]
        one = self.several[which]
        return one, epoch * one.steps_per_epoch + number
