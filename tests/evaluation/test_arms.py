"""Arms: closed forms and SciPy's, tests that are repeated, and hashes that divide users evenly."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from urep_jax.evaluation.arms import (
    detectable,
    difference_of_arms,
    drawn_test,
    hashed_arms,
    power,
    share_told_apart,
)

IDS = [f"user {n}" for n in range(4_000)]
VALUES = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20)


def test_hashes_divide_users_evenly_and_anew_with_each_salt() -> None:
    first, second = hashed_arms(IDS, "one"), hashed_arms(IDS, "two")
    for share in (first.mean(), second.mean(), (first == second).mean()):
        assert abs(share - 0.5) < 4 * math.sqrt(0.25 / len(IDS))


def test_a_user_stays_in_their_arm_whoever_else_is_there() -> None:
    every = dict(zip(IDS, hashed_arms(IDS, "one"), strict=True))
    some = IDS[::-7]
    assert hashed_arms(some, "one").tolist() == [every[one] for one in some]


@given(a=VALUES, b=VALUES)
def test_the_interval_is_welchs(a: list[float], b: list[float]) -> None:
    # Of numbers nearly alike, SciPy says itself that nothing can be told.
    if min(np.std(a), np.std(b)) < 1e-3:
        return
    found, welch = difference_of_arms(np.array(a), np.array(b)), stats.ttest_ind(a, b, equal_var=False)
    low, high = welch.confidence_interval(0.95)
    assert found.mean == pytest.approx(np.mean(a) - np.mean(b), abs=1e-9)
    assert found.ci95 == pytest.approx((high - low) / 2, rel=1e-6)
    assert found.told_apart == (abs(found.mean) > found.ci95)
    other = difference_of_arms(np.array(b), np.array(a))
    assert (other.mean, other.ci95) == pytest.approx((-found.mean, found.ci95))


def test_arms_that_do_not_vary() -> None:
    same, more = np.full(5, 2.0), np.full(9, 3.0)
    assert difference_of_arms(same, same) == (0.0, 0.0, 0.0)
    assert not difference_of_arms(same, same).told_apart
    assert difference_of_arms(more, same) == (1.0, 0.0, 0.0)
    assert difference_of_arms(more, same).told_apart
    with pytest.raises(ValueError, match=r"have 1 and 9 users, but must have at least 2 each; take more users"):
        difference_of_arms(same[:1], more)


def test_each_user_is_shown_what_their_arm_shows() -> None:
    rng = np.random.default_rng(0)
    sure, never = np.ones((len(IDS), 3)), np.zeros((len(IDS), 3))
    is_b = hashed_arms(IDS, "one") == 1
    a, b = drawn_test(sure, never, IDS, "one", rng)
    assert (len(a), len(b)) == ((~is_b).sum(), is_b.sum())
    assert (a == 3).all()
    assert not b.any()
    chance = rng.random((len(IDS), 3))
    a, b = drawn_test(chance, chance, IDS, "one", rng)
    for follows, own in ((a, chance[~is_b]), (b, chance[is_b])):
        assert abs(follows.sum() - own.sum()) < 4 * math.sqrt((own * (1 - own)).sum())


def test_the_same_arm_twice_is_told_apart_once_in_twenty() -> None:
    rng = np.random.default_rng(0)
    # Seldom follows, as in a service: what the normal approximation has it hardest with.
    chance = rng.beta(0.5, 25, (400, 10))
    found = share_told_apart(chance, chance, IDS[:400], 1_500, "aa", rng)
    assert abs(found.value - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 1_500)
    assert found.ci95 == pytest.approx(1.959964 * math.sqrt(found.value * (1 - found.value) / 1_500))
    none = np.zeros((400, 10))
    assert share_told_apart(none, none, IDS[:400], 20, "aa", rng) == (0.0, 0.0)
    with pytest.raises(ValueError, match="tests is 0, but must be at least 1"):
        share_told_apart(none, none, IDS[:400], 0, "aa", rng)


def test_arms_that_differ_are_told_apart_as_often_as_the_power_says() -> None:
    rng = np.random.default_rng(0)
    a, b = np.full((500, 10), 0.040), np.full((500, 10), 0.030)
    # Binomial follows: the variance of a difference of means of 250 users each.
    error = math.sqrt(sum(10 * p * (1 - p) / 250 for p in (0.04, 0.03)))
    found = share_told_apart(a, b, IDS[:500], 1_500, "ab", rng)
    assert abs(found.value - power(0.1, error)) < 4 * math.sqrt(0.25 / 1_500)
    assert found.value > 0.2


def test_power_in_closed_form() -> None:
    assert power(0.0, 1.0) == pytest.approx(0.05, abs=1e-6)
    assert power(-0.3, 0.1) == power(0.3, 0.1) == pytest.approx(stats.norm.sf(1.959964 - 3), abs=1e-6)
    assert power(detectable(0.2), 0.2) == pytest.approx(0.8, abs=1e-5)
    assert detectable(0.2) == pytest.approx(0.2 * (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)), rel=1e-6)
    with pytest.raises(ValueError, match="standard_error is 0, but must be above 0"):
        power(0.1, 0)
