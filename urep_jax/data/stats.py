"""The paper's Table 1 for any log: how long its sequences are, how far they look back, what feedback they hold."""

import dataclasses

import numpy as np

from urep_jax.core.types import SECONDS_PER_DAY, Feedback
from urep_jax.data.log import EventLog, Granularity
from urep_jax.data.ragged import running_count

_SIGNS = {"up": "+", "skip": "/", "down": "−", "play": "play"}


@dataclasses.dataclass(frozen=True)
class Table1:
    """Summary statistics of a log, as in Table 1 of the negative-feedback paper.

    Attributes:
        name: the data set's name.
        granularity: what one sequence is.
        feedback_types: the words of the feedback that occurs, in the table's order: up, skip, down.
        ups: number of ups.
        skips: number of skips.
        downs: number of downs.
        max_length: longest sequence, in events.
        median_length: median sequence, in events.
        max_lookback: longest time from a sequence's first event to its last, in seconds.
        median_lookback: median of that time, in seconds.
        num_sequences: sequences with an event.
        num_tracks: distinct tracks.
        without_up: share of the sequences that hold no up, 0 to 1.
        latest: how many of each sequence's latest events were counted; None for all of them.
    """

    name: str
    granularity: Granularity
    feedback_types: tuple[str, ...]
    ups: int
    skips: int
    downs: int
    max_length: int
    median_length: float
    max_lookback: float
    median_lookback: float
    num_sequences: int
    num_tracks: int
    without_up: float
    latest: int | None = None


def table1(log: EventLog, max_length: int | None = None) -> Table1:
    """Count a log's ups, skips and downs; plays are left out, unless the log holds nothing else.

    Args:
        log: the log.
        max_length: count only the latest so many events of each sequence, at least 1, as a model that is cropped to
            this length reads them. None counts all.

    Source: Negative Feedback for Music Personalization, §2, Table 1.

    Raises:
        ValueError: if the log holds no events, or `max_length` is below 1.
    """
    if max_length is not None and max_length < 1:
        raise ValueError(f"max_length is {max_length}, but must be at least 1, or None to count whole sequences")
    if not log.num_events:
        raise ValueError(f"log {log.name!r} holds no events; there is nothing to count")
    feedback_E = np.asarray(log.feedback)
    given_E = feedback_E != Feedback.PLAY
    counted = np.flatnonzero(given_E if given_E.any() else ~given_E)
    offsets_S = np.searchsorted(counted, log.offsets)
    if max_length is not None:
        lengths_S = np.diff(offsets_S)
        place_from_end = np.repeat(offsets_S[1:], lengths_S) - 1 - np.arange(len(counted))
        counted = counted[place_from_end < max_length]
        offsets_S = np.searchsorted(counted, log.offsets)

    feedback_N, time_N = feedback_E[counted], np.asarray(log.timestamp)[counted]
    start_S, stop_S = offsets_S[:-1], offsets_S[1:]
    start_S, stop_S = start_S[stop_S > start_S], stop_S[stop_S > start_S]
    ups_N = running_count(feedback_N == Feedback.UP)
    lengths_S, lookback_S = stop_S - start_S, time_N[stop_S - 1] - time_N[start_S]
    count = np.bincount(feedback_N, minlength=len(Feedback))
    order = (Feedback.UP, Feedback.SKIP, Feedback.DOWN, Feedback.PLAY)
    return Table1(
        name=log.name,
        granularity=log.granularity,
        feedback_types=tuple(kind.word for kind in order if count[kind]),
        ups=int(count[Feedback.UP]),
        skips=int(count[Feedback.SKIP]),
        downs=int(count[Feedback.DOWN]),
        max_length=int(lengths_S.max()),
        median_length=float(np.median(lengths_S)),
        max_lookback=float(lookback_S.max()),
        median_lookback=float(np.median(lookback_S)),
        num_sequences=len(lengths_S),
        num_tracks=len(np.unique(np.asarray(log.item)[counted])),
        without_up=float(np.mean(ups_N[stop_S] == ups_N[start_S])),
        latest=max_length,
    )


def format_table1(*tables: Table1) -> str:
    """Tables side by side, one column for each data set, in the paper's order of rows, as Markdown.

    A row of its own, which the paper's table lacks, says where only the latest events were counted.
    """
    rows = {
        "": [table.name for table in tables],
        "Granularity": [table.granularity.capitalize() for table in tables],
        **({"Events counted": [format_counted(table) for table in tables]} if any(t.latest for t in tables) else {}),
        "Feedback types": [", ".join(_SIGNS[word] for word in table.feedback_types) for table in tables],
        "Ratio of +:/:−": [format_ratio(table) for table in tables],
        "Max. seq. length": [f"{table.max_length:,}" for table in tables],
        "Median seq. length": [f"{table.median_length:,g}" for table in tables],
        "Max. lookback": [format_duration(table.max_lookback) for table in tables],
        "Median lookback": [format_duration(table.median_lookback) for table in tables],
        "No. of sequences": [f"{table.num_sequences:,}" for table in tables],
        "No. of tracks": [f"{table.num_tracks:,}" for table in tables],
        "Sequences with no up": [f"{table.without_up:.1%}" for table in tables],
    }
    label_width = max(map(len, rows))
    widths = [max(len(cells[column]) for cells in rows.values()) for column in range(len(tables))]
    lines = [
        f"| {label:<{label_width}} | " + " | ".join(map(str.rjust, cells, widths)) + " |"
        for label, cells in rows.items()
    ]
    rule = f"|{'-' * (label_width + 2)}|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def format_counted(table: Table1) -> str:
    """Which events of each sequence the other rows are about.

    Example: `latest 200 of a user`.
    """
    return "all" if table.latest is None else f"latest {table.latest:,} of a {table.granularity}"


def format_ratio(table: Table1) -> str:
    """Ups : skips : downs, as multiples of the downs, or of the ups in a log without downs.

    Example: `4:13:1`.
    """
    unit = table.downs or table.ups
    if not unit:
        return f"0:{int(table.skips > 0)}:0"
    return ":".join(f"{round(count / unit, 1):g}" for count in (table.ups, table.skips, table.downs))


def format_duration(seconds: float) -> str:
    """A length of time in the largest unit that fits; `Same day` below 24 hours.

    Example:
        >>> format_duration(9 * 30.44 * 86_400)
        '9 months'
    """
    days = seconds / SECONDS_PER_DAY
    for unit, length in (("year", 365.25), ("month", 30.4375), ("day", 1.0)):
        if days >= length:
            amount = f"{round(days / length, 1):g}"
            return f"{amount} {unit}" if amount == "1" else f"{amount} {unit}s"
    return "Same day"
