"""Whom a chain is asked about, and whom it learns from."""

import numpy as np

from experiments.user_representation.sources import TEST, TRAIN, VALIDATION, People
from urep_jax.data.moments import Moments

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
