"""The order in which a training visits rows, and the Grain iterator over its batches."""

from collections.abc import Callable

import grain
import numpy as np
from jaxtyping import Int64

from urep_jax.core.streams import numpy_stream


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


def in_order(batch: Callable[[int], object], num_steps: int) -> grain.DatasetIterator:
    """A Grain iterator over batches 0 to `num_steps - 1`; its state is the step, checkpointed with the model."""
    # One reading thread: a batch is made whole by NumPy, and more threads only contend for the interpreter.
    options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=4)
    return iter(grain.MapDataset.range(num_steps).map(batch).to_iter_dataset(options))
