"""Nearest users against a loop, scikit-learn's nDCG, and chance."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.metrics import ndcg_score

from urep_jax.evaluation.similar_users import similar_users
from urep_jax.metrics.ranking import graded_ndcg


def test_graded_ndcg_is_that_of_scikit_learn_ties_too() -> None:
    rng = np.random.default_rng(0)
    gains = rng.integers(0, 4, (30, 12)) * (rng.random((30, 12)) < 0.5)
    for scores in (rng.normal(size=(30, 12)), rng.integers(0, 5, (30, 12)).astype(float)):
        for k in (1, 5, 12, 40):
            found = graded_ndcg(scores, gains.astype(float), k)
            for row in range(30):
                expected = ndcg_score(gains[row : row + 1], scores[row : row + 1], k=k)
                assert found[row] == pytest.approx(expected) if gains[row].any() else np.isnan(found[row])
    with pytest.raises(ValueError, match="k is 0, but must be at least 1"):
        graded_ndcg(scores, gains.astype(float), 0)


def some_users(seed: int, n: int = 60) -> tuple[np.ndarray, csr_array]:
    rng = np.random.default_rng(seed)
    sets = rng.random((n, 7)) < 0.25
    sets[:4] = False
    return rng.normal(size=(n, 5)), csr_array(sets.astype(np.float32))


def test_it_is_what_a_loop_over_users_finds() -> None:
    vectors, sets = some_users(0)
    numbers = np.arange(60)[::-1] * 3
    found = similar_users(vectors, sets, numbers, k=10, chunk=7)
    dense = sets.toarray() > 0
    expected = {}
    for u in range(4, 60):
        others = [v for v in range(4, 60) if v != u]
        gain = [(dense[u] & dense[v]).sum() / max((dense[u] | dense[v]).sum(), 1) for v in others]
        if not dense[u].any() or not any(gain):
            continue
        near = [vectors[u] @ vectors[v] / np.linalg.norm(vectors[u]) / np.linalg.norm(vectors[v]) for v in others]
        others_with = [v for v in others if dense[v].any()]
        keep = [others.index(v) for v in others_with]
        expected[numbers[u]] = ndcg_score([np.array(gain)[keep]], [np.array(near)[keep]], k=10)
    assert dict(zip(found.user, found.values, strict=True)) == pytest.approx(expected, abs=1e-5)
    assert list(found.user) == sorted(found.user)


def test_vectors_of_the_cluster_find_it_and_others_are_as_good_as_chance() -> None:
    rng = np.random.default_rng(0)
    cluster = rng.integers(0, 8, 400)
    sets = csr_array(np.eye(8, dtype=np.float32)[cluster])
    users = np.arange(400)
    centres = rng.normal(size=(8, 5))
    right = similar_users(centres[cluster] + 0.01 * rng.normal(size=(400, 5)), sets, users)
    assert right.value == pytest.approx(1.0)
    wrong = similar_users(rng.normal(size=(400, 5)), sets, users)
    # By chance an eighth of the neighbours are of the same cluster.
    assert abs(wrong.value - 1 / 8) < 4 * wrong.ci95


def test_what_cannot_be_compared_is_refused() -> None:
    vectors, sets = some_users(0)
    vectors[5, 0] = np.nan
    with pytest.raises(ValueError, match="some vectors hold what is no number"):
        similar_users(vectors, sets, np.arange(60))
