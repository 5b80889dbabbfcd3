"""Rank correlations with satisfaction, between listeners and within them, and what has none."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from urep_jax.evaluation.satisfaction_ranks import (
    LEAST_MOMENTS,
    Between,
    between_listeners,
    mean_of,
    spearman,
    within_listeners,
)

RNG = np.random.default_rng(0)
LISTENER = np.repeat(np.arange(200), 10)
LEVEL, MOMENT = RNG.normal(size=200)[LISTENER], RNG.normal(size=2000)
SATISFACTION = LEVEL + MOMENT


def test_it_is_spearmans_and_a_constant_ranks_nothing() -> None:
    x, y = RNG.integers(0, 5, 60).astype(float), RNG.normal(size=60)
    assert spearman(x, y) == pytest.approx(spearmanr(x, y)[0])
    assert spearman(np.ones(60), y) == spearman(y, np.full(60, 0.5)) == 0.0


def test_levels_rank_listeners_and_moments_rank_within_them() -> None:
    by_level = between_listeners(LEVEL, SATISFACTION, LISTENER)
    assert by_level.listeners == 200
    assert by_level.correlation > 0.9
    assert within_listeners(LEVEL, SATISFACTION, LISTENER).value == 0.0
    within = within_listeners(MOMENT, SATISFACTION, LISTENER)
    assert within.value == pytest.approx(1.0)
    assert abs(between_listeners(MOMENT, LEVEL, LISTENER).correlation) < 0.2


def test_of_satisfaction_that_is_constant_or_somebody_elses_nothing_is_ranked() -> None:
    same = np.full(2000, 0.5)
    assert between_listeners(SATISFACTION, same, LISTENER).correlation == 0.0
    assert within_listeners(SATISFACTION, same, LISTENER).value == 0.0
    # Nor of one whose sums are rounded, each of another number of moments.
    uneven, odd = np.repeat(np.arange(40), np.arange(40) + 5), np.full(980, 17 / 23)
    assert between_listeners(RNG.normal(size=980), odd, uneven).correlation == 0.0
    elses = RNG.permutation(200)[LISTENER] * 10 + np.tile(RNG.permutation(10), 200)
    between = between_listeners(SATISFACTION, SATISFACTION[elses], LISTENER)
    assert abs(between.correlation) < 1.5 * between.ci95
    within = within_listeners(SATISFACTION, SATISFACTION[elses], LISTENER)
    assert abs(within.value) < 1.5 * within.ci95


def test_who_has_few_moments_is_left_out() -> None:
    few = np.concatenate([LISTENER, np.full(LEAST_MOMENTS - 1, 900)])
    more = np.concatenate([SATISFACTION, np.full(LEAST_MOMENTS - 1, 99.0)])
    assert between_listeners(more, more, few).listeners == 200
    assert 900 not in within_listeners(more, more, few).user


def test_intervals_are_as_wide_as_chance_makes_them() -> None:
    found = [spearman(x, y) for x, y in RNG.normal(size=(400, 2, 103))]
    assert Between(0.0, 103).ci95 == pytest.approx(1.96 * np.std(found), rel=0.15)
    mean, half = mean_of([Between(0.0, 103)] * 4)
    assert (mean, half) == (0.0, pytest.approx(Between(0.0, 103).ci95 / 2))
    assert np.isnan(Between(0.5, 3).ci95)
