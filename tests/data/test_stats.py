"""Table 1 against plain NumPy and hand-made logs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.logs import DAY, Row, log_of, rows
from urep_jax.core.types import Feedback
from urep_jax.data.stats import format_duration, format_ratio, format_table1, table1


@given(rows(), st.none() | st.integers(1, 8))
def test_matches_loops(events, max_length):
    log = log_of(events)
    counted = [
        [e for e in range(a, b) if log.feedback[e] != Feedback.PLAY][-max_length if max_length else None :]
        for a, b in zip(log.offsets[:-1], log.offsets[1:], strict=True)
    ]
    counted = [events for events in counted if events]
    kinds = [log.feedback[e] for events in counted for e in events]
    lookbacks = [log.timestamp[events[-1]] - log.timestamp[events[0]] for events in counted]
    table = table1(log, max_length)
    assert (table.ups, table.skips, table.downs) == tuple(kinds.count(k) for k in (1, 3, 2))
    assert table.max_length == max(map(len, counted))
    assert table.median_length == np.median([len(events) for events in counted])
    assert (table.max_lookback, table.median_lookback) == (max(lookbacks), np.median(lookbacks))
    assert table.num_sequences == len(counted)
    assert table.num_tracks == len({int(log.item[e]) for events in counted for e in events})
    assert table.without_up == np.mean([all(log.feedback[e] != Feedback.UP for e in events) for events in counted])


def test_plays_count_only_where_there_is_nothing_else():
    log = log_of([Row(0, 0, 0, "play"), Row(0, 5, 1, "play"), Row(1, 0, 0, "play")])
    table = table1(log)
    assert (table.feedback_types, table.max_length, table.num_sequences) == (("play",), 2, 2)
    assert format_ratio(table) == "0:0:0"


def test_printed_as_in_the_paper():
    events = [Row(0, t, t, "up") for t in range(4)] + [Row(0, 10 + t, t, "skip") for t in range(13)]
    events += [Row(0, 366 * DAY, 0, "down"), Row(1, 0, 0, "skip")]
    text = format_table1(table1(log_of(events)), table1(log_of(events), max_length=1))
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert lines[0] == ["", "test", "test"]
    assert lines[2:] == [
        ["Granularity", "User", "User"],
        ["Events counted", "all", "latest 1 of a user"],
        ["Feedback types", "+, /, −", "/, −"],
        ["Ratio of +:/:−", "4:14:1", "0:1:1"],
        ["Max. seq. length", "18", "1"],
        ["Median seq. length", "9.5", "1"],
        ["Max. lookback", "1 year", "Same day"],
        ["Median lookback", "6 months", "Same day"],
        ["No. of sequences", "2", "2"],
        ["No. of tracks", "13", "1"],
        ["Sequences with no up", "50.0%", "100.0%"],
    ]
    assert len({len(line) for line in text.splitlines()}) == 1
    assert "counted" not in format_table1(table1(log_of(events)))


@pytest.mark.parametrize(
    ("days", "text"), [(0.9, "Same day"), (1, "1 day"), (2, "2 days"), (274, "9 months"), (1351.4, "3.7 years")]
)
def test_durations(days, text):
    assert format_duration(float(days * DAY)) == text


@pytest.mark.parametrize(("max_length", "events", "rule"), [(0, 1, "at least 1"), (None, 0, "no events")])
def test_errors(max_length, events, rule):
    with pytest.raises(ValueError, match=rule):
        table1(log_of([Row(0, 0, 0, "up")] * events), max_length)
