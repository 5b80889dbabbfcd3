"""The blockwise sum of the full softmax against the formula, value and gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from urep_jax.losses import softmax
from urep_jax.losses.softmax import full_softmax, full_softmax_sum


@pytest.mark.parametrize("block_scores", [1, 50, 1 << 22])
def test_it_is_the_sum_of_the_tasks_that_count(monkeypatch: pytest.MonkeyPatch, block_scores: int) -> None:
    monkeypatch.setattr(softmax, "_BLOCK_SCORES", block_scores)
    rng = np.random.default_rng(0)
    hidden, items = jnp.array(rng.normal(size=(3, 7, 4))), jnp.array(rng.normal(size=(9, 4)))
    target, where = jnp.array(rng.integers(0, 9, (3, 7))), jnp.array(rng.random((3, 7)) < 0.6)

    def reference(hidden: jax.Array, items: jax.Array) -> jax.Array:
        loss_N = full_softmax(hidden.reshape(-1, 4), items, target.reshape(-1))
        return 2 * jnp.where(where.reshape(-1), loss_N, 0.0).sum()

    def ours(hidden: jax.Array, items: jax.Array) -> jax.Array:
        return 2 * full_softmax_sum(hidden, items, target, where)

    np.testing.assert_allclose(ours(hidden, items), reference(hidden, items), rtol=1e-5)
    gradients = (jax.jit(jax.grad(f, (0, 1)))(hidden, items) for f in (ours, reference))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), *gradients)


def test_scores_too_large_for_exp_are_no_trouble() -> None:
    hidden, items = 100 * jnp.ones((1, 2, 4)), jnp.eye(4)[:3] * jnp.array([[1.0], [2.0], [3.0]])
    value, gradient = jax.value_and_grad(full_softmax_sum)(hidden, items, jnp.array([[2, 0]]), jnp.ones((1, 2), bool))
    assert float(value) == pytest.approx(200.0)
    assert np.isfinite(gradient).all()
