"""Pairwise losses against their formulas."""

import jax.numpy as jnp
import numpy as np
from scipy.special import expit

from urep_jax.losses.pairwise import bpr

RNG = np.random.default_rng(0)
POSITIVE, NEGATIVE = RNG.normal(size=(2, 6)).astype(np.float32)


def test_bpr_is_its_formula_where_there_is_a_negative() -> None:
    where = np.array([True, False, True, True, True, False])
    expected = np.where(where, -np.log(expit(POSITIVE - NEGATIVE)), 0)
    np.testing.assert_allclose(
        bpr(jnp.array(POSITIVE), jnp.array(NEGATIVE), where=jnp.array(where)), expected, rtol=1e-5
    )


def test_bpr_does_not_know_how_easily_a_listener_likes_anything() -> None:
    plain, easy = (bpr(jnp.array(POSITIVE + c), jnp.array(NEGATIVE + c)) for c in (0.0, 3.0))
    np.testing.assert_allclose(plain, easy, rtol=1e-4)


def test_bpr_counts_pairs_in_the_limit() -> None:
    """Scaled up, it is no less than log 2 for each pair that is in the wrong order, and nothing for the others."""
    far = np.asarray(bpr(jnp.array(1000 * POSITIVE), jnp.array(1000 * NEGATIVE)))
    np.testing.assert_array_equal(far >= np.log(2), POSITIVE < NEGATIVE)
    np.testing.assert_allclose(far[POSITIVE > NEGATIVE], 0, atol=1e-6)
