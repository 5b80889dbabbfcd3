"""What user representations are compared with: play counts, NMF, and what is popular in a demographic."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from tests.data.user_features.listeners import ITEMS, NOW, log_of
from urep_jax.baselines.demographic_popularity import demographic_popularity
from urep_jax.baselines.lightfm import lightfm_vectors
from urep_jax.baselines.nmf import nmf_vectors
from urep_jax.baselines.play_counts import play_counts
from urep_jax.core.types import Feedback


def test_plays_are_counted_before_the_moment() -> None:
    log = log_of(3)
    user = np.array([5, 0, 2, 5])
    time = np.array([NOW, NOW, NOW // 2, NOW // 3])
    expected = np.zeros((4, ITEMS))
    for row, (u, t) in enumerate(zip(user, time, strict=True)):
        for e in range(log.offsets[u], log.offsets[u + 1]):
            if log.timestamp[e] < t and log.feedback[e] in (Feedback.PLAY, Feedback.UP):
                expected[row, log.item[e]] += 1
    assert expected.any(axis=1).tolist() == [True, False, True, True]
    np.testing.assert_array_equal(play_counts(log, user, time).toarray(), expected)


def test_nmf_finds_who_listens_to_the_same() -> None:
    rng = np.random.default_rng(0)
    kind = np.repeat([0, 1], 30)
    rate = np.where(np.arange(20) // 10 == kind[:, None], 3.0, 0.1)
    vectors = nmf_vectors(csr_array(rng.poisson(rate).astype(np.float32)), width=2)
    assert vectors.shape == (60, 2)
    assert vectors.min() >= 0
    assert (vectors.argmax(axis=1) == vectors.argmax(axis=1)[0]).tolist() == (kind == 0).tolist()
    assert nmf_vectors(csr_array(np.eye(5, 3, dtype=np.float32))).shape == (5, 3)


def test_popularity_in_a_demographic_is_its_formula() -> None:
    counts = np.array([[4, 0, 0], [0, 2, 2], [1, 1, 0], [0, 0, 8]], np.float32)
    group = np.array([0, 0, 1, -1])
    share = (counts.sum(0) + 1) / (counts.sum() + 3)
    asked_group, asked_item = np.array([0, 0, 1, -1, 2]), np.array([0, 2, 1, 2, 0])
    plays, of_group = np.array([4, 2, 1, 0, 0]), np.array([8, 8, 2, 0, 0])
    expected = np.log((plays + 10 * share[asked_item]) / (of_group + 10))
    found = demographic_popularity(csr_array(counts), group, asked_group, asked_item, prior=10.0)
    np.testing.assert_allclose(found, expected)
    nobody = demographic_popularity(csr_array(counts), np.full(4, -1), np.array([-1]), np.array([2]))
    np.testing.assert_allclose(nobody, np.log(share[2]))
    with pytest.raises(ValueError, match=r"prior is 0\.0, but must be above 0"):
        demographic_popularity(csr_array(counts), group, asked_group, asked_item, prior=0.0)


def test_lightfm_finds_who_listens_to_the_same() -> None:
    rng = np.random.default_rng(0)
    kind = np.repeat([0, 1], 30)
    rate = np.where(np.arange(20) // 10 == kind[:, None], 1.5, 0.05)
    counts = csr_array(rng.poisson(rate).astype(np.float32))
    counts.indices, counts.indptr = counts.indices.astype(np.int64), counts.indptr.astype(np.int64)
    vectors = lightfm_vectors(counts, width=8, epochs=30)
    assert vectors.shape == (60, 8)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    likeness = unit @ unit.T
    same = kind[:, None] == kind
    assert likeness[same].mean() > likeness[~same].mean() + 0.5
    np.testing.assert_array_equal(lightfm_vectors(counts, width=8, epochs=30), vectors)
    assert (lightfm_vectors(counts, width=8, epochs=30, seed=1) != vectors).any()
