"""Sessions by hand, and of random logs by walking through them."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from tests.data.user_features.listeners import log_of
from urep_jax.core.types import Feedback
from urep_jax.data.log import EventLog
from urep_jax.data.sessions import sessions_of


def log_at(*times: list[int]) -> EventLog:
    """Users who hear something at these times."""
    flat = np.array([time for own in times for time in own], np.int64)
    return EventLog(
        name="sessions",
        granularity="user",
        offsets=np.cumsum([0, *map(len, times)]),
        item=np.zeros(len(flat), np.int32),
        timestamp=flat,
        feedback=np.full(len(flat), Feedback.PLAY, np.int8),
        sequence_ids=pa.array([f"user {n}" for n in range(len(times))]),
        item_ids=pa.array(["item"]),
    )


def test_a_pause_of_more_than_half_an_hour_begins_a_session() -> None:
    found = sessions_of(log_at([], [0, 1_800, 3_601], [], [3_602], []))
    assert found.user.tolist() == [1, 1, 3]
    assert found.first.tolist() == [0, 2, 3]
    assert found.stop.tolist() == [2, 3, 4]
    assert found.away.tolist() == [-1, 1_801, -1], "another user's event is no event before"
    assert not len(sessions_of(log_at([], [])).user)


@pytest.mark.parametrize("pause", [0, 1_800, 40_000_000])
def test_sessions_of_a_log_are_those_of_a_walk_through_it(pause: int) -> None:
    log = log_of(3)
    # Some a few minutes after the one before, so that there are sessions of several.
    step = np.where(np.random.default_rng(0).random(log.num_events) < 0.6, 300, 90_000)
    log = dataclasses.replace(log, timestamp=np.cumsum(step))
    walked = []
    for user in range(log.num_sequences):
        last = None
        for event in range(log.offsets[user], log.offsets[user + 1]):
            gap = None if last is None else log.timestamp[event] - last
            if gap is None or gap > pause:
                walked.append([user, event, event + 1, -1 if gap is None else gap])
            walked[-1][2] = event + 1
            last = log.timestamp[event]
    assert np.stack(sessions_of(log, pause), axis=1).tolist() == walked


def test_a_pause_below_none_is_refused() -> None:
    with pytest.raises(ValueError, match="pause is -1, but must be at least 0 seconds"):
        sessions_of(log_at([0]), -1)
