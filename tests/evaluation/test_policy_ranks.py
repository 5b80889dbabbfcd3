"""Agreement of judges: SciPy's correlation, and intervals that hold it."""

import numpy as np
import pytest
from scipy import stats

from urep_jax.evaluation.policy_ranks import agreement


def test_it_is_spearmans_in_each_world_and_the_mean_of_them() -> None:
    rng = np.random.default_rng(0)
    one = rng.normal(size=(3, 12))
    other = one + rng.normal(size=one.shape)
    found = agreement(one, other, rng)
    each = [stats.spearmanr(x, y).statistic for x, y in zip(one, other, strict=True)]
    assert found.correlation == pytest.approx(np.mean(each))
    assert found.low < found.correlation < found.high


def test_judges_who_agree_do_so_of_any_policies_and_more_policies_tell_more() -> None:
    rng = np.random.default_rng(1)
    one = rng.normal(size=(1, 8))
    assert agreement(one, np.exp(one), rng, draws=50) == pytest.approx((1, 1, 1))
    assert agreement(one, -one, rng, draws=50) == pytest.approx((-1, -1, -1))
    widths = []
    for count in (8, 200):
        one = rng.normal(size=(1, count))
        found = agreement(one, one + rng.normal(size=one.shape), rng, draws=300)
        widths.append(found.high - found.low)
    assert widths[1] < widths[0] / 2


def test_of_two_policies_an_order_says_nothing() -> None:
    with pytest.raises(ValueError, match="one tells of 2 policies, but an order takes at least 3"):
        agreement(np.zeros((1, 2)), np.zeros((1, 2)), np.random.default_rng(0))
