"""Skip-gram with negative sampling against its formula, pair by pair."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import expit

from urep_jax.losses.binary import gbce
from urep_jax.losses.sgns import sgns

RNG = np.random.default_rng(0)
N, C, K = 5, 4, 3
POSITIVE, NEGATIVES = RNG.normal(size=(N, C)).astype(np.float32), RNG.normal(size=(N, K)).astype(np.float32)
WHERE = RNG.random((N, C)) < 0.7
DIFFERS = RNG.random((C, K)) < 0.7


def test_it_is_the_sum_of_its_pairs() -> None:
    weights = (WHERE[:, :, None] & DIFFERS).sum(1)
    expected = np.zeros(N)
    for n in range(N):
        for c in np.flatnonzero(WHERE[n]):
            expected[n] -= np.log(expit(POSITIVE[n, c])) + np.log(1 - expit(NEGATIVES[n, DIFFERS[c]])).sum()
    found = sgns(jnp.array(POSITIVE), jnp.array(NEGATIVES), where=jnp.array(WHERE), weights=jnp.array(weights, float))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_one_context_is_plain_binary_cross_entropy() -> None:
    plain = gbce(jnp.array(POSITIVE[:, 0]), jnp.array(NEGATIVES), 1.0)
    one = sgns(jnp.array(POSITIVE[:, :1]), jnp.array(NEGATIVES), where=jnp.ones((N, 1), bool), weights=jnp.ones((N, K)))
    np.testing.assert_allclose(one, plain, rtol=1e-6)


def test_what_does_not_count_has_no_slope() -> None:
    def loss(positive: jax.Array, negatives: jax.Array) -> jax.Array:
        return sgns(positive, negatives, where=jnp.array(WHERE), weights=jnp.zeros((N, K))).sum()

    slope, of_negatives = jax.grad(loss, argnums=(0, 1))(jnp.array(POSITIVE), jnp.array(NEGATIVES))
    np.testing.assert_allclose(slope, np.where(WHERE, expit(POSITIVE) - 1, 0), rtol=1e-5)
    assert not of_negatives.any()
