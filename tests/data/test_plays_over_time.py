"""Popularity as it was known at a time."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from urep_jax.core.types import LISTENED, Feedback
from urep_jax.data.log import EventLog
from urep_jax.data.plays_over_time import plays_over_time

WEEK = 7 * 86_400
ITEMS = 3


def log_of(events: list[tuple[int, int, Feedback]]) -> EventLog:
    """Events of one user: time, item, feedback."""
    time, item, feedback = zip(*sorted(events), strict=True) if events else ((), (), ())
    return EventLog(
        name="made",
        granularity="user",
        offsets=np.array([0, len(events)]),
        item=np.array(item, np.int32),
        timestamp=np.array(time, np.int64),
        feedback=np.array(feedback, np.int8),
        sequence_ids=pa.array(["u"]),
        item_ids=pa.array([f"i{i}" for i in range(ITEMS)]),
    )


EVENTS = st.lists(st.tuples(st.integers(0, 10 * WEEK), st.integers(0, ITEMS - 1), st.sampled_from(Feedback)))


@given(EVENTS, st.integers(WEEK, 10 * WEEK), st.integers(0, 11 * WEEK))
def test_plays_are_those_before_the_last_moment(
    events: list[tuple[int, int, Feedback]], until: int, asked: int
) -> None:
    plays = plays_over_time(log_of(events), until)
    moment = int(plays.time[plays.moment(np.array([asked]))[0]])
    assert np.all(np.diff(plays.time) == WEEK)
    assert plays.time[-1] == until
    for item in range(ITEMS):
        of_item = [time for time, own, feedback in events if own == item and feedback in LISTENED]
        before = plays.before(np.array([asked]), np.array([item]))[0]
        if asked >= plays.time[0]:
            assert asked - WEEK < moment <= asked or moment == until
            told = [sum(time < moment for time in of_item)]
            told.append(sum(moment - 4 * WEEK <= time < moment for time in of_item))
        else:
            told = [0, 0]
        np.testing.assert_allclose(before, np.log1p(told), rtol=1e-6)


def test_without_events_nothing_is_played() -> None:
    plays = plays_over_time(log_of([]), WEEK)
    np.testing.assert_array_equal(plays.plays, np.zeros((1, ITEMS)))
