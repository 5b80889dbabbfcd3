"""Whom a chain is asked about, and whom it learns from."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from experiments.user_representation.settings import Asked
from experiments.user_representation.sources import TEST, TRAIN, VALIDATION, People, Sources, find_people
from urep_jax.core.types import Feedback
from urep_jax.data.log import EventLog
from urep_jax.data.moments import Moments
from urep_jax.data.splits import seconds
from urep_jax.data.user_features.profiles import read_profiles

NOW, WEEK = 1_700_000_000, 7 * 86_400
PART = np.array([TRAIN, TRAIN, VALIDATION, TEST, TRAIN], np.int8)


def moments(*rows: tuple[int, int]) -> Moments:
    user, time = np.array(rows, np.int64).reshape(-1, 2).T
    return Moments(user, time)


PEOPLE = People(
    now=NOW,
    end=NOW + WEEK,
    established=moments((0, NOW), (1, NOW), (2, NOW), (3, NOW), (4, NOW)),
    new=moments((1, NOW - 20 * WEEK)),
    weekly=moments(
        *((user, NOW) for user in range(5)),
        *((user, NOW - WEEK) for user in (0, 1, 2, 3)),
    ),
    part=PART,
)


def test_those_who_train_are_there_week_by_week_and_others_once() -> None:
    asked = PEOPLE.established_by_week
    assert sorted(zip(asked.user, asked.time, strict=True)) == [
        (0, NOW - WEEK),
        (0, NOW),
        (1, NOW - WEEK),
        (1, NOW),
        (2, NOW),
        (3, NOW),
        (4, NOW),
    ]


def sources(days: int) -> Sources:
    """Ten users who listen every day."""
    events = 10 * days
    log = EventLog(
        name="made",
        granularity="user",
        offsets=np.arange(0, events + 1, days),
        item=np.zeros(events, np.int32),
        timestamp=NOW + np.tile(np.arange(days, dtype=np.int64), 10) * 86_400,
        feedback=np.full(events, Feedback.PLAY, np.int8),
        sequence_ids=pa.array([f"u{n}" for n in range(10)]),
        item_ids=pa.array(["i"]),
    )
    return Sources(log, {}, read_profiles(log.sequence_ids, log.item_ids))


def test_users_are_asked_about_at_the_moment_that_is_named() -> None:
    asked = Asked(now="2023-12-24", days=7, weeks=2, shares=(0.4, 0.3, 0.3))
    people = find_people(sources(100), asked, seed=1)
    assert people.now == seconds("2023-12-24")
    assert people.end == people.now + WEEK
    assert set(people.weekly.time) == {people.now, people.now - WEEK}
    last = find_people(sources(100), dataclasses.replace(asked, now=None), seed=1)
    assert last.end == NOW + 99 * 86_400 + 1
    assert last.now == last.end - WEEK


def test_a_moment_outside_the_log_is_refused() -> None:
    asked = Asked(now="2024-12-24", weeks=2, shares=(0.4, 0.3, 0.3))
    with pytest.raises(ValueError, match=r"evaluation.now is 2024-12-24, but must lie between 2023-11-14 and 2024-02-"):
        find_people(sources(100), asked, seed=1)
