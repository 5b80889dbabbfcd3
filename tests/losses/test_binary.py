"""Binary cross-entropies against their formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit

from urep_jax.losses.binary import bce, gbce, gbce_beta

RNG = np.random.default_rng(0)
POSITIVE, NEGATIVE = RNG.normal(size=5).astype(np.float32), RNG.normal(size=(5, 3)).astype(np.float32)


def test_bce_is_its_formula() -> None:
    expected = -np.log(expit(POSITIVE)) - np.log(1 - expit(NEGATIVE[:, 0]))
    np.testing.assert_allclose(bce(jnp.array(POSITIVE), jnp.array(NEGATIVE[:, 0])), expected, rtol=1e-5)


def test_bce_without_a_negative_is_its_first_term() -> None:
    loss = bce(jnp.array(POSITIVE), jnp.array(NEGATIVE[:, 0]), where=jnp.zeros(5, bool))
    np.testing.assert_allclose(loss, -np.log(expit(POSITIVE)), rtol=1e-5)


def test_gbce_is_its_formula() -> None:
    where = np.array([True, False, True])
    expected = -0.3 * np.log(expit(POSITIVE)) - np.log(1 - expit(NEGATIVE[:, where])).sum(1)
    loss = gbce(jnp.array(POSITIVE), jnp.array(NEGATIVE), 0.3, where=jnp.broadcast_to(where, (5, 3)))
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_a_hard_negative_is_one_more_and_none_is_no_more() -> None:
    positive, negatives = jnp.array(POSITIVE), jnp.array(NEGATIVE)
    one_more = gbce(positive, negatives, 0.3)
    np.testing.assert_allclose(gbce(positive, negatives[:, :2], 0.3, hard=negatives[:, 2]), one_more, rtol=1e-6)
    nothing = jnp.full(5, -jnp.inf)
    np.testing.assert_array_equal(gbce(positive, negatives, 0.3, hard=nothing), one_more)
    slope = jax.grad(lambda hard: gbce(positive, negatives, 0.3, hard=hard).sum())(nothing)
    np.testing.assert_array_equal(slope, 0.0)


def test_beta_has_the_papers_ends() -> None:
    assert gbce_beta(10, 101, calibration=0.0) == 1.0
    assert gbce_beta(10, 101, calibration=1.0) == pytest.approx(10 / 100)
    # Half way: alpha (t (1 - 1/alpha) + 1/alpha) with alpha = 0.1, t = 0.5.
    assert gbce_beta(10, 101, calibration=0.5) == pytest.approx(0.1 * (0.5 * (1 - 10) + 10))


def test_calibration_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="calibration is 2"):
        gbce_beta(1, 10, calibration=2)


def test_a_task_without_a_target_has_the_second_term_alone() -> None:
    positive, negative = jnp.array([0.3, -1.0]), jnp.array([0.7, 2.0])
    found = bce(positive, negative, where_positive=jnp.array([True, False]))
    np.testing.assert_allclose(
        found, [np.log1p(np.exp(-0.3)) + np.log1p(np.exp(0.7)), np.log1p(np.exp(2.0))], rtol=1e-6
    )
