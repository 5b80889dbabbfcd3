"""The learning rate over a training."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from urep_jax.training.optimizers import adam, learning_rates


def test_it_rises_evenly_and_then_stays() -> None:
    rate = learning_rates(0.1, "constant", warmup=4, num_steps=100)
    np.testing.assert_allclose([rate(i) for i in (0, 1, 2, 3, 4, 50, 99)], [0.025, 0.05, 0.075, 0.1, 0.1, 0.1, 0.1])


def test_it_rises_evenly_and_falls_along_half_a_cosine() -> None:
    rate = learning_rates(0.1, "cosine", warmup=4, num_steps=104)
    step = np.arange(4, 104)
    np.testing.assert_allclose([rate(i) for i in (0, 3)], [0.025, 0.1])
    np.testing.assert_allclose([rate(i) for i in step], 0.05 * (1 + np.cos(np.pi * (step - 4) / 100)), atol=1e-7)


def test_a_constant_rate_is_adam_with_that_rate() -> None:
    params, grads = {"w": jnp.array([1.0, -2.0])}, {"w": jnp.array([0.3, 0.1])}
    updates = []
    for rate in (0.01, learning_rates(0.01, "constant", warmup=0, num_steps=10)):
        optimizer = adam(rate)
        updates.append(optimizer.update(grads, optimizer.init(params), params)[0]["w"])
    np.testing.assert_array_equal(*updates)
    np.testing.assert_allclose(updates[0], optax.adam(0.01).update(grads, optax.adam(0.01).init(params))[0]["w"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0.0, "cosine", 0, 10), "learning_rate is 0.0, but must be above 0"),
        ((0.1, "linear", 0, 10), "schedule is 'linear', but must be one of constant, cosine"),
        ((0.1, "cosine", 10, 10), "warmup is 10 steps, but must be at least 0 and fewer than all, 10"),
        ((0.1, "cosine", -1, 10), "warmup is -1 steps"),
    ],
)
def test_what_makes_no_schedule_is_refused(values: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        learning_rates(*values)
