"""What an event must be like, as SQL: the values that it is read as, and the rules that send it to the rejects."""

import dataclasses
import math
from collections.abc import Mapping

from urep_jax.core.types import FEEDBACK_WORDS, Feedback
from urep_jax.data.ingest.fields import literal, name

UTC_OFFSET_LIMIT = 14 * 3600
"""Seconds: no clock on Earth is further from UTC."""


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """Feedback by a number, such as a rating: high is up, low is down, and what lies between is a skip.

    Attributes:
        column: the number's column in the source.
        up_from: this number or more is `up`.
        down_to: this number or less is `down`.

    Example:
        >>> Thresholds(column="rating", up_from=8, down_to=5).up_from
        8
    """

    column: str
    up_from: float
    down_to: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.up_from) and math.isfinite(self.down_to) and self.down_to < self.up_from):
            raise ValueError(
                f"up_from is {self.up_from} and down_to is {self.down_to}; both must be finite, and down_to must be "
                "below up_from"
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


def event_checks(words: Mapping[str, str], thresholds: Thresholds | None, now: int) -> Checks:
    """The values and rules of the events table.

    Args:
        words: the library's feedback words by the source's, where they differ.
        thresholds: how a number becomes feedback; the raw feedback column then holds that number.
        now: the latest second that an event may have.
    """
    _check_words(words)
    number = "TRY_CAST(timestamp AS DOUBLE)"
    moment = "floor(epoch(TRY_CAST(timestamp AS TIMESTAMPTZ)))"
    values = {
        "timestamp": f"CASE WHEN {number} IS NOT NULL THEN {number} ELSE {moment} END",
        "feedback": _feedback_code(words, thresholds),
        "played_ratio": "TRY_CAST(played_ratio AS FLOAT)",
        "utc_offset": "TRY_CAST(utc_offset AS DOUBLE)",
    }
    if thresholds is None:
        known = ", ".join(dict.fromkeys((*words, *FEEDBACK_WORDS)))
        feedback_reason = f"the feedback must be one of {known}; name others in feedback_words"
    else:
        feedback_reason = "must be a finite number for the thresholds to judge"
    rules = (
        Rule("user_id", "user_id IS NULL", "the user id is missing"),
        Rule("item_id", "item_id IS NULL", "the item id is missing"),
        Rule("timestamp", "timestamp IS NULL", "the time is missing"),
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
            "played_ratio IS NOT NULL AND (as_played_ratio IS NULL OR NOT as_played_ratio BETWEEN 0 AND 1)",
            "the share that was heard must be a number from 0 to 1",
        ),
        Rule(
            "utc_offset",
            "utc_offset IS NOT NULL AND (as_utc_offset IS NULL OR as_utc_offset <> floor(as_utc_offset) "
            f"OR NOT as_utc_offset BETWEEN -{UTC_OFFSET_LIMIT} AND {UTC_OFFSET_LIMIT})",
            f"the offset must be whole seconds, {UTC_OFFSET_LIMIT} at most either way",
        ),
    )
    return Checks(values, rules)


def checked(fields: str, present: Mapping[str, str], checks: Checks, file: int) -> str:
    """SQL that turns `text_fields` or `parquet_fields` into rows of the `checked` table.

    Args:
        fields: SQL with the raw columns.
        present: the columns of the events table that the file has.
        checks: values and rules.
        file: the file's number.
    """
    absent = "".join(f", NULL::VARCHAR AS {name(column)}" for column in _RAW if column not in present)
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
            FROM (SELECT *, {typed} FROM (SELECT * {absent} FROM ({fields})))
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
}


def _check_words(words: Mapping[str, str]) -> None:
    for source, word in words.items():
        if word not in FEEDBACK_WORDS:
            raise ValueError(
                f"feedback_words maps {source!r} to {word!r}, but must map to one of {', '.join(FEEDBACK_WORDS)}"
            )


def _feedback_code(words: Mapping[str, str], thresholds: Thresholds | None) -> str:
    if thresholds is not None:
        number = "TRY_CAST(feedback AS DOUBLE)"
        return (
            f"CASE WHEN NOT isfinite({number}) THEN NULL "
            f"WHEN {number} >= {float(thresholds.up_from)!r} THEN {Feedback.UP.value} "
            f"WHEN {number} <= {float(thresholds.down_to)!r} THEN {Feedback.DOWN.value} "
            f"WHEN {number} IS NOT NULL THEN {Feedback.SKIP.value} END"
        )
    every = {word: word for word in FEEDBACK_WORDS} | dict(words)
    cases = " ".join(f"WHEN {literal(s)} THEN {Feedback.from_word(w).value}" for s, w in every.items())
    return f"CASE feedback {cases} END"
