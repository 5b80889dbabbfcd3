"""New items in a trained recommender: their rows alone learn, and everything else stays what it is to the bit."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.data.test_sequences import whole
from tests.training.tiny import BATCH, NUM_ITEMS, tiny_log
from urep_jax.core.streams import name_key
from urep_jax.data.negatives import negative_sampler
from urep_jax.data.sequences import SequenceConfig, Sequences
from urep_jax.data.source import TrainingBatches
from urep_jax.data.vocabulary import FIRST_ITEM, UNKNOWN, build_vocabulary
from urep_jax.models import transformer
from urep_jax.models.transformer import TransformerConfig
from urep_jax.training.fit import Fit, FitConfig, Progress, fit
from urep_jax.training.negative_feedback import LossConfig, negative_feedback_objective
from urep_jax.training.objective import Objective, Params, TableMode
from urep_jax.training.optimizers import adam
from urep_jax.training.parallel import ParallelMode, parallelize
from urep_jax.training.warm_start import with_new_items

KNOWN = 24
FIRST_NEW = FIRST_ITEM + KNOWN
SIZE: dict[str, Any] = {"max_length": 16, "width": 8, "blocks": 1, "item_bias": True}
SAMPLER = negative_sampler(np.ones(NUM_ITEMS, int))


def trained() -> Params:
    """A recommender of the first items; none of its rows is zero."""
    params = transformer.init(jax.random.key(7), TransformerConfig(KNOWN, 2, **SIZE))
    return jax.tree.map(lambda x: np.asarray(x) + np.float32(0.01), params)


OLD = trained()


def objective_of(tables: TableMode = "auto", known_items: int = KNOWN, **loss: Any) -> Objective:
    model = TransformerConfig(NUM_ITEMS, 2, dropout=0.1, **SIZE)
    return negative_feedback_objective(model, LossConfig(batch_size=BATCH, **loss), SAMPLER, tables, known_items)


def batches_of(p_hard: float = 0.5) -> TrainingBatches:
    log = tiny_log()
    vocabulary = build_vocabulary(log, whole(log))
    assert len(vocabulary.item_ids) == NUM_ITEMS
    sequences = Sequences(log, vocabulary, SequenceConfig(max_length=16, p_hard=p_hard))
    return TrainingBatches(sequences, whole(log), BATCH, seed=3, strata=2)


def start(fresh: Params) -> Params:
    return with_new_items(OLD, NUM_ITEMS)


def check_old(params: Params) -> None:
    """All that was learnt before has the same bits."""
    found = jax.tree.map(np.asarray, params)
    item_RxF = found["tables"]["item"]
    kept = {**found, "tables": found["tables"] | {"item": item_RxF[:FIRST_NEW]}}
    jax.tree.map(lambda now, was: np.testing.assert_array_equal(now.view(np.int32), was.view(np.int32)), kept, OLD)


def check_moved(params: Params) -> None:
    """Every new row is another than what it began with."""
    new_NxF = np.asarray(params["tables"]["item"])[FIRST_NEW:]
    assert new_NxF.shape == (NUM_ITEMS - KNOWN, SIZE["width"] + 1)
    assert (new_NxF != OLD["tables"]["item"][UNKNOWN]).any(axis=1).all()


@pytest.mark.parametrize(
    ("name", "tables", "mode"),
    [
        ("bce", "dense", "jit"),
        ("bce", "sparse", "jit"),
        ("bce", "sparse", "pmap"),
        ("softmax", "dense", "jit"),
    ],
)
def test_nothing_else_moves_whatever_the_optimizer_does(name: str, tables: TableMode, mode: ParallelMode) -> None:
    """Decay moves what has no gradient, and moments what has none any more."""
    objective, batches = objective_of(tables, name=name), batches_of(0.0 if name == "softmax" else 0.5)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(0.01, weight_decay=0.1))
    parallel = parallelize(objective, optimizer, 3, BATCH, mode)
    fresh = parallel.get_state(parallel.init())
    # A memory of other gradients.
    moving = jax.tree.map(lambda x: x + np.asarray(1, x.dtype), fresh.opt_state)
    state = parallel.put_state(fresh._replace(params=start(fresh.params), opt_state=moving))
    for step in range(12):
        state, _ = parallel.step(parallel.key, state, parallel.put_batch(batches[step]))
    params = parallel.get_state(state).params
    check_old(params)
    check_moved(params)


def test_the_gradient_is_that_of_the_training_for_new_rows() -> None:
    """And its norm, by which it is clipped, is of them alone."""
    growing, training = objective_of("sparse"), objective_of("dense", known_items=0)
    batch = jax.tree.map(jnp.asarray, batches_of()[0])
    parallel = parallelize(growing, optax.sgd(1.0), 3, BATCH)
    fresh = parallel.get_state(parallel.init())
    before = start(fresh.params)
    state, info = parallel.step(parallel.key, parallel.put_state(fresh._replace(params=before)), batch)
    key = jax.random.fold_in(name_key(jax.random.key(3), "step"), 0)
    slope, weight = jax.jit(jax.grad(training.loss, has_aux=True))(jax.tree.map(jnp.asarray, before), batch, key)
    expected_NxF = np.asarray(slope["tables"]["item"])[FIRST_NEW:] / float(weight)
    moved_NxF = np.asarray(state.params["tables"]["item"])[FIRST_NEW:] - before["tables"]["item"][FIRST_NEW:]
    np.testing.assert_allclose(moved_NxF, -expected_NxF, rtol=1e-4, atol=1e-6)
    assert float(info.grad_norm) == pytest.approx(np.linalg.norm(expected_NxF), rel=1e-4)


def grown(folder: Path, on: Any = lambda _: None) -> Fit:
    """A whole growth, whose parameters are a mean over epochs; later epochs are better."""

    def validate(params: Any) -> tuple[float, dict[str, float]]:
        return float(np.linalg.norm(np.asarray(params["tables"]["item"])[FIRST_NEW:])), {}

    fit_cfg = FitConfig(epochs=3, seed=3, checkpoint_every=2, average=0.8)
    return fit(objective_of("sparse"), adam(0.01), batches_of(), validate, fit_cfg, folder, {}, on, start)


def test_killed_it_ends_where_it_would_have_ended(tmp_path: Path) -> None:
    unbroken = grown(tmp_path / "unbroken")
    check_old(unbroken.params)
    check_moved(unbroken.params)

    def kill(progress: Progress) -> None:
        if progress.step == unbroken.history[0].step + 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        grown(tmp_path / "killed", on=kill)
    again = grown(tmp_path / "killed")
    jax.tree.map(np.testing.assert_array_equal, again.params, unbroken.params)
    assert [line.loss for line in again.history] == [line.loss for line in unbroken.history]


def test_old_items_have_the_scores_that_they_had() -> None:
    params = jax.tree.map(jnp.asarray, start({}))
    params["tables"]["item"] = params["tables"]["item"].at[FIRST_NEW:].set(1.0)
    batch = jax.tree.map(jnp.asarray, batches_of()[0][0])
    old = batch._replace(item=jnp.where(batch.item >= FIRST_NEW, UNKNOWN, batch.item))
    was, now = TransformerConfig(KNOWN, 2, **SIZE), TransformerConfig(NUM_ITEMS, 2, **SIZE)
    before = jax.jit(lambda params: transformer.encode(params, old, was))(jax.tree.map(jnp.asarray, OLD))
    np.testing.assert_array_equal(before, jax.jit(lambda params: transformer.encode(params, old, now))(params))


def test_wrong_values_are_refused() -> None:
    for known_items in (-1, NUM_ITEMS):
        with pytest.raises(ValueError, match=f"known_items is {known_items}, but must be at least 0 and less than num"):
            objective_of(known_items=known_items)
    with pytest.raises(ValueError, match="num_items is 20, but the model has 24; items only come in"):
        with_new_items(OLD, 20)
