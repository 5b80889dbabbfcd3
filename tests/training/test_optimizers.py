"""Optimisers, and the learning rate over a training."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.training.tiny import BATCH, tiny_training
from urep_jax.models import transformer
from urep_jax.models.layers import LinearMap
from urep_jax.models.transformer import TransformerConfig
from urep_jax.training.objective import TableMode
from urep_jax.training.optimizers import adam, learning_rates, muon
from urep_jax.training.parallel import ParallelMode, parallelize


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


def test_muon_moves_a_map_evenly_in_all_directions() -> None:
    """Singular values of what it moves by are near one another, whatever the gradient's are, and the size is Adam's."""
    rng = np.random.default_rng(0)
    directions, spread = np.linalg.qr(rng.normal(size=(6, 6)))[0], np.diag(10.0 ** -np.arange(6))
    grad_4x3x6 = jnp.stack([jnp.asarray(directions @ spread @ directions.T)[:4]] * 3, axis=1) * jnp.array(
        [[[1], [5], [9]]]
    )
    params = {"map": jnp.zeros((4, 3, 6)), "rest": jnp.zeros((4, 6))}
    optimizer = muon(0.1, lambda _: {"map": LinearMap((0,), (2,)), "rest": None}, clip_norm=np.inf)
    grads = {"map": grad_4x3x6, "rest": grad_4x3x6[:, 0]}
    moved, _ = optimizer.update(grads, optimizer.init(params), params)
    # Newton and Schulz's five rounds take values from .001 on to .7 to 1.2; the least one here is a thousandth.
    for number in range(3):
        values = np.linalg.svd(np.asarray(moved["map"][:, number]), compute_uv=False)
        assert 0.6 < values[2] / (0.1 * 0.2 * 6**0.5) < values[0] / (0.1 * 0.2 * 6**0.5) < 1.25
    plain = optax.nadam(0.1)
    expected, _ = plain.update(grads, plain.init(params), params)
    np.testing.assert_allclose(moved["rest"], expected["rest"], rtol=1e-6)


def test_every_matrix_of_the_blocks_is_a_map_and_nothing_else_is() -> None:
    cfg = TransformerConfig(8, num_devices=2, max_length=6, width=4, heads=2, device=True, hour=True, distance=True)
    params = transformer.init(jax.random.key(0), cfg)
    maps = transformer.linear_maps(params)
    assert jax.tree.leaves(maps["tables"]) == []
    block = maps["body"]["block_1"]
    assert block["attention"] == {"qkv": LinearMap((0,), (3,)), "out": LinearMap((0, 1), (2,)), "distance": None}
    assert block["expand"] == block["contract"] == {"kernel": LinearMap((0,), (1,)), "bias": None}
    assert {name for name, of in maps["body"].items() if of is None} == {"feedback", "position", "device", "hour"}
    assert params["body"]["block_1"]["attention"]["qkv"].shape == (4, 3, 2, 2)


@pytest.mark.parametrize(("tables", "mode"), [("sparse", "jit"), ("dense", "pmap"), ("sparse", "pmap")])
def test_muon_steps_alike_with_tables_of_any_kind(tables: TableMode, mode: ParallelMode) -> None:
    """In the first step, in which rows that aren't read stay where they are either way."""

    def step(tables: TableMode, mode: ParallelMode) -> dict:
        objective, batches = tiny_training(name="gbce", tables=tables)
        parallel = parallelize(objective, muon(0.01, transformer.linear_maps), 3, BATCH, mode)
        state, _ = parallel.step(parallel.key, parallel.init(), parallel.put_batch(batches[0]))
        params: dict = jax.device_get(parallel.params(state))
        return params

    plain, other = step("dense", "jit"), step(tables, mode)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), other, plain)


@pytest.mark.parametrize("rate", [0.0, -1.0])
def test_no_optimiser_stands_still_or_goes_back(rate: float) -> None:
    for make in (adam, lambda rate: muon(rate, transformer.linear_maps)):
        with pytest.raises(ValueError, match=f"learning_rate is {rate}, but must be above 0"):
            make(rate)
