"""At which moments freshness is asked about, and that nothing later than their age reaches a vector."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from experiments.user_representation.freshness import AGES, aged
from experiments.user_representation.session_moments import changed, session_moments
from experiments.user_representation.settings import Asked
from experiments.user_representation.sources import TEST, TRAIN, People, Sources
from tests.data.test_sessions import log_at
from tests.data.user_features import listeners
from urep_jax.core.types import SECONDS_PER_DAY, Feedback
from urep_jax.data.moments import Moments, established_users, new_users
from urep_jax.data.user_features.features import user_features
from urep_jax.data.user_features.groups import FeatureConfig
from urep_jax.data.user_features.profiles import read_profiles

DAY, MINUTE = SECONDS_PER_DAY, 60
NOW = 100 * DAY
ASKED = Asked(days=7, hours=4, weeks=2, established_days=30)
VECTORS = np.eye(1, dtype=np.float32)


def session(begin: int, events: int = 3) -> list[int]:
    """Times of a session with an event every five minutes."""
    return [begin + 5 * MINUTE * n for n in range(events)]


TIMES = {
    "now and then": [*session(10 * DAY), *session(NOW - 4 * DAY), *session(NOW + DAY), *session(NOW + 2 * DAY)],
    "trains": [*session(10 * DAY), *session(NOW - 4 * DAY), *session(NOW + DAY)],
    "back": [*session(20 * DAY), *session(NOW - 5 * DAY)],
    "new": [*session(NOW - 50 * DAY), *session(NOW - 49 * DAY), *session(NOW - 48 * DAY)],
    "too late": [*session(10 * DAY), *session(NOW + 7 * DAY - 3 * 3600)],
    "hears one": [10 * DAY, NOW + DAY],
    "too new": [*session(NOW - 20 * DAY), *session(NOW + DAY)],
}
NAMES = list(TIMES)


def whom() -> tuple[Sources, People]:
    log = log_at(*TIMES.values())
    log = dataclasses.replace(log, sequence_ids=pa.array(NAMES))
    registered = pa.array([NOW - 50 * DAY - 60], pa.int64())
    users = pa.table({"user_id": ["new"], "registered_at": registered})
    profiles = read_profiles(log.sequence_ids, log.item_ids, users=users)
    people = People(
        now=NOW,
        end=NOW + 7 * DAY,
        established=established_users(log, profiles, NOW),
        new=new_users(profiles, 0, NOW),
        weekly=established_users(log, profiles, NOW),
        part=np.array([TRAIN if name == "trains" else TEST for name in NAMES], np.int8),
    )
    return Sources(log, {}, profiles), people


def told(group: str) -> list[tuple[str, int]]:
    """User and day of the moments of a group."""
    sources, people = whom()
    found = session_moments(sources, people, ASKED, VECTORS, 0)
    rows = found.groups[group]
    return sorted(
        (NAMES[u], int(t // DAY)) for u, t in zip(found.asked.user[rows], found.asked.time[rows], strict=True)
    )


def test_users_are_asked_about_within_sessions_and_as_they_begin() -> None:
    days = [("now and then", 101), ("now and then", 102), ("trains", 96), ("trains", 101)]
    assert told("established") == days, "who trains in the weeks before, too"
    assert told("beginnings") == sorted([*days, ("hears one", 101)])
    assert told("still") == sorted([("now and then", 101), *days[2:], ("hears one", 101)])
    assert told("returned") == [("back", 95), ("now and then", 96), ("trains", 96)], "also in the week before"
    assert told("new") == [("new", 50)], "the session a day later, to the minute, isn't of the first day"


def test_a_moment_lies_between_two_events_of_a_session_or_before_its_first() -> None:
    sources, people = whom()
    log, between = sources.log, set()
    for seed in range(20):
        found = session_moments(sources, people, ASKED, VECTORS, seed)
        for user, time, until, begins in zip(
            found.asked.user, found.asked.time, found.until, found.groups["beginnings"], strict=True
        ):
            own = log.timestamp[log.offsets[user] : log.offsets[user + 1]]
            of_session = own[(own >= time - 15 * MINUTE) & (own <= time + 15 * MINUTE)]
            assert until == of_session[-1] + 1
            heard = int((of_session < time).sum())
            if begins:
                assert heard == 0
                assert of_session[0] == time
            else:
                assert 1 <= heard < len(of_session)
                assert of_session[heard - 1] == time - 1, "right after something was heard"
                between.add(heard)
    assert between == {1, 2}


def test_no_user_is_asked_about_in_more_than_four_sessions() -> None:
    _, people = whom()
    many = log_at([*session(10 * DAY), *(t for n in range(20) for t in session(NOW + n * 3600 * 7))])
    profiles = read_profiles(many.sequence_ids, many.item_ids)
    people = people._replace(new=Moments(people.new.user[:0], people.new.time[:0]), part=np.array([TEST], np.int8))
    found = session_moments(Sources(many, {}, profiles), people, ASKED, VECTORS, 0)
    assert found.groups["beginnings"].sum() == 4
    again = session_moments(Sources(many, {}, profiles), people, ASKED, VECTORS, 0)
    np.testing.assert_array_equal(found.asked.time, again.asked.time)


def test_taste_has_changed_where_the_last_days_are_least_like_the_month_before() -> None:
    """Of ten, user `n` hears item 0, and then `n` plays of item 1 among ten; the last two hear too little."""
    times, items = [], []
    for n in range(12):
        before, recent = [0] * 10, [0] * (10 - min(n, 10)) + [1] * min(n, 10)
        before, recent = (before[: 9 if n == 10 else 10], recent[: 9 if n == 11 else 10])
        times.append([NOW - 20 * DAY + 300 * i for i in range(len(before))])
        times[-1] += [NOW - DAY + 300 * i for i in range(len(recent))]
        items += before + recent
    log = dataclasses.replace(log_at(*times), item=np.array(items, np.int32), item_ids=pa.array(["a", "b"]))
    asked = Moments(np.arange(12), np.full(12, NOW))
    vectors = np.eye(2, dtype=np.float32)
    # A fifth of the ten who hear enough.
    assert np.flatnonzero(changed(log, asked, vectors)).tolist() == [8, 9]
    assert not changed(log, Moments(np.arange(12), np.full(12, NOW - 60 * DAY)), vectors).any()
    # Skips are no plays, and what comes at the moment or later is nothing yet.
    skips = dataclasses.replace(log, feedback=np.full(log.num_events, Feedback.SKIP, np.int8))
    assert not changed(skips, asked, vectors).any()


@pytest.mark.parametrize("age", AGES)
def test_nothing_later_than_the_age_reaches_a_vector(age: str) -> None:
    inputs, cfg = listeners.inputs(), FeatureConfig(windows=(7, 30))
    log, rng = inputs.log, np.random.default_rng(0)
    asked = Moments(np.arange(log.num_sequences), rng.integers(NOW, listeners.NOW, log.num_sequences))
    late = aged(asked, AGES[age])
    assert (asked.time - late.time == AGES[age]).all()
    later = log.timestamp >= np.repeat(late.time, np.diff(log.offsets))
    other = dataclasses.replace(
        log,
        item=np.where(later, (log.item + 1) % listeners.ITEMS, log.item).astype(np.int32),
        feedback=np.where(later, Feedback.UP, log.feedback).astype(np.int8),
        device=np.where(later, 0, log.device).astype(np.int16),
    )
    was, now = (
        user_features(dataclasses.replace(inputs, log=one, device=one.device), late.user, late.time, cfg)
        for one in (log, other)
    )
    np.testing.assert_array_equal(was, now)
    # Half a year later it does.
    then = late.time + 10 * DAY
    changes = [
        user_features(dataclasses.replace(inputs, log=one, device=one.device), late.user, then, cfg)
        for one in (log, other)
    ]
    assert not np.array_equal(*changes, equal_nan=True)
