"""Item-kNN and EASE against loops, closed forms and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from tests.baselines.test_baselines import EVENTS
from tests.evaluation.cases import logs
from tests.logs import DAY, NUM_ITEMS, Row, log_of
from urep_jax.baselines.ease import MAX_ITEMS, ease
from urep_jax.baselines.histories import histories, signs_of
from urep_jax.baselines.item_knn import item_knn
from urep_jax.core.types import Feedback
from urep_jax.data.log import EventLog
from urep_jax.data.splits import TimeCut

SIGNS = {Feedback.UP: 1.0, Feedback.DOWN: -1.0}


def past(log: EventLog, start: int, stop: int) -> dict[int, int]:
    """What is known last of each item, as 1 and -1."""
    told = {}
    for event in range(start, stop):
        if log.feedback[event] in SIGNS:
            told[int(log.item[event])] = int(SIGNS[Feedback(log.feedback[event])])
    return told


@given(logs)
def test_the_latest_feedback_on_an_item_counts(log) -> None:
    start, stop = log.offsets[:-1], log.offsets[1:]
    rows_UxV = histories(log, start, stop, SIGNS).toarray()
    for user in range(log.num_sequences):
        expected = past(log, start[user], stop[user])
        assert {int(v): int(rows_UxV[user, v]) for v in np.flatnonzero(rows_UxV[user])} == expected


@given(logs)
def test_what_says_neither_is_not_what_says_nothing(log) -> None:
    start, stop = log.offsets[:-1], log.offsets[1:]
    with_skips = histories(log, start, stop, {Feedback.UP: 1.0, Feedback.SKIP: 0.0})
    for user in range(log.num_sequences):
        events = range(start[user], stop[user])
        met = {int(log.item[e]) for e in events if log.feedback[e] in (Feedback.UP, Feedback.SKIP)}
        assert set(with_skips.indices[slice(*with_skips.indptr[user : user + 2])].tolist()) == met


def test_skips_stand_in_where_there_are_no_downs() -> None:
    log = log_of(EVENTS)
    assert signs_of(log, TimeCut(cut=5)(log)) == SIGNS
    log = log_of([row._replace(feedback="skip") if row.feedback == "down" else row for row in EVENTS])
    assert signs_of(log, TimeCut(cut=5)(log)) == {Feedback.UP: 1.0, Feedback.SKIP: -1.0}


@given(logs, st.integers(1, NUM_ITEMS), st.sampled_from([0.0, 3.0]))
def test_item_knn_matches_loops(log, neighbours, shrink) -> None:
    split = TimeCut(cut=2 * DAY)(log)
    ups = [set(log.item[a:b][log.feedback[a:b] == Feedback.UP].tolist()) for a, b in _spans(split)]
    count_V = np.array([sum(v in own for own in ups) for v in range(NUM_ITEMS)])
    alike_VxV = np.zeros((NUM_ITEMS, NUM_ITEMS))
    for v in range(NUM_ITEMS):
        for w in set(range(NUM_ITEMS)) - {v}:
            both = sum(v in own and w in own for own in ups)
            alike_VxV[v, w] = both / max((count_V[v] * count_V[w]) ** 0.5 + shrink, 1e-12)
        far = sorted(range(NUM_ITEMS), key=lambda w: (-alike_VxV[v, w], w))[neighbours:]
        alike_VxV[v, far] = 0
    cases = split.test
    if not len(cases):
        return
    scores = item_knn(log, split, neighbours=neighbours, shrink=shrink)(log, cases).catalogue(
        np.arange(len(cases)), slice(0, log.num_items)
    )
    for c in range(len(cases)):
        span = slice(cases.start[c], cases.stop[c])
        liked = set(log.item[span][log.feedback[span] == Feedback.UP].tolist())
        expected = [sum(alike_VxV[v, w] for w in liked) for v in range(NUM_ITEMS)]
        np.testing.assert_allclose(scores[c], expected, atol=1e-5)


def _spans(split) -> list[tuple[int, int]]:
    return [(int(split.start[s]), int(split.stop[s])) for s in split.train]


@settings(max_examples=20)
@given(logs)
def test_ease_is_each_items_ridge_regression_on_all_others(log) -> None:
    split = TimeCut(cut=2 * DAY)(log)
    signs = signs_of(log, split)
    history_UxV = histories(log, split.start[split.train], split.stop[split.train], signs).toarray()
    cases = split.test
    if not len(cases):
        return
    scorer = ease(log, split, ridge=2.0)(log, cases)
    asked_CxV = histories(log, cases.start, cases.stop, signs).toarray()
    scores_CxV = scorer.catalogue(np.arange(len(cases)), slice(0, log.num_items))
    for v in range(NUM_ITEMS):
        others = np.arange(NUM_ITEMS) != v
        model = Ridge(alpha=2.0, fit_intercept=False).fit(history_UxV[:, others], history_UxV[:, v])
        np.testing.assert_allclose(scores_CxV[:, v], asked_CxV[:, others] @ model.coef_, atol=1e-4)
    items_CxV = np.broadcast_to(np.arange(NUM_ITEMS, dtype=np.int32), scores_CxV.shape)
    np.testing.assert_array_equal(scorer.candidates(np.arange(len(cases)), items_CxV), scores_CxV)


def test_wrong_values_are_refused() -> None:
    log = log_of(EVENTS)
    split = TimeCut(cut=5)(log)
    with pytest.raises(ValueError, match="ridge is 0, but must be above 0"):
        ease(log, split, ridge=0)
    with pytest.raises(ValueError, match="neighbours is 0"):
        item_knn(log, split, neighbours=0)
    large = log_of([Row(0, 0, 0, "up"), Row(0, 9, 1, "up")], num_items=MAX_ITEMS + 1)
    with pytest.raises(ValueError, match="leave it out of the baselines"):
        ease(large, TimeCut(cut=5)(large))
