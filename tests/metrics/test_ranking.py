"""Ranks against loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import ndcg_score

from urep_jax.metrics.ranking import best_columns, ndcg_at, places_before, recall_at, reciprocal_rank


@given(st.data())
def test_matches_loops(data):
    scores = data.draw(hnp.arrays(np.float32, (3, 8), elements=st.sampled_from([-np.inf, -1.0, 0.0, 1.0, 2.0])))
    out = data.draw(hnp.arrays(bool, (3, 8)))
    targets = data.draw(hnp.arrays(np.int32, (3, 5), elements=st.integers(-1, 7)))
    cut = data.draw(st.integers(0, 8))
    own = np.where(targets < 0, np.nan, np.take_along_axis(scores, targets, axis=1)).astype(np.float32)
    contest = np.where(out, -np.inf, scores).astype(np.float32)
    rank = 1 + places_before(contest[:, :cut], targets, own) + places_before(contest[:, cut:], targets - cut, own)
    for b in range(3):
        for m in range(5):
            t = targets[b, m]
            others = [scores[b, v] for v in range(8) if v != t and not out[b, v]]
            better, equal = sum(s > scores[b, t] for s in others), sum(s == scores[b, t] for s in others)
            expected = np.nan if t < 0 else np.inf if scores[b, t] == -np.inf else 1 + better + equal / 2
            np.testing.assert_equal(rank[b, m], expected)


@given(st.data())
def test_the_best_columns_are_the_first_of_a_stable_sort(data):
    elements = st.sampled_from([-np.inf, -1.0, 0.0, 1.0, 2.0])
    scores = data.draw(hnp.arrays(np.float32, (3, data.draw(st.integers(0, 40))), elements=elements))
    k = data.draw(st.integers(1, 9))
    np.testing.assert_array_equal(best_columns(scores, k), np.argsort(-scores, axis=1, kind="stable")[:, :k])


def test_reciprocal_rank_and_recall():
    rank = np.array([1.0, 2.5, 10.0, 10.5, np.inf])
    np.testing.assert_array_equal(reciprocal_rank(rank), [1, 0.4, 0.1, 1 / 10.5, 0])
    np.testing.assert_array_equal(recall_at(rank, 10), [1, 1, 1, 0, 0])


def test_ndcg_is_scikit_learns_where_nothing_ties():
    rng = np.random.default_rng(0)
    scores_BxV, target_B = rng.normal(size=(20, 30)).astype(np.float32), rng.integers(30, size=20)
    own_Bx1 = np.take_along_axis(scores_BxV, target_B[:, None], axis=1)
    rank_B = 1 + places_before(scores_BxV, target_B[:, None], own_Bx1)[:, 0]
    for k in (1, 5, 10):
        assert ndcg_at(rank_B, k).mean() == pytest.approx(ndcg_score(np.eye(30)[target_B], scores_BxV, k=k))
    np.testing.assert_array_equal(ndcg_at(np.array([1.0, 3.0, 11.0, np.inf]), 10), [1, 0.5, 0, 0])
