"""`Cases`: the questions of an evaluation, and `Split`: which events train, validate and test."""

import dataclasses

import numpy as np
from jaxtyping import Int8, Int32, Int64


@dataclasses.dataclass(frozen=True, eq=False)
class Cases:
    """Questions put to a model: what was known then, and what the listener did afterwards.

    One case is one sequence on one station. The model sees the events `start:stop` of the log (flat indices) and the
    station; it is asked about the targets `offsets[c]:offsets[c + 1]`.

    Attributes:
        sequence: which sequence of the log, and so whose result the case counts towards.
        start: first input event, a flat index into the log's columns.
        stop: one past the last input event.
        station: the station that is asked about, `NO_STATION` for none.
        offsets: where each case's targets start.
        item: items of the targets.
        feedback: what the listener did with them, codes of `Feedback`.
        event: the targets' flat indices into the log's columns.
    """

    sequence: Int32[np.ndarray, "C"]
    start: Int64[np.ndarray, "C"]
    stop: Int64[np.ndarray, "C"]
    station: Int32[np.ndarray, "C"]
    offsets: Int64[np.ndarray, "C+1"]
    item: Int32[np.ndarray, "N"]
    feedback: Int8[np.ndarray, "N"]
    event: Int64[np.ndarray, "N"]

    @classmethod
    def without_targets(
        cls,
        sequence: Int32[np.ndarray, "C"],
        start: Int64[np.ndarray, "C"],
        stop: Int64[np.ndarray, "C"],
        station: Int32[np.ndarray, "C"],
    ) -> "Cases":
        """Questions to be answered, of which it isn't known what the listener did afterwards."""
        none_32, none_64 = np.zeros(0, np.int32), np.zeros(0, np.int64)
        offsets = np.zeros(len(sequence) + 1, np.int64)
        return cls(sequence, start, stop, station, offsets, none_32, np.zeros(0, np.int8), none_64)

    @classmethod
    def empty(cls) -> "Cases":
        """No cases at all."""
        none_32, none_64 = np.zeros(0, np.int32), np.zeros(0, np.int64)
        return cls.without_targets(none_32, none_64, none_64, none_32)

    def __len__(self) -> int:
        return len(self.sequence)

    @property
    def case(self) -> Int64[np.ndarray, "N"]:
        """The case that each target belongs to."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    @property
    def num_users(self) -> int:
        """Number of distinct sequences that are asked about."""
        return len(np.unique(self.sequence))


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Which events of a log train, validate and test.

    Attributes:
        train: sequences whose events train the model.
        start: first training-period event of every sequence of the log, a flat index.
        stop: one past the last training-period event of every sequence. Events from here on are never seen in training.
        validation: cases that training never sees. In the paper's split they come from sequences that are not in
            `train`, and lie before the cut.
        test: cases whose targets lie at or after `stop`.
    """

    train: Int32[np.ndarray, "U"]
    start: Int64[np.ndarray, "S"]
    stop: Int64[np.ndarray, "S"]
    validation: Cases
    test: Cases
