"""Sums of later rewards against sums written out."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from urep_jax.agents.returns import discounts, lambda_returns


def test_a_discount_is_by_the_time_that_passes() -> None:
    hours = jnp.array([0.0, 24.0, 48.0, 24.0 * 7])
    np.testing.assert_allclose(discounts(hours, 2.0), np.exp([0.0, -0.5, -1.0, -3.5]), rtol=1e-6)
    assert not discounts(hours, 0.0).any(), "without a horizon only the next item counts"


@settings(max_examples=30, deadline=None)
@given(trace=st.floats(0, 1), steps=st.integers(1, 6), seed=st.integers(0, 99))
def test_a_return_is_the_mixture_of_all_truncated_sums(trace: float, steps: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    reward_T, value_T = rng.normal(size=(2, steps))
    discount_T = rng.uniform(0.5, 1, steps) * (rng.uniform(size=steps) > 0.2)
    is_end_T = rng.uniform(size=steps) < 0.3

    def after(t: int) -> float:
        """The forward view, by recursion over what follows."""
        if t == steps - 1 or is_end_T[t]:
            follows = value_T[t]
        else:
            follows = (1 - trace) * value_T[t] + trace * after(t + 1)
        return reward_T[t] + discount_T[t] * follows

    columns = (jnp.asarray(x, jnp.float32)[:, None] for x in (reward_T, discount_T, value_T))
    found = lambda_returns(*columns, jnp.asarray(is_end_T)[:, None], trace)[:, 0]
    np.testing.assert_allclose(found, [after(t) for t in range(steps)], rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("trace", [0.0, 1.0])
def test_the_ends_of_the_trace_are_one_step_and_all_steps(trace: float) -> None:
    reward_T, value_T = np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 30.0])
    columns = (jnp.asarray(x, jnp.float32)[:, None] for x in (reward_T, np.full(3, 0.5), value_T))
    found = lambda_returns(*columns, jnp.zeros((3, 1), bool), trace)[:, 0]
    one_step = reward_T + 0.5 * value_T
    sampled = [1 + 0.5 * (2 + 0.5 * (3 + 0.5 * 30)), 2 + 0.5 * (3 + 0.5 * 30), 3 + 0.5 * 30]
    np.testing.assert_allclose(found, one_step if trace == 0 else sampled, rtol=1e-6)
