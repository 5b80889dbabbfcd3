"""What an event must be like, as SQL: the values that it is read as, and the rules that send it to the rejects."""

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType

from urep_jax.core.types import FEEDBACK_WORDS, SECONDS_PER_DAY, Feedback
from urep_jax.data.ingest.fields import literal, name

UTC_OFFSET_LIMIT = 14 * 3600
"""Seconds: no clock on Earth is further from UTC."""

UNDO = {"undo up": -Feedback.UP.value, "undo down": -Feedback.DOWN.value}
"""Words of rows that take a feedback back, and their codes while a log is made; no log holds them."""

_HOUR = 3600


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """Feedback by a number, such as a rating: high is up, low is down, and what lies between is a skip.

    Attributes:
        column: the number's column in the source.
        up_from: this number or more is `high`.
        down_to: this number or less is `low`.
        high: feedback word of a high number.
        low: feedback word of a low number.

    Example:
        >>> Thresholds(column="rating", up_from=8, down_to=5).up_from
        8
    """

    column: str
    up_from: float
    down_to: float
    high: str = "up"
    low: str = "down"

    def __post_init__(self) -> None:
        for field in ("high", "low"):
            if getattr(self, field) not in FEEDBACK_WORDS:
                raise ValueError(f"{field} is {getattr(self, field)!r}, but must be one of {', '.join(FEEDBACK_WORDS)}")
        if not (math.isfinite(self.up_from) and math.isfinite(self.down_to) and self.down_to < self.up_from):
            raise ValueError(
                f"up_from is {self.up_from} and down_to is {self.down_to}; both must be finite, and down_to must be "
                "below up_from"
            )


@dataclasses.dataclass(frozen=True)
class Clock:
    """Time that is told in parts: a day, an hour of it, and the event's place in its sequence.

    The event's time is `day + 3600 hour + place` seconds: how far apart two events are isn't told, and a second is
    what keeps their order. Where the hour falls from one place of a sequence to the next, the later event keeps the
    earlier one's hour, so that events always lie in the order of their places.

    Attributes:
        day: the column of the date.
        hour: the column of the hour, 0 to 23.
        place: the column of the place, from 1.
        last_place: the greatest place that there can be, below 3600.

    Example:
        >>> Clock(day="date", hour="hour_of_day", place="session_position", last_place=20).day
        'date'
    """

    day: str
    hour: str
    place: str
    last_place: int = _HOUR - 1

    def __post_init__(self) -> None:
        if not 1 <= self.last_place < _HOUR:
            raise ValueError(
                f"last_place is {self.last_place}, but must be from 1 to {_HOUR - 1}: a place is a second of its hour"
            )


@dataclasses.dataclass(frozen=True)
class Rule:
    """One way in which an event can be wrong.

    Attributes:
        column: the column of the events table that is to blame.
        broken: SQL that is true of an event that breaks the rule.
        reason: what is wrong and what would be right, as the rejects tell it.
    """

    column: str
    broken: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Checks:
    """How text becomes events.

    Attributes:
        values: SQL of each column's typed value over the raw text columns.
        rules: the rules, over raw columns and the values named `as_<column>`; the first broken one counts.
    """

    values: dict[str, str]
    rules: tuple[Rule, ...]


def event_checks(
    words: Mapping[str, str],
    thresholds: Thresholds | None,
    now: int,
    *,
    clock: Clock | None = None,
    percent: bool = False,
) -> Checks:
    """The values and rules of the events table.

    Args:
        words: the library's feedback words, or those of `UNDO`, by the source's, where they differ.
        thresholds: how a number becomes feedback; the raw feedback column then holds that number.
        now: the latest second that an event may have.
        clock: how a moment is put together; the raw columns `timestamp`, `hour` and `place` then hold its parts.
        percent: whether `played_ratio` is told in percent; more than 100 counts as 100.
    """
    check_words(words)
    number = "TRY_CAST(timestamp AS DOUBLE)"
    moment = f"CASE WHEN {number} IS NOT NULL THEN {number} ELSE floor(epoch(TRY_CAST(timestamp AS TIMESTAMPTZ))) END"
    hour, place = "TRY_CAST(hour AS DOUBLE)", "TRY_CAST(place AS DOUBLE)"
    ratio = "TRY_CAST(played_ratio AS DOUBLE)"
    values = {
        "timestamp": f"{moment} + {_HOUR} * {hour} + {place}" if clock else moment,
        "place": place if clock else "NULL",
        "feedback": _feedback_code(words, thresholds),
        "played_ratio": f"CASE WHEN {ratio} > 100 THEN 1 ELSE {ratio} / 100 END" if percent else ratio,
        "utc_offset": "TRY_CAST(utc_offset AS DOUBLE)",
    }
    if thresholds is None:
        known = ", ".join(dict.fromkeys((*words, *FEEDBACK_WORDS)))
        feedback_reason = f"the feedback must be one of {known}"
    else:
        feedback_reason = "must be a finite number for the thresholds to judge"
    rules = (
        Rule("user_id", "user_id IS NULL", "the user id is missing"),
        Rule("item_id", "item_id IS NULL", "the item id is missing"),
        Rule("timestamp", "timestamp IS NULL", "the time is missing"),
        *(_clock_rules(clock, moment, hour, place) if clock else ()),
        Rule(
            "timestamp",
            "as_timestamp IS NULL OR NOT isfinite(as_timestamp)",
            "the time must be seconds since 1970 or an ISO date and time, in UTC",
        ),
        Rule("timestamp", "as_timestamp <> floor(as_timestamp)", "the time must be whole seconds"),
        Rule("timestamp", "as_timestamp < 0", "the time is before 1970"),
        Rule("timestamp", f"as_timestamp > {now}", "the time is in the future; it must be seconds since 1970, in UTC"),
        Rule("feedback", "feedback IS NULL", "the feedback is missing"),
        Rule("feedback", "as_feedback IS NULL", feedback_reason),
        Rule(
            "played_ratio",
            f"played_ratio IS NOT NULL AND ({ratio} IS NULL OR NOT isfinite({ratio}) OR NOT as_played_ratio BETWEEN 0 "
            "AND 1)",
            "the percentage that was heard must be a number, at least 0"
            if percent
            else "the share that was heard must be a number from 0 to 1",
        ),
        Rule(
            "utc_offset",
            "utc_offset IS NOT NULL AND (as_utc_offset IS NULL OR as_utc_offset <> floor(as_utc_offset) "
            f"OR NOT as_utc_offset BETWEEN -{UTC_OFFSET_LIMIT} AND {UTC_OFFSET_LIMIT})",
            f"the offset must be whole seconds, {UTC_OFFSET_LIMIT} at most either way",
        ),
    )
    return Checks(values, rules)


def checked(
    fields: str,
    present: Mapping[str, str],
    checks: Checks,
    file: int,
    *,
    constants: Mapping[str, str] = MappingProxyType({}),
    kept: str = "true",
) -> str:
    """SQL that turns `text_fields` or `parquet_fields` into rows of the `checked` table.

    Args:
        fields: SQL with the raw columns.
        present: the columns of the events table that the file has, and any others that values and rules look at.
        checks: values and rules.
        file: the file's number.
        constants: what every row says, by columns of the events table that the file lacks.
        kept: SQL over the raw columns; rows of which it isn't true are left out, unless they are damaged.
    """
    absent = "".join(
        f", {literal(constants[column]) if column in constants else 'NULL'}::VARCHAR AS {name(column)}"
        for column in _RAW
        if column not in present
    )
    typed = ", ".join(f"{sql} AS as_{column}" for column, sql in checks.values.items())
    numbered = tuple(enumerate(checks.rules))
    broken = " ".join(f"WHEN {rule.broken} THEN {number}" for number, rule in numbered)
    reasons = " ".join(f"WHEN {number} THEN {literal(rule.reason)}" for number, rule in numbered)
    blamed = " ".join(f"WHEN {number} THEN {literal(rule.column)}" for number, rule in numbered)
    values = " ".join(f"WHEN {number} THEN {name(rule.column)}" for number, rule in numbered)
    return f"""
        SELECT {file}::INTEGER AS file, line, cut_short,
            CASE rule WHEN {_DAMAGED} THEN damage {reasons} END AS reason,
            CASE rule WHEN {_DAMAGED} THEN '' {blamed} END AS blamed,
            CASE rule WHEN {_DAMAGED} THEN whole[:{_SHOWN}] {values} END AS value,
            {", ".join(f"CASE WHEN rule IS NULL THEN {sql} END AS {column}" for column, sql in _KEPT.items())}
        FROM (
            SELECT *, CASE WHEN damage IS NOT NULL THEN {_DAMAGED} {broken} END AS rule
            FROM (
                SELECT *, {typed} FROM (SELECT * {absent} FROM ({fields}) WHERE damage IS NOT NULL OR ({kept}))
            )
        )"""


_DAMAGED = -1

_SHOWN = 200
"""Characters of a damaged line that its reject shows."""

_RAW = ("user_id", "item_id", "timestamp", "feedback", "station_id", "device", "played_ratio", "utc_offset")

_KEPT = {
    "user_id": "user_id",
    "item_id": "item_id",
    "timestamp": "as_timestamp::BIGINT",
    "feedback": "as_feedback::TINYINT",
    "station_id": "station_id",
    "device": "device",
    "played_ratio": "as_played_ratio::FLOAT",
    "utc_offset": "as_utc_offset::INTEGER",
    "place": "as_place::INTEGER",
}


def check_words(words: Mapping[str, str]) -> None:
    """See that feedback words are mapped to known ones.

    Raises:
        ValueError: naming the first that isn't.
    """
    for source, word in words.items():
        if word not in (*FEEDBACK_WORDS, *UNDO):
            raise ValueError(
                f"feedback_words maps {source!r} to {word!r}, but must map to one of "
                f"{', '.join((*FEEDBACK_WORDS, *UNDO))}"
            )


def _clock_rules(clock: Clock, moment: str, hour: str, place: str) -> tuple[Rule, ...]:
    return (
        Rule("timestamp", f"{moment} IS NULL OR ({moment}) % {SECONDS_PER_DAY} <> 0", "must be a date"),
        Rule(
            "hour",
            f"{hour} IS NULL OR {hour} <> floor({hour}) OR NOT {hour} BETWEEN 0 AND 23",
            "the hour must be a whole number from 0 to 23",
        ),
        Rule(
            "place",
            f"{place} IS NULL OR {place} <> floor({place}) OR NOT {place} BETWEEN 1 AND {clock.last_place}",
            f"the place in the sequence must be a whole number from 1 to {clock.last_place}",
        ),
    )


def _feedback_code(words: Mapping[str, str], thresholds: Thresholds | None) -> str:
    if thresholds is not None:
        number = "TRY_CAST(feedback AS DOUBLE)"
        return (
            f"CASE WHEN NOT isfinite({number}) THEN NULL "
            f"WHEN {number} >= {float(thresholds.up_from)!r} THEN {Feedback.from_word(thresholds.high).value} "
            f"WHEN {number} <= {float(thresholds.down_to)!r} THEN {Feedback.from_word(thresholds.low).value} "
            f"WHEN {number} IS NOT NULL THEN {Feedback.SKIP.value} END"
        )
    codes = {word: Feedback.from_word(word).value for word in FEEDBACK_WORDS} | UNDO
    codes |= {source: codes[word] for source, word in words.items()}
    cases = " ".join(f"WHEN {literal(word)} THEN {code}" for word, code in codes.items())
    return f"CASE feedback {cases} END"
