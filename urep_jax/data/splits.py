"""Splits: which events of a log train, validate and test.

A split is any function from a log to a `Split`. The three here are frozen configs that can be called:
`PaperSplit(cut="2000-12-01")(log)`.
"""

import dataclasses
import datetime
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int64

from urep_jax.core.streams import numpy_stream
from urep_jax.core.types import SECONDS_PER_DAY, Feedback
from urep_jax.data.asked import NEVER, ask, latest_pair, one_target_each, place_from_end, to_cases
from urep_jax.data.cases import Cases, Split
from urep_jax.data.log import EventLog
from urep_jax.data.ragged import running_count

_GIVEN = (Feedback.UP, Feedback.DOWN, Feedback.SKIP)


@dataclasses.dataclass(frozen=True)
class PaperSplit:
    """The split of the negative-feedback paper: see `paper_split`.

    Attributes:
        cut: where the test begins: an ISO date or date and time (UTC unless it says otherwise), or seconds since 1970.
            None: the midnight (UTC) that begins the day `test_days` before that of the last event.
        test_days: whole days of the test period before the last one, at least 1; read only if `cut` is None.
        validation_share: share of the sequences held out for validation, at least 0 and below 1.
        min_events: ups, downs and skips that a case's input holds at least, 0 or more.
        validation_targets: a validation case asks about at most this many of its latest ups, and as many of its latest
            negatives; at least 1.
        seed: of the random choice of validation sequences, at least 0.

    Raises:
        ValueError: if a value is out of range.
    """

    cut: str | int | None = None
    test_days: int = 30
    validation_share: float = 0.1
    min_events: int = 5
    validation_targets: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("test_days", 1), ("min_events", 0), ("validation_targets", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least {least}")
        if not 0 <= self.validation_share < 1:
            raise ValueError(f"validation_share is {self.validation_share}, but must be at least 0 and below 1")
        seconds(self.cut)

    def __call__(self, log: EventLog) -> Split:
        """Split `log`."""
        return paper_split(log, self)


@dataclasses.dataclass(frozen=True)
class LeaveOneOut:
    """The last event of each sequence tests, the one before validates: see `leave_one_out`.

    Attributes:
        targets: which events are asked about: `any`, or `up` for ups only.
        min_events: such events that a sequence needs to be asked about, at least 3; shorter ones only train.

    Raises:
        ValueError: if a value is out of range.
    """

    targets: Literal["any", "up"] = "any"
    min_events: int = 3

    def __post_init__(self) -> None:
        if self.targets not in ("any", "up"):
            raise ValueError(f"targets is {self.targets!r}, but must be 'any' or 'up'")
        if self.min_events < 3:
            raise ValueError(
                f"min_events is {self.min_events}, but must be at least 3: one to train on, two to ask about"
            )

    def __call__(self, log: EventLog) -> Split:
        """Split `log`."""
        return leave_one_out(log, self)


@dataclasses.dataclass(frozen=True)
class TimeCut:
    """All that lies before a moment trains, all after it tests: see `time_cut`.

    Attributes:
        cut: where the test begins, as in `PaperSplit`.
        test_days: whole days of the test period before the last one, at least 1; read only if `cut` is None.

    Raises:
        ValueError: if a value is out of range.
    """

    cut: str | int | None = None
    test_days: int = 30

    def __post_init__(self) -> None:
        if self.test_days < 1:
            raise ValueError(f"test_days is {self.test_days}, but must be at least 1")
        seconds(self.cut)

    def __call__(self, log: EventLog) -> Split:
        """Split `log`."""
        return time_cut(log, self)


def paper_split(log: EventLog, cfg: PaperSplit) -> Split:
    """Sequences at random for training and validation, the last month apart by time for the test.

    Plays are neither counted nor asked about, though they lie within the ranges.

    Test, granularity `user`: any user with `min_events` events before the cut, and an up and a negative after it on one
    station (anywhere, in a log without stations). One case for each such station; the input is all before the cut.
    A negative is a down; a skip counts only in logs that hold no down at all.

    Validation, granularity `user`: held-out users, events before the cut only, negatives are downs and skips. The input
    ends with the latest UTC day after which there still are an up and a negative on one station, and the targets are
    these later days': from the same sitting, pairs mislead.

    Granularity `session`: sessions that begin at or after the cut test, held-out ones that begin before it validate.
    The last up and the last negative on one station are asked about, and the input is what precedes them both. Of
    several stations the one with the latest pair is taken.

    Source: Negative Feedback for Music Personalization, §2 and §4.

    Raises:
        ValueError: if the cut leaves no event before it, or none after it.
    """
    before_E = np.asarray(log.timestamp) < _cut(log, cfg.cut, cfg.test_days)
    feedback_E = np.asarray(log.feedback)
    start_S, stop_S = log.offsets[:-1], log.offsets[:-1] + _per_sequence(log, before_E)

    # Sequences without a past take no part in the draw, so that what comes after the cut cannot change it.
    drawn = numpy_stream(cfg.seed, "split").permutation(np.flatnonzero(stop_S > start_S)).astype(np.int32)
    num_held_out = round(cfg.validation_share * len(drawn))
    held_out_S = np.zeros(log.num_sequences, bool)
    held_out_S[drawn[:num_held_out]] = True

    negative = Feedback.DOWN if np.any(feedback_E == Feedback.DOWN) else Feedback.SKIP
    test_E = ~before_E & ((feedback_E == Feedback.UP) | (feedback_E == negative))
    validation_E = before_E & np.isin(feedback_E, _GIVEN) & _to_events(log, held_out_S)
    if log.granularity == "session":
        test = _last_pairs(log, test_E & _to_events(log, stop_S == start_S), cfg.min_events)
        validation = _last_pairs(log, validation_E, cfg.min_events)
    else:
        test = _after_cut(log, test_E, before_E, cfg.min_events)
        validation = _later_days(log, validation_E, cfg)
    return Split(np.sort(drawn[num_held_out:]), start_S, stop_S, validation, test)


def leave_one_out(log: EventLog, cfg: LeaveOneOut) -> Split:
    """Train on all but the last two events of each sequence; the second-last validates, the last tests.

    With `targets="up"` the last two ups take these parts. All that came before a target is its case's input.
    """
    target_E = np.asarray(log.feedback) == Feedback.UP if cfg.targets == "up" else np.ones(log.num_events, bool)
    event = np.flatnonzero(target_E)
    offsets = np.searchsorted(event, log.offsets)
    asked = np.flatnonzero(np.diff(offsets) >= cfg.min_events)
    last, second_last = event[offsets[asked + 1] - 1], event[offsets[asked + 1] - 2]
    stop_S = log.offsets[1:].copy()
    stop_S[asked] = second_last
    train = np.flatnonzero(stop_S > log.offsets[:-1]).astype(np.int32)
    validation, test = one_target_each(log, asked, second_last), one_target_each(log, asked, last)
    return Split(train, log.offsets[:-1], stop_S, validation, test)


def time_cut(log: EventLog, cfg: TimeCut) -> Split:
    """Train on everybody's events before the cut, test on the ups, downs and skips after it; nothing validates.

    One case for each sequence with an event before the cut and each of its later stations.

    Raises:
        ValueError: if the cut leaves no event before it, or none after it.
    """
    before_E = np.asarray(log.timestamp) < _cut(log, cfg.cut, cfg.test_days)
    start_S, stop_S = log.offsets[:-1], log.offsets[:-1] + _per_sequence(log, before_E)
    known_S = stop_S > start_S
    asked = ask(log, ~before_E & np.isin(log.feedback, _GIVEN) & _to_events(log, known_S))
    group_S = asked.group_sequence
    test = to_cases(log, asked, np.ones(len(asked.event), bool), start_S[group_S], stop_S[group_S])
    return Split(np.flatnonzero(known_S).astype(np.int32), start_S, stop_S, Cases.empty(), test)


def seconds(cut: str | int | None, name: str = "cut") -> int | None:
    """A moment in seconds since 1970: an ISO date or date and time (UTC unless it says otherwise) is converted.

    Args:
        cut: the moment.
        name: what it is called where it can't be read.

    Raises:
        ValueError: if `cut` is a text that is no ISO date.

    Example:
        >>> seconds("2000-12-01")
        975628800
    """
    if not isinstance(cut, str):
        return cut
    try:
        moment = datetime.datetime.fromisoformat(cut)
    except ValueError:
        raise ValueError(f"{name} is {cut!r}, but must be an ISO date such as '2000-12-01', or seconds") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp())


def _cut(log: EventLog, cut: str | int | None, test_days: int) -> int:
    """The cut in seconds, checked to lie within the log."""
    if not log.num_events:
        raise ValueError(f"log {log.name!r} holds no events; there is nothing to split")
    first, last = int(np.min(log.timestamp)), int(np.max(log.timestamp))
    moment = seconds(cut)
    if moment is None:
        # At midnight, so that what is taken back later on the same day isn't taken back across the cut (`ingest`).
        moment = (last // SECONDS_PER_DAY - test_days) * SECONDS_PER_DAY
    if not first < moment <= last:
        raise ValueError(
            f"cut is {moment} (from cut={cut!r}, test_days={test_days}), but the events of log {log.name!r} run from "
            f"{first} to {last}; choose a cut that leaves events on both sides"
        )
    return moment


def _per_sequence(log: EventLog, mask: Bool[np.ndarray, "E"]) -> Int64[np.ndarray, "S"]:
    """How many events of each sequence are in `mask`."""
    return np.diff(running_count(mask)[log.offsets])


def _to_events(log: EventLog, values: np.ndarray) -> np.ndarray:
    """Each sequence's value, for each of its events."""
    return np.repeat(values, np.diff(log.offsets))


def _after_cut(log: EventLog, where: Bool[np.ndarray, "E"], before: Bool[np.ndarray, "E"], min_events: int) -> Cases:
    """All events of `where` on stations that hold a pair, given all before the cut."""
    known_S = _per_sequence(log, before & np.isin(log.feedback, _GIVEN)) >= min_events
    asked = ask(log, where & _to_events(log, known_S))
    keep_G = latest_pair(asked, asked.event) != NEVER
    start_G = log.offsets[asked.group_sequence]
    stop_G = start_G + _per_sequence(log, before)[asked.group_sequence]
    return to_cases(log, asked, keep_G[asked.group], start_G, stop_G)


def _later_days(log: EventLog, where: Bool[np.ndarray, "E"], cfg: PaperSplit) -> Cases:
    """The events of `where` on a user's last days that hold a pair, given the days before."""
    asked = ask(log, where)
    time = np.asarray(log.timestamp)[asked.event].astype(np.int64)
    pair_G = latest_pair(asked, time)
    paired_G = pair_G != NEVER
    day_S = np.full(log.num_sequences, NEVER)
    np.maximum.at(day_S, asked.group_sequence[paired_G], pair_G[paired_G] // SECONDS_PER_DAY * SECONDS_PER_DAY)

    earlier_E = np.asarray(log.timestamp) < _to_events(log, day_S)
    enough_S = _per_sequence(log, earlier_E & np.isin(log.feedback, _GIVEN)) >= cfg.min_events
    keep_G = paired_G & (pair_G >= day_S[asked.group_sequence]) & enough_S[asked.group_sequence]
    keep = keep_G[asked.group] & (time >= day_S[asked.sequence]) & (place_from_end(asked) < cfg.validation_targets)
    start_G = log.offsets[asked.group_sequence]
    stop_G = start_G + _per_sequence(log, earlier_E)[asked.group_sequence]
    return to_cases(log, asked, keep, start_G, stop_G)


def _last_pairs(log: EventLog, where: Bool[np.ndarray, "E"], min_events: int) -> Cases:
    """Each session's last up and last negative of `where`, given what precedes them both."""
    asked = ask(log, where)
    pair_G = latest_pair(asked, asked.event)
    best_S = np.full(log.num_sequences, NEVER)
    np.maximum.at(best_S, asked.group_sequence, pair_G)
    start_G = log.offsets[asked.group_sequence]
    stop_G = np.maximum(pair_G, start_G)
    count_E = running_count(np.isin(log.feedback, _GIVEN))
    enough_G = count_E[stop_G] - count_E[start_G] >= min_events
    keep_G = (pair_G != NEVER) & (pair_G == best_S[asked.group_sequence]) & enough_G
    return to_cases(log, asked, keep_G[asked.group] & (place_from_end(asked) == 0), start_G, stop_G)
