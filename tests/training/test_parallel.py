"""The step: one trace, the same on four devices as on one, and known to the digit."""

import json
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.programs import fake_devices
from tests.training.tiny import BATCH, losses, tiny_training
from urep_jax.data.vocabulary import PAD
from urep_jax.training.optimizers import adam
from urep_jax.training.parallel import parallelize

LOSSES = ("bce", "gbce", "sampled_softmax", "softmax")


@pytest.mark.parametrize(
    ("tables", "names"), [("dense", (*LOSSES, "softmax_unheard")), ("sparse", LOSSES[2:3])], ids=["dense", "sparse"]
)
@pytest.mark.parametrize(("mode", "layout"), [("jit", "copies"), ("jit", "rows"), ("pmap", "copies")])
def test_four_devices_give_the_losses_of_one(mode: str, layout: str, tables: str, names: tuple[str, ...]) -> None:
    """Cut by rows, 33 of them are 9 for each device, and three that stand for nothing."""
    env = os.environ | fake_devices(4)
    command = [sys.executable, "-m", "tests.training.tiny", mode, tables, layout, *names]
    told = json.loads(subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout)
    for name in names:
        one = losses("jit", tables, name)
        np.testing.assert_allclose(told[name], one, rtol=2e-5, err_msg=name)


def test_a_step_is_traced_once() -> None:
    objective, batches = tiny_training()
    traces = []

    def loss(*args: object) -> tuple[jax.Array, jax.Array]:
        traces.append(1)
        return objective.loss(*args)

    parallel = parallelize(objective._replace(loss=loss), adam(0.01), 3, BATCH)
    state = parallel.init()
    for step in range(4):
        state, _ = parallel.step(parallel.key, state, parallel.put_batch(batches[step]))
    assert len(traces) == 1


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_learns_one_batch_by_heart(name: str) -> None:
    objective, batches = tiny_training(name=name, k_negatives=4)
    parallel = parallelize(objective, adam(0.01), 3, BATCH)
    state, told = parallel.init(), []
    batch = parallel.put_batch(batches[0])
    for _ in range(100):
        state, info = parallel.step(parallel.key, state, batch)
        told.append(float(info.loss))
    assert np.mean(told[-5:]) < 0.7 * np.mean(told[:5])


def test_empty_rows_change_nothing() -> None:
    objective, batches = tiny_training()
    params = objective.init(jax.random.key(0))
    batch = batches[0]
    empty = jax.tree.map(lambda x: np.concatenate([x, np.zeros_like(x)]), batch)
    loss = jax.jit(objective.loss)
    whole, filled = (loss(params, b, jax.random.key(1)) for b in (batch, empty))
    np.testing.assert_allclose(whole, filled, rtol=1e-6)


def test_without_random_negatives_ups_are_set_against_what_was_disliked_only() -> None:
    objective, batches = tiny_training(k_negatives=0)
    params = objective.init(jax.random.key(0))
    # At the start all scores are nearly 0, so each term is log 2: one for each target, and one for each hard negative.
    tasks = sum(int((b.target != PAD).sum()) for b in batches[0])
    hard = sum(int((b.negative != PAD).sum()) for b in batches[0])
    total, weight = jax.jit(objective.loss)(params, batches[0], jax.random.key(1))
    assert int(weight) == tasks
    assert 0 < hard < tasks
    assert float(total) == pytest.approx((tasks + hard) * np.log(2), rel=0.05)


def test_one_step_is_the_one_it_was() -> None:
    """A golden: parameters after one step, summed by part.

    Update it when the model, the loss, the optimiser or the batches are changed on purpose; nothing else may move it.
    """
    objective, batches = tiny_training()
    parallel = parallelize(objective, adam(0.01), 3, BATCH)
    state, info = parallel.step(parallel.key, parallel.init(), parallel.put_batch(batches[0]))
    sums = {
        "loss": info.loss,
        "item": jnp.abs(state.params["tables"]["item"]).sum(),
        "station": jnp.abs(state.params["tables"]["station"]).sum(),
        "body": sum(jnp.abs(x).sum() for x in jax.tree.leaves(state.params["body"])),
    }
    expected = {"loss": 1.384781, "item": 4.423331, "station": 0.3272580, "body": 214.9319}
    assert {name: float(value) for name, value in sums.items()} == pytest.approx(expected, rel=1e-4)


def test_what_cannot_be_spread_is_refused() -> None:
    objective, _ = tiny_training()
    with pytest.raises(ValueError, match="parallel is 'xmap'"):
        parallelize(objective, adam(0.01), 3, BATCH, "xmap")
    with pytest.raises(ValueError, match="table_layout is 'columns', but must be one of copies, rows"):
        parallelize(objective, adam(0.01), 3, BATCH, table_layout="columns")
    with pytest.raises(ValueError, match="table_layout is 'rows' with parallel=pmap"):
        parallelize(objective, adam(0.01), 3, BATCH, "pmap", "rows")
    without = objective._replace(init=lambda key: objective.init(key)["body"])
    with pytest.raises(ValueError, match="table_layout is 'rows', but this model has no tables"):
        parallelize(without, adam(0.01), 3, BATCH, table_layout="rows")
    with pytest.raises(ValueError, match="set table_layout=copies"):
        parallelize(objective, optax.adafactor(min_dim_size_to_factor=2), 3, BATCH, table_layout="rows")
    with pytest.raises(ValueError, match="learning_rate is 0"):
        adam(0)
