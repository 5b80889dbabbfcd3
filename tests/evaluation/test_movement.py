"""Distances by hand, and rank correlations against SciPy's, with intervals that hold what they promise."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.sparse import csr_array

from urep_jax.evaluation.movement import cosine_distance, rank_correlation


def test_distances_by_hand_dense_and_sparse() -> None:
    a = np.array([[1.0, 0.0], [1.0, 1.0], [2.0, 0.0], [3.0, 4.0], [0.0, 0.0]], np.float32)
    b = np.array([[0.0, 5.0], [3.0, 3.0], [-1.0, 0.0], [4.0, 3.0], [1.0, 0.0]], np.float32)
    for found in (cosine_distance(a, b), cosine_distance(csr_array(a), csr_array(b))):
        np.testing.assert_allclose(found, [1.0, 0.0, 2.0, 1 - 24 / 25, np.nan], atol=1e-12)
        assert found.dtype == np.float64


def test_the_length_of_vectors_is_nothing_to_it() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 50, 7))
    np.testing.assert_allclose(cosine_distance(a * rng.uniform(1, 9, (50, 1)), b), cosine_distance(a, b))
    assert (cosine_distance(a, a) >= 0).all(), "rounding makes no distance negative"


@pytest.mark.parametrize("ties", [False, True])
def test_correlation_is_that_of_scipy(ties: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=60)
    y = x + rng.normal(size=60)
    if ties:
        x, y = x.round(), y.round()
    found = rank_correlation(x, y)
    assert found.value == pytest.approx(stats.spearmanr(x, y).statistic)
    half = 1.959964 * math.sqrt((1 + found.value**2 / 2) / 57)
    low, high = np.tanh(np.arctanh(found.value) + np.array([-half, half]))
    assert found.ci95 == pytest.approx((high - low) / 2)


def test_what_goes_together_wholly_or_not_at_all() -> None:
    x = np.arange(10.0)
    assert rank_correlation(x, np.exp(x)) == (1.0, 0.0)
    assert rank_correlation(x, -x) == (-1.0, 0.0)
    assert np.isnan(rank_correlation(x, np.ones(10))).all(), "nothing varies"
    assert np.isnan(rank_correlation(x[:0], x[:0])).all(), "nobody is there"
    three = rank_correlation(x[:3], np.array([0.0, 2.0, 1.0]))
    assert three.value == pytest.approx(0.5)
    assert math.isnan(three.ci95)


def test_the_interval_covers_what_is_true() -> None:
    rng = np.random.default_rng(0)
    r = 0.6
    true = 6 / np.pi * np.arcsin(r / 2)
    hits = []
    for _ in range(400):
        x, e = rng.normal(size=(2, 80))
        found = rank_correlation(x, r * x + np.sqrt(1 - r**2) * e)
        hits.append(abs(found.value - true) < found.ci95)
    # Two and a half standard errors of a share of 400 that is .95.
    assert abs(np.mean(hits) - 0.95) < 2.5 * np.sqrt(0.95 * 0.05 / 400)
