"""Whom a representation is asked for, and when: closed forms on a log of four users."""

import numpy as np
import pyarrow as pa
import pytest

from urep_jax.core.types import SECONDS_PER_DAY, Feedback
from urep_jax.data.log import EventLog
from urep_jax.data.moments import Moments, established_users, first_seen, new_users, user_parts
from urep_jax.data.user_features.profiles import NEVER, Profiles, read_profiles

DAY = SECONDS_PER_DAY
HEARD = {"a": [10, 300], "b": [290], "c": [], "d": [100, 101]}
"""Days on which each user heard something."""


def small_log() -> EventLog:
    days = [day for own in HEARD.values() for day in own]
    return EventLog(
        name="small",
        granularity="user",
        offsets=np.cumsum([0, *map(len, HEARD.values())]),
        item=np.zeros(len(days), np.int32),
        timestamp=np.array(days, np.int64) * DAY,
        feedback=np.full(len(days), Feedback.PLAY, np.int8),
        sequence_ids=pa.array(list(HEARD)),
        item_ids=pa.array(["x"]),
    )


def profiles(registered: dict[str, int], answered: dict[str, int] | None = None) -> Profiles:
    answered = answered or {}
    moments = pa.array([day * DAY for day in registered.values()], pa.int64())
    users = pa.table({"user_id": pa.array(list(registered), pa.string()), "registered_at": moments})
    answers = {
        "user_id": pa.array(list(answered), pa.string()),
        "timestamp": pa.array(list(answered.values()), pa.int64()),
    }
    onboarding = pa.table(answers)
    log = small_log()
    return read_profiles(log.sequence_ids, log.item_ids, users=users, onboarding=onboarding)


def test_a_user_is_there_from_the_registration_or_the_first_event_on() -> None:
    first = first_seen(small_log(), profiles({"a": 20, "b": 280}))
    assert first.tolist() == [10 * DAY, 280 * DAY, NEVER, 100 * DAY]


def test_established_users_were_there_long_enough_and_are_active() -> None:
    log = small_log()
    known = profiles({"c": 1})
    # a is active and old, b too new, c never heard anything, d is old but hasn't come back for half a year.
    assert established_users(log, known, 310 * DAY, days=30, active_days=182).user.tolist() == [0]
    assert established_users(log, known, 310 * DAY, days=20, active_days=182).user.tolist() == [0, 1]
    assert established_users(log, known, 310 * DAY, days=21, active_days=250).user.tolist() == [0, 3]
    # What happens at the moment itself, or later, makes nobody active.
    assert established_users(log, known, 300 * DAY, days=0, active_days=5).user.tolist() == []
    assert (established_users(log, known, 310 * DAY).time == 310 * DAY).all()
    with pytest.raises(ValueError, match="active_days is 0, but must be at least 1"):
        established_users(log, known, 0, active_days=0)


def test_new_users_are_there_when_they_answer_or_register() -> None:
    registered = {"a": 5, "b": 50, "c": 60, "d": 70}
    answered = {"b": 50 * DAY + 90, "c": 62 * DAY, "a": 5 * DAY}
    found = new_users(profiles(registered, answered), 50 * DAY, 70 * DAY)
    # c answered too late for it to be the beginning, d registered when it is over.
    assert found.user.tolist() == [1, 2]
    assert found.time.tolist() == [50 * DAY + 90, 60 * DAY]
    assert not len(new_users(profiles({}), 0, NEVER))


def test_parts_have_their_shares_and_a_users_part_is_its_own() -> None:
    many = user_parts(20_000, (0.7, 0.1, 0.2), seed=3)
    np.testing.assert_allclose(np.bincount(many) / len(many), (0.7, 0.1, 0.2), atol=0.012)
    np.testing.assert_array_equal(user_parts(50, (0.7, 0.1, 0.2), seed=3), many[:50])
    assert (user_parts(50, (0.7, 0.1, 0.2), seed=4) != many[:50]).any()
    with pytest.raises(ValueError, match=r"shares are 0\.5, 0\.6, but must .* add up to 1"):
        user_parts(3, (0.5, 0.6), seed=0)


def test_rows_are_joined_and_chosen() -> None:
    rows = Moments.join([Moments(np.array([1]), np.array([5])), Moments(np.array([0, 1]), np.array([6, 7]))])
    assert rows.where(rows.user == 1).time.tolist() == [5, 7]
