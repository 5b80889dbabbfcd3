"""Losses of times and shares: their formula, and that what is cut short doesn't bend them."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from urep_jax.losses.share_heard import MOST, share_heard
from urep_jax.losses.time_until import time_until

EDGES = (0.0, 1.0, 3.0, 10.0)
HAZARD = np.array([0.5, 0.1, 0.2])


def test_the_formula() -> None:
    time, happened = jnp.array([0.5, 2.0, 2.0, 12.0]), jnp.array([True, True, False, True])
    log_hazard = jnp.broadcast_to(jnp.log(HAZARD), (4, 3)).astype(jnp.float32)
    waited = np.array([0.25, 0.5 + 0.1, 0.5 + 0.1, 0.5 + 0.2 + 1.4])
    # What happens past the last edge has not happened.
    expected = waited - np.array([np.log(0.5), np.log(0.1), 0, 0])
    np.testing.assert_allclose(time_until(log_hazard, time, happened, EDGES), expected, rtol=1e-5)


def test_returns_that_are_cut_short_leave_the_rate_as_it_is() -> None:
    rate, key = 0.5, jax.random.split(jax.random.key(0))
    true = jax.random.exponential(key[0], (50_000,)) / rate
    watched = jax.random.uniform(key[1], (50_000,), maxval=4.0)
    time, happened = jnp.minimum(true, watched), true <= watched

    def loss(log_hazard: jax.Array) -> jax.Array:
        return time_until(jnp.broadcast_to(log_hazard, (50_000, 3)), time, happened, EDGES).mean()

    log_hazard = jnp.zeros(3)
    for _ in range(200):
        log_hazard -= jax.grad(loss)(log_hazard)
    np.testing.assert_allclose(jnp.exp(log_hazard)[:2], rate, rtol=0.05)
    # As if nothing were cut, the rate would come out far too large.
    assert 1 / float(time.mean()) > 1.3 * rate


def test_the_share_is_a_power_law() -> None:
    power, share = 0.7, jnp.array([0.1, 0.5, 0.95])
    expected = -np.log(power * np.asarray(share) ** (power - 1))
    np.testing.assert_allclose(share_heard(jnp.full(3, jnp.log(power)), share), expected, rtol=1e-5)
    draws = jax.random.uniform(jax.random.key(0), (20_000,)) ** (1 / power)
    assert abs(float(draws.mean()) - power / (1 + power)) < 0.01
    powers = jnp.log(jnp.array([0.5, 0.7, 0.9]))
    means = [float(share_heard(jnp.full(20_000, one), draws).mean()) for one in powers]
    assert np.argmin(means) == 1


def test_what_is_always_heard_to_its_end_has_a_likeliest_power() -> None:
    powers = jnp.linspace(0.0, 12.0, 241)
    likeliest = float(jnp.exp(powers[jnp.argmin(share_heard(powers, jnp.ones(241)))]))
    assert likeliest == pytest.approx(1 / -math.log(MOST), rel=0.03)
