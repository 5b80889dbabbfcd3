"""`ContinuationSplit`: playlists whose last tracks are held back, to be asked for when the rest is seen."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Int64

from urep_jax.core.streams import numpy_stream
from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases, Split
from urep_jax.data.log import NO_STATION, EventLog
from urep_jax.data.ragged import offsets_of, ranges


@dataclasses.dataclass(frozen=True)
class ContinuationSplit:
    """Some playlists lose their ends, which validate or test; all that is left trains: see `continuation_split`.

    Attributes:
        test_share: share of the playlists that test, above 0.
        validation_share: share of the playlists that validate, at least 0; with `test_share` at most 1.
        held_share: share of a playlist's tracks that is held back, above 0 and below 1; at least one is.
        min_tracks: tracks of a playlist that can be asked about, at least 2; shorter ones only train.
        seed: of the random choice of playlists, at least 0.

    Raises:
        ValueError: if a value is out of range.
    """

    test_share: float = 0.1
    validation_share: float = 0.05
    held_share: float = 0.2
    min_tracks: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.test_share <= 1:
            raise ValueError(f"test_share is {self.test_share}, but must be above 0 and at most 1")
        if not 0 <= self.validation_share <= 1 - self.test_share:
            raise ValueError(
                f"validation_share is {self.validation_share}, but must be from 0 to what test_share leaves, "
                f"{1 - self.test_share:g}"
            )
        if not 0 < self.held_share < 1:
            raise ValueError(f"held_share is {self.held_share}, but must be above 0 and below 1")
        for name, least in (("min_tracks", 2), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least {least}")

    def __call__(self, log: EventLog) -> Split:
        """Split `log`."""
        return continuation_split(log, self)


def continuation_split(log: EventLog, cfg: ContinuationSplit, where: Bool[np.ndarray, "S"] | None = None) -> Split:
    """Hold back the last tracks of some playlists; what is left of these trains with all the others.

    One case for each playlist that is asked about: its first tracks are the input, and its last ones, from the first to
    the last, the targets.

    Args:
        log: of playlists, from `playlists.playlist_log`: a playlist has a track once.
        cfg: how many are held back.
        where: playlists that may be asked about; all by default.

    Raises:
        ValueError: if no playlist is long enough to be asked about.
    """
    length_S = np.diff(log.offsets)
    long = np.flatnonzero((length_S >= cfg.min_tracks) & (True if where is None else where))
    if not len(long):
        raise ValueError(
            f"none of the {log.num_sequences} playlists of {log.name!r} has {cfg.min_tracks} tracks; lower min_tracks"
        )
    drawn = numpy_stream(cfg.seed, "continuation").permutation(long)
    num_test = max(1, round(cfg.test_share * len(long)))
    test, validation = np.split(drawn[: num_test + round(cfg.validation_share * len(long))], [num_test])
    stop_S = log.offsets[1:].copy()
    for asked in (test, validation):
        held = np.clip(np.rint(cfg.held_share * length_S[asked]), 1, length_S[asked] - 1)
        stop_S[asked] -= held.astype(np.int64)
    train = np.flatnonzero(stop_S > log.offsets[:-1]).astype(np.int32)
    return Split(train, log.offsets[:-1], stop_S, *(_ends(log, np.sort(asked), stop_S) for asked in (validation, test)))


def _ends(log: EventLog, asked: Int64[np.ndarray, "C"], stop_S: Int64[np.ndarray, "S"]) -> Cases:
    """What follows `stop_S` in these playlists, given what precedes it."""
    stop_C, end_C = stop_S[asked], log.offsets[asked + 1]
    event = ranges(stop_C, end_C)
    return Cases(
        sequence=asked.astype(np.int32),
        start=log.offsets[asked],
        stop=stop_C,
        station=np.full(len(asked), NO_STATION, np.int32),
        offsets=offsets_of(end_C - stop_C),
        item=np.asarray(log.item)[event],
        feedback=np.full(len(event), Feedback.UP, np.int8),
        event=event,
    )
