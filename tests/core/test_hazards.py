"""Times by a hazard: constant hazards are the exponential distribution, and draws have the chances that are told."""

import jax
import jax.numpy as jnp
import numpy as np

from urep_jax.core.hazards import chance_within, time_of

EDGES = (0.0, 1.0, 3.0, 10.0)
RATE = 0.4


def test_a_constant_hazard_is_the_exponential_distribution() -> None:
    log_hazard = jnp.full(3, jnp.log(RATE))
    for days in (0.0, 0.5, 2.0, 9.0):
        np.testing.assert_allclose(chance_within(log_hazard, days, EDGES), 1 - np.exp(-RATE * days), atol=1e-6)
    draw = jnp.array([0.0, 0.2, 1.0, 3.9, 4.1])
    expected = np.where(draw > 10 * RATE, np.inf, draw / RATE)
    np.testing.assert_allclose(time_of(jnp.broadcast_to(log_hazard, (5, 3)), draw, EDGES), expected, rtol=1e-5)


def test_draws_have_the_chances_that_are_told() -> None:
    log_hazard = jnp.log(jnp.array([0.5, 0.05, 0.2]))
    draws = jax.random.exponential(jax.random.key(0), (40_000,))
    time = time_of(jnp.broadcast_to(log_hazard, (40_000, 3)), draws, EDGES)
    for days in (0.5, 1.0, 2.0, 7.0, 10.0):
        assert abs(float((time <= days).mean()) - float(chance_within(log_hazard, days, EDGES))) < 0.01
