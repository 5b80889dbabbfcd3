"""Who is learnt from and who is tested, and what is known beforehand of items and listeners."""

import dataclasses
import re

import jax
import numpy as np
import pyarrow as pa
import pytest

from experiments.responses_from_logs.real_logs import LATER_LISTENERS, days_of, read
from experiments.responses_from_logs.settings import Settings
from experiments.satisfaction_from_logs.logged import NEW_LISTENERS, Logged
from experiments.satisfaction_from_logs.settings import Learning
from urep_jax.core.types import SECONDS_PER_DAY, Feedback
from urep_jax.data.log import EventLog
from urep_jax.data.user_features.profiles import Profiles, read_profiles
from urep_jax.simulation.satisfaction.candidates import anything
from urep_jax.simulation.satisfaction.params import SatisfactionParams

USERS, EVENTS, ITEMS = 200, 12, 16
KINDS = ("western", "noir")
LEARNING = Learning(1, 8, 1e-3, {"width": 4, "hidden": 4, "blocks": 0, "heads": 1, "window": 4})
SETTINGS = Settings(
    seed=0,
    later=0.2,
    tested=0.25,
    telling=0.25,
    least_events=3,
    most_events=10,
    width=3,
    offer=anything(count=5, pools=2),
    params=SatisfactionParams(weeks=2.0),
    response=LEARNING,
    forecast=LEARNING,
    followed=4,
)


def log(seed: int = 0) -> EventLog:
    """Half of the users are up for most of half of the items and for few others; the others the other way round."""
    rng = np.random.default_rng(seed)
    item = np.concatenate([rng.permutation(ITEMS)[:EVENTS] for _ in range(USERS)]).astype(np.int32)
    user = np.repeat(np.arange(USERS), EVENTS)
    likes = (item % 2 == user % 2) ^ (rng.random(len(item)) < 0.15)
    came = rng.permutation(USERS)
    time = came[user] * SECONDS_PER_DAY + np.tile(np.arange(EVENTS, dtype=np.int64), USERS) * 90
    return EventLog(
        name="made",
        granularity="user",
        offsets=np.arange(0, USERS * EVENTS + 1, EVENTS),
        item=item,
        timestamp=time,
        feedback=np.where(likes, Feedback.UP, Feedback.DOWN).astype(np.int8),
        sequence_ids=pa.array([f"u{n}" for n in range(USERS)]),
        item_ids=pa.array([f"i{n}" for n in range(ITEMS)]),
    )


LOG = log()
TABLES = {
    # In another order than the log's, and without its last item.
    "items": pa.table(
        {"item_id": [f"i{n}" for n in range(ITEMS - 2, -1, -1)], "genres": [[KINDS[n % 2]] for n in range(ITEMS - 1)]}
    ),
    "users": pa.table({"user_id": [f"u{n}" for n in range(USERS)], "gender": ["fm"[n % 2] for n in range(USERS)]}),
}


def profiles(of: EventLog) -> Profiles:
    return read_profiles(of.sequence_ids, of.item_ids, users=TABLES["users"], categories=["gender"])


def logged(of: EventLog = LOG) -> Logged:
    return read(of, TABLES, profiles(of), SETTINGS)


def test_nobody_is_in_two_parts_and_those_who_came_last_are_tested_apart() -> None:
    found = logged()
    parts = {name: set(part.log.listener.tolist()) for name, part in found.parts.items()}
    assert sum(map(len, parts.values())) == len(set.union(*parts.values()))
    came = LOG.timestamp[LOG.offsets[:-1]]
    last = parts.pop(LATER_LISTENERS)
    assert len(last) == 40
    assert min(came[list(last)]) > max(came[list(set.union(*parts.values()))])
    assert len(parts[NEW_LISTENERS]) == 40
    assert len(parts["train"]) == len(parts["other train"])
    assert all(part.log.is_there.sum(1).max() == 10 for part in found.parts.values())
    assert days_of(LOG) == pytest.approx(USERS - 1 + 11 * 90 / SECONDS_PER_DAY)


def test_nothing_that_is_known_beforehand_hangs_on_who_is_learnt_from_or_tested() -> None:
    found = logged()
    listeners = np.concatenate([part.log.listener for part in found.parts.values()])
    assert len(listeners) == USERS - 40, "the others tell of items"
    is_tested = np.repeat(np.isin(np.arange(USERS), listeners), EVENTS)
    other = np.where(LOG.feedback == Feedback.UP, Feedback.DOWN, Feedback.UP).astype(np.int8)
    changed = dataclasses.replace(LOG, feedback=np.where(is_tested, other, LOG.feedback))
    for one, same in zip(jax.tree.leaves(found.service), jax.tree.leaves(logged(changed).service), strict=True):
        np.testing.assert_array_equal(one, same)
    elsewhere = dataclasses.replace(LOG, feedback=np.where(is_tested, LOG.feedback, other))
    assert not np.array_equal(found.service.vector, logged(elsewhere).service.vector)


def test_items_are_their_words_and_listeners_what_their_like_are_up_for() -> None:
    found = logged()
    content = np.asarray(found.service.items.content)
    words = content[:, SETTINGS.width :]
    np.testing.assert_allclose(np.sort(words[:-1]), np.tile([0, 2**0.5], (ITEMS - 1, 1)), rtol=1e-6)
    assert (words[-1] == 0).all(), "nobody says what it is"
    # Items of the two halves point to two sides, of the words too: the second last item of the table is i1's.
    assert np.unique(np.asarray(found.service.items.style)[:-1:2]).size == 1
    assert found.num_styles == 2
    vector = np.asarray(found.service.vector)
    near = vector @ content.T
    for group in range(2):
        assert near[group, group : ITEMS - 1 : 2].min() > near[group, 1 - group : ITEMS - 1 : 2].max()
    np.testing.assert_array_equal(vector, np.tile(vector[:2], (USERS // 2, 1)))
    np.testing.assert_allclose(found.service.items.minutes, 1.5)


def test_without_tables_items_are_who_was_up_for_them_and_listeners_all_alike() -> None:
    nothing = read_profiles(LOG.sequence_ids, LOG.item_ids)
    found = read(LOG, {}, nothing, SETTINGS)
    assert found.service.items.content.shape == (ITEMS, SETTINGS.width)
    assert found.num_styles == 1
    assert np.unique(np.asarray(found.service.vector), axis=0).shape == (1, SETTINGS.width)


def test_too_few_listeners_are_refused() -> None:
    with pytest.raises(ValueError, match=r"0 listeners have 99 events or more, .* lower logs.least_events"):
        read(LOG, {}, profiles(LOG), dataclasses.replace(SETTINGS, least_events=99, most_events=99))


@pytest.mark.parametrize(
    ("knob", "value", "message"),
    [
        ("later", 0.0, "logs.later is 0.0, but must lie between 0 and 1"),
        ("tested", 1.0, "logs.tested is 1.0, but must lie between 0 and 1"),
        ("telling", 0.8, "logs.tested and logs.telling are 0.25 and 0.8, but must be below 1 together"),
        ("least_events", 11, "logs.least_events is 11, but must lie between 1 and logs.most_events, 10"),
        ("width", 0, "logs.width is 0, but must be at least 1"),
        ("followed", 0, "learned.listeners is 0, but must be at least 1"),
    ],
)
def test_what_is_wrong_is_told(knob: str, value: float, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        dataclasses.replace(SETTINGS, **{knob: value})
