"""Grain sources of training batches: batch `step` of a run is a pure function of the seed and the step."""

import dataclasses
from typing import Literal, get_args

import numpy as np
from jaxtyping import Int64

from urep_jax.core.mesh import Part
from urep_jax.core.streams import numpy_stream, row_uniform
from urep_jax.core.types import Feedback
from urep_jax.data.cases import Split
from urep_jax.data.epochs import BatchesByStep
from urep_jax.data.sequences import Batch, Sequences

Crops = Literal["one", "all"]
"""How often an epoch visits a sequence: once, or once for each `max_length` of its inputs."""


@dataclasses.dataclass(frozen=True, eq=False)
class Stratum:
    """Training sequences of alike length, which share a padded length.

    Attributes:
        start: first event of each sequence, a flat index.
        first_end: first up that a crop may end with, a place in the list of all ups.
        last_end: last up that a crop may end with.
        max_length: positions that hold the longest crop.
    """

    start: Int64[np.ndarray, "N"]
    first_end: Int64[np.ndarray, "N"]
    last_end: Int64[np.ndarray, "N"]
    max_length: int


class TrainingBatches(BatchesByStep[tuple[Batch, ...]]):
    """Every batch of a training, by step.

    An epoch visits the training sequences that hold an up, in an order of its own, and crops each at one of its ups:
    the last one of a sequence that fits whole, else any that leaves a full crop.

    A batch draws equally from `strata` strata of sequences, from the shortest to the longest, and each stratum is
    padded to its own length only: that halves the work where most sequences are short. A batch is a tuple of one
    `Batch` for each stratum. What is missing in the last batch of an epoch is filled up with empty rows.

    Args:
        sequences: the log, and how it is read.
        split: which sequences and events train.
        batch_size: rows of a batch, a multiple of `strata`.
        seed: names the run's random streams.
        strata: number of strata.
        crops: how often an epoch visits a sequence: see `Crops`.

    Raises:
        ValueError: if a number is out of range, there are no such `crops`, or no training sequence holds an up.
    """

    def __init__(
        self,
        sequences: Sequences,
        split: Split,
        batch_size: int,
        seed: int,
        strata: int = 4,
        crops: Crops = "one",
    ) -> None:
        if crops not in get_args(Crops):
            raise ValueError(f"crops is {crops!r}, but must be one of {', '.join(get_args(Crops))}")
        if strata < 1 or batch_size < 1 or batch_size % strata:
            raise ValueError(f"batch_size is {batch_size}, but must be a multiple of the number of strata, {strata}")
        self.sequences, self.split, self.batch_size, self.seed = sequences, split, batch_size, seed
        self._up_event = np.flatnonzero(sequences.log.feedback == Feedback.UP)
        self._kept_order: tuple[int, list[np.ndarray]] | None = None
        start, first_end, last_end, inputs = self._crops()
        length = np.clip(inputs, 2, sequences.cfg.max_length)
        if crops == "all":
            visits = -(-inputs // sequences.cfg.max_length)
            start, first_end, last_end, length = (np.repeat(x, visits) for x in (start, first_end, last_end, length))
        order = np.argsort(length, kind="stable")
        self.strata = tuple(
            Stratum(start[own], first_end[own], last_end[own], int(length[own].max(initial=2)))
            for own in np.array_split(order, strata)
        )

    def _crops(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Start, first and last end of each sequence that holds an up, and the positions that all of it would fill."""
        log, cfg, train = self.sequences.log, self.sequences.cfg, self.split.train
        start, stop = self.split.start[train], self.split.stop[train]
        first, after = np.searchsorted(self._up_event, start), np.searchsorted(self._up_event, stop)
        with_ups = after > first
        if not with_ups.any():
            raise ValueError(
                f"none of the {len(train)} training sequences of {log.name!r} holds an up, and only ups can be "
                "training targets; check how the data set's feedback is mapped"
            )
        start, first, after = start[with_ups], first[with_ups], after[with_ups]
        inputs_before = np.concatenate([[0], np.cumsum(np.isin(log.feedback, cfg.input_codes))])
        # The first up at which max_length inputs, itself among them, have been seen since the sequence's start.
        inputs_to_up = inputs_before[self._up_event + 1]
        first_full = np.searchsorted(inputs_to_up, inputs_before[start] + cfg.max_length)
        last_end = after - 1
        length = inputs_to_up[last_end] - inputs_before[start]
        if "up" not in cfg.inputs:
            length += cfg.max_tasks
        first_end = np.minimum(np.maximum(first_full, first), last_end)
        return start, first_end, last_end, length

    @property
    def num_sequences(self) -> int:
        """Training sequences of one epoch, each as often as it is visited."""
        return sum(len(stratum.start) for stratum in self.strata)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one epoch."""
        return -(-len(self.strata[0].start) // self._rows_per_stratum)

    @property
    def _rows_per_stratum(self) -> int:
        return self.batch_size // len(self.strata)

    def members(self, step: int) -> list[Int64[np.ndarray, "B"]]:
        """Which sequences of each stratum make up batch `step`, -1 for an empty row."""
        epoch, place = divmod(step, self.steps_per_epoch)
        rows = self._rows_per_stratum
        chosen = [order[place * rows : (place + 1) * rows] for order in self._order(epoch)]
        return [np.pad(members, (0, rows - len(members)), constant_values=-1) for members in chosen]

    def _order(self, epoch: int) -> list[Int64[np.ndarray, "_"]]:
        """The order in which an epoch takes each stratum's sequences; the latest epoch's is kept."""
        kept = self._kept_order
        if kept is None or kept[0] != epoch:
            rng = numpy_stream(self.seed, "order", epoch)
            kept = self._kept_order = epoch, [rng.permutation(len(stratum.start)) for stratum in self.strata]
        return kept[1]

    def sequence_ids(self, step: int) -> list[str]:
        """The source's ids of the sequences in batch `step`, for messages."""
        log = self.sequences.log
        starts = [s.start[members[members >= 0]] for s, members in zip(self.strata, self.members(step), strict=True)]
        owner = np.searchsorted(log.offsets, np.concatenate(starts), side="right") - 1
        return log.sequence_ids.take(owner).to_pylist()

    def read(self, step: int, part: Part) -> tuple[Batch, ...]:
        """Some rows of batch `step`, counted from 0 over all epochs."""
        rng, rows = numpy_stream(self.seed, "batch", step), part.rows(self._rows_per_stratum)
        # Seeds for all rows cost next to nothing, and each process draws the same.
        seeds = rng.integers(0, 2**64, (len(self.strata), self._rows_per_stratum), np.uint64)
        return tuple(
            self._read(seed[rows], stratum, members[rows], number * self._rows_per_stratum + rows)
            for number, (stratum, members, seed) in enumerate(zip(self.strata, self.members(step), seeds, strict=True))
        )

    def _read(self, seed: np.ndarray, stratum: Stratum, members: np.ndarray, row: np.ndarray) -> Batch:
        real = members[members >= 0]
        start, stop = np.zeros((2, len(members)), np.int64)
        first, last = stratum.first_end[real], stratum.last_end[real]
        end = first + (row_uniform(seed[: len(real)], "crops", 1)[:, 0] * (last - first + 1)).astype(np.int64)
        start[: len(real)], stop[: len(real)] = stratum.start[real], self._up_event[end] + 1
        batch = self.sequences.training_batch(seed, start, stop, stratum.max_length)
        return batch._replace(row=row.astype(np.int32))
