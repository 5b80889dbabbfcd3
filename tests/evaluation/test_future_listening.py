"""Future listening: who is asked about what, and how answers are counted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.user_features.listeners import ITEMS, NOW, log_of
from urep_jax.core.types import SECONDS_PER_DAY, Feedback
from urep_jax.data.labelled_pairs import LabelledPairs
from urep_jax.evaluation.future_listening import future_items, future_pairs, told_apart


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 100), days=st.integers(1, 200), most=st.integers(1, 8))
def test_positives_are_what_follows_and_negatives_what_others_hear(seed: int, days: int, most: int) -> None:
    log = log_of(seed)
    users = np.random.default_rng(seed).permutation(log.num_sequences)[:15]
    time = np.random.default_rng(seed + 1).integers(0, NOW, len(users))
    pairs = future_pairs(log, users, time, days * SECONDS_PER_DAY, np.random.default_rng(0), most=most)
    heard = []
    for user, start in zip(users, time, strict=True):
        events = range(log.offsets[user], log.offsets[user + 1])
        inside = (e for e in events if start <= log.timestamp[e] < start + days * SECONDS_PER_DAY)
        heard.append({int(log.item[e]) for e in inside if log.feedback[e] in (Feedback.PLAY, Feedback.UP)})
    pool = set().union(*heard)
    for row, own in enumerate(heard):
        mine = pairs.user == row
        positives, negatives = (pairs.item[mine & (pairs.label == label)].tolist() for label in (True, False))
        assert len(positives) == len(negatives) == (min(len(own), most) if own < pool else 0)
        assert set(positives) <= own
        assert len(set(positives)) == len(positives)
        assert set(negatives) <= pool - own


def test_negatives_are_uniform() -> None:
    """Of one who hears three of a pool of all, each other item comes as often: chi-square at 4 standard deviations."""
    log = log_of(0)
    users, time = np.arange(log.num_sequences), np.zeros(log.num_sequences, np.int64)
    counts = np.zeros((log.num_sequences, ITEMS))
    for draw in range(600):
        pairs = future_pairs(log, users, time, NOW, np.random.default_rng(draw))
        np.add.at(counts, (pairs.user[~pairs.label], pairs.item[~pairs.label]), 1)
    # Somebody with a few others to draw from.
    user = next(u for u in users if 2 < np.count_nonzero(counts[u]) < ITEMS - 1)
    drawn = counts[user][counts[user] > 0]
    chi_square = ((drawn - drawn.mean()) ** 2 / drawn.mean()).sum()
    assert chi_square < len(drawn) - 1 + 4 * np.sqrt(2 * (len(drawn) - 1))


def test_only_wanted_items_are_asked_about() -> None:
    log = log_of(0)
    users, time = np.arange(log.num_sequences), np.zeros(log.num_sequences, np.int64)
    where = np.arange(ITEMS) < 5
    pairs = future_pairs(log, users, time, NOW, np.random.default_rng(0), where=where)
    assert len(pairs)
    assert pairs.item.max() < 5


def test_all_that_follows_is_what_pairs_are_made_of() -> None:
    log = log_of(0)
    users = np.arange(log.num_sequences)
    time, where = np.full(len(users), NOW // 2), np.arange(ITEMS) != 2
    listened = future_items(log, users, time, SECONDS_PER_DAY, where=where).toarray()
    for row, user in enumerate(users):
        events = np.arange(log.offsets[user], log.offsets[user + 1])
        inside = (log.timestamp[events] >= NOW // 2) & (log.timestamp[events] < NOW // 2 + SECONDS_PER_DAY)
        inside &= np.isin(log.feedback[events], (Feedback.PLAY, Feedback.UP)) & (log.item[events] != 2)
        assert np.flatnonzero(listened[row]).tolist() == sorted(set(log.item[events[inside]].tolist()))
    assert set(np.unique(listened)) == {0.0, 1.0}
    with pytest.raises(ValueError, match="seconds is 0, but must be at least 1"):
        future_items(log, users, time, 0)


def test_answers_are_counted_by_user() -> None:
    label = np.array([True, True, False, False, True, False])
    pairs = LabelledPairs(np.array([0, 0, 0, 0, 2, 2]), np.arange(6), label)
    odds = np.array([2.0, -1.0, -2.0, 0.0, -1.0, 1.0])
    found = told_apart(odds, pairs, np.array([7, 8, 9]))
    np.testing.assert_array_equal(found["accuracy"].user, [7, 9])
    np.testing.assert_allclose(found["accuracy"].values, [2.5 / 4, 0.0])
    np.testing.assert_allclose(found["auc"].values, [3 / 4, 0.0])
    with pytest.raises(ValueError, match="some of the log odds are NaN"):
        told_apart(np.full(6, np.nan), pairs, np.array([7, 8, 9]))
    for wrong in ({"seconds": 0}, {"seconds": 1, "most": 0}):
        with pytest.raises(ValueError, match="but must be at least 1"):
            future_pairs(log_of(0), np.arange(2), np.zeros(2, np.int64), rng=np.random.default_rng(0), **wrong)
