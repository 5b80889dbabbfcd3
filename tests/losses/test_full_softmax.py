"""The softmax over all items against optax, however it is cut up, and in how much memory it fits."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from urep_jax.core.precision import Compute
from urep_jax.losses import full_softmax
from urep_jax.losses.full_softmax import Heard, full_softmax_sum


@pytest.mark.parametrize("block_scores", [1, 63, 200, 1 << 22])
@pytest.mark.parametrize("leaves_out", [False, True])
@pytest.mark.parametrize(("compute", "error"), [("float32", 1e-5), ("bfloat16", 2e-2)])
def test_it_is_cross_entropy_over_the_tasks_that_count(
    monkeypatch: pytest.MonkeyPatch, block_scores: int, leaves_out: bool, compute: Compute, error: float
) -> None:
    """Of 31 items in blocks of one, of three, and all with two positions, and with seven."""
    num_items = 31
    monkeypatch.setattr(full_softmax, "_BLOCK_SCORES", block_scores)
    rng = np.random.default_rng(0)
    hidden, items = jnp.array(rng.normal(size=(3, 7, 4))), jnp.array(rng.normal(size=(num_items, 4)))
    target, where = jnp.array(rng.integers(0, num_items, (3, 7))), jnp.array(rng.random((3, 7)) < 0.6)
    heard = Heard(
        item=jnp.array(rng.integers(0, num_items + 1, (3, 8))),
        since=jnp.array(rng.integers(0, 12, (3, 8))),
        place=jnp.array(np.sort(rng.integers(0, 12, (3, 7)))),
    )
    out_BxTxV = np.zeros((3, 7, num_items), bool)
    for row, task, position in np.ndindex(3, 7, 8):
        item = int(heard.item[row, position])
        if item < num_items and heard.since[row, position] <= heard.place[row, task] and item != target[row, task]:
            out_BxTxV[row, task, item] = leaves_out

    def reference(hidden: jax.Array, items: jax.Array) -> jax.Array:
        scores_BxTxV = jnp.where(out_BxTxV, -1e9, hidden @ items.T)
        loss_BxT = optax.softmax_cross_entropy_with_integer_labels(scores_BxTxV, target)
        return 2 * jnp.where(where, loss_BxT, 0.0).sum()

    def ours(hidden: jax.Array, items: jax.Array) -> jax.Array:
        return 2 * full_softmax_sum(hidden, items, target, where, heard if leaves_out else None, compute)

    value, gradient = jax.jit(jax.value_and_grad(ours, (0, 1)))(hidden, items)
    expected, expected_gradient = jax.jit(jax.value_and_grad(reference, (0, 1)))(hidden, items)
    np.testing.assert_allclose(value, expected, rtol=error)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=error), gradient, expected_gradient)


@pytest.mark.parametrize("block_scores", [2, 1 << 22])
def test_scores_too_large_for_exp_are_no_trouble(monkeypatch: pytest.MonkeyPatch, block_scores: int) -> None:
    monkeypatch.setattr(full_softmax, "_BLOCK_SCORES", block_scores)
    hidden, items = 100 * jnp.ones((1, 2, 4)), jnp.eye(4)[:3] * jnp.array([[1.0], [2.0], [3.0]])
    value, gradient = jax.value_and_grad(full_softmax_sum)(hidden, items, jnp.array([[2, 0]]), jnp.ones((1, 2), bool))
    assert float(value) == pytest.approx(200.0)
    assert np.isfinite(gradient).all()


def memory_besides_the_tables(num_items: int) -> int:
    """Bytes that the loss and its gradient need at a time, less the items' own gradient."""

    def loss(hidden: jax.Array, items: jax.Array, target: jax.Array, heard: Heard) -> Any:
        return full_softmax_sum(hidden, items, target, target > 0, heard)

    tasks, positions = jax.ShapeDtypeStruct((64, 100), jnp.int32), jax.ShapeDtypeStruct((64, 101), jnp.int32)
    items_VxD = jax.ShapeDtypeStruct((num_items, 16), jnp.float32)
    hidden_BxTxD = jax.ShapeDtypeStruct((64, 100, 16), jnp.float32)
    gradient = jax.jit(jax.grad(loss, (0, 1)))
    compiled = gradient.lower(hidden_BxTxD, items_VxD, tasks, Heard(positions, positions, tasks)).compile()
    analysis: Any = compiled.memory_analysis()
    return analysis.temp_size_in_bytes


def test_ten_million_items_take_no_more_room_than_a_hundred_thousand() -> None:
    """64 rows of 10 million scores would be 2.6 GB for each position; the items' gradient is an output."""
    few, many = memory_besides_the_tables(100_000), memory_besides_the_tables(10_000_000)
    assert many < 1.1 * few
    assert few < 20 * 4 * full_softmax._BLOCK_SCORES
