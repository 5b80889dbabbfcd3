"""AUC of ragged groups against scikit-learn and against counting pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import roc_auc_score

from urep_jax.metrics.auc import pair_auc

many_ties = st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 1.0])
any_number = st.floats(-10, 10, width=32)


@given(st.integers(0, 60), st.sampled_from([many_ties, any_number]), st.data())
def test_matches_pairs_counted_one_by_one(size, numbers, data):
    scores = data.draw(hnp.arrays(np.float32, size, elements=numbers))
    is_up = data.draw(hnp.arrays(bool, size))
    group = data.draw(hnp.arrays(np.int64, size, elements=st.integers(0, 3)))
    state = pair_auc(scores, is_up, group, 5)
    for g in range(5):
        ups, downs = scores[(group == g) & is_up], scores[(group == g) & ~is_up]
        won = sum(float(u > d) + float(u == d) / 2 for u in ups for d in downs)
        assert (state.total[g], state.count[g]) == (won, len(ups) * len(downs))


def test_matches_scikit_learn():
    rng = np.random.default_rng(0)
    group = rng.integers(0, 50, 5000)
    scores = np.round(rng.normal(size=5000), 1).astype(np.float32)
    is_up = rng.random(5000) < 0.3
    auc_G = pair_auc(scores, is_up, group, 50).compute()
    for g in range(50):
        assert auc_G[g] == pytest.approx(roc_auc_score(is_up[group == g], scores[group == g]), abs=1e-12)


def test_groups_without_a_pair_have_no_auc():
    auc_G = pair_auc(np.array([1.0, 2.0]), np.array([True, False]), np.array([0, 1]), 3).compute()
    assert np.isnan(auc_G).all()
