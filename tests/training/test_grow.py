"""New items in a trained skip-gram space: the formula, what has a gradient, where vectors come to lie, and resuming."""

import itertools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from tests.data.test_sequences import whole
from tests.logs import Row, log_of
from urep_jax.core.streams import name_key
from urep_jax.data.co_occurrences import Blocks, CoOccurrenceBatches, CoOccurrenceConfig
from urep_jax.data.negatives import draw_negatives, negative_sampler
from urep_jax.data.vocabulary import FIRST_ITEM, PAD, Vocabulary
from urep_jax.training.fit import Fit, FitConfig, Progress, fit
from urep_jax.training.grow import GrownConfig, grow_objective, grown_from, new_vectors, read_contexts
from urep_jax.training.learnt import where_learnt
from urep_jax.training.objective import Objective, TableMode
from urep_jax.training.optimizers import adam

OLD, NEW, K, B, M, D = 6, 3, 3, 4, 6, 5
SAMPLER = negative_sampler(1 + np.arange(OLD), 0.75)
CONTEXTS = np.random.default_rng(0).normal(size=(FIRST_ITEM + OLD, D)).astype(np.float32)


def objective_of(tables: TableMode = "auto", new: int = NEW) -> Objective:
    return grow_objective(GrownConfig(new, OLD, D), SAMPLER, K, B, tables)


def blocks_of(seed: int = 0) -> Blocks:
    """Blocks of two playlists each, some tracks twice, some places empty."""
    rng = np.random.default_rng(seed)
    item_BxM = (FIRST_ITEM + rng.integers(0, OLD + NEW, (B, M))).astype(np.int32)
    item_BxM[:, 1], item_BxM[0, 4:], item_BxM[3] = item_BxM[:, 0], PAD, PAD
    playlist_BxM = np.where(np.arange(M) < 4, 7, 8).astype(np.int32) * np.ones((B, 1), np.int32)
    return Blocks(*map(jnp.asarray, (np.arange(B, dtype=np.int32), item_BxM, playlist_BxM)))


def params_of(new: int = NEW) -> dict[str, Any]:
    items = np.random.default_rng(1).normal(size=(FIRST_ITEM + new, D)).astype(np.float32)
    return {"tables": {"item": jnp.asarray(items), "context": jnp.asarray(CONTEXTS)}}


def test_the_loss_is_its_formula() -> None:
    blocks, key, params = blocks_of(), jax.random.key(2), params_of()
    item_RxD = np.asarray(params["tables"]["item"], np.float64)
    drawn_BxK = np.asarray(draw_negatives(name_key(key, "negatives"), SAMPLER, blocks.row, 1, K, B))[:, 0]
    assert drawn_BxK.max() < FIRST_ITEM + OLD, "nothing new is a negative"
    expected, num_pairs = 0.0, 0
    for b, i, j in itertools.product(range(B), range(M), range(M)):
        centre, context = int(blocks.item[b, i]), int(blocks.item[b, j])
        is_pair = centre >= FIRST_ITEM + OLD and FIRST_ITEM <= context < FIRST_ITEM + OLD
        if not is_pair or blocks.playlist[b, i] != blocks.playlist[b, j]:
            continue
        num_pairs += 1
        e = item_RxD[centre - OLD]
        expected -= np.log(expit(e @ CONTEXTS[context] - np.log(K)))
        expected -= sum(np.log(expit(np.log(K) - e @ CONTEXTS[k])) for k in drawn_BxK[b] if k != context)
    total, weight = jax.jit(objective_of().loss)(params, blocks, key)
    assert int(weight) == num_pairs > 0
    assert float(total) == pytest.approx(expected, rel=1e-5)


def test_only_what_is_new_learns_and_none_plays_a_role_in_anothers() -> None:
    blocks, key, objective = blocks_of(), jax.random.key(2), objective_of()

    @jax.jit
    def slope(params: Any, blocks: Blocks) -> Any:
        grads = jax.grad(lambda params: objective.loss(params, blocks, key)[0])(params)
        return where_learnt(objective.first_rows, grads, jax.tree.map(jnp.zeros_like, grads), {})

    both = slope(params_of(), blocks)["tables"]
    assert not np.asarray(both["context"]).any()
    assert not np.asarray(both["item"])[:FIRST_ITEM].any()
    assert np.asarray(both["item"])[FIRST_ITEM:].any(axis=1).all()
    for new in range(NEW):
        row = FIRST_ITEM + OLD + new
        alone = blocks._replace(
            item=jnp.where((blocks.item >= FIRST_ITEM + OLD) & (blocks.item != row), PAD, blocks.item)
        )
        own = slope(params_of(), alone)["tables"]["item"]
        np.testing.assert_allclose(own[FIRST_ITEM + new], both["item"][FIRST_ITEM + new], rtol=1e-5, atol=1e-6)
        assert not np.delete(np.asarray(own), FIRST_ITEM + new, axis=0).any()


def sets_log() -> Any:
    """Sets of mostly one old half, or the other, some of them with new tracks of their own."""
    rng = np.random.default_rng(3)
    rows = []
    for s in range(80):
        likes = np.where(np.arange(OLD) // (OLD // 2) == s % 2, 0.24, 0.28 / OLD * 2)
        old = rng.choice(OLD, rng.integers(1, 4), replace=False, p=likes / likes.sum())
        beside = [OLD + n for n in range(NEW) if n % 2 == s % 2 and rng.random() < 0.7]
        rows += [Row(s, t, int(track), "up") for t, track in enumerate([*old, *beside])]
    return log_of(rows, num_items=OLD + NEW)


def batches_of(new: tuple[int, ...] = (0, 1, 2), batch_size: int = B) -> CoOccurrenceBatches:
    """Blocks of these sets, when some new tracks come in."""
    log, nothing = sets_log(), pa.array([], pa.string())
    ids = log.item_ids.to_pylist()
    vocabulary = Vocabulary(pa.array([*ids[:OLD], *(ids[OLD + n] for n in new)]), nothing, nothing)
    return CoOccurrenceBatches(log, whole(log), vocabulary, CoOccurrenceConfig(subsample=0.0), batch_size, seed=3)


def grown(folder: Path, tables: TableMode = "sparse", on: Any = lambda _: None) -> Fit:
    """A whole growth; later epochs are better."""
    cfg = FitConfig(epochs=4, seed=3, checkpoint_every=5)

    def validate(params: Any) -> tuple[float, dict[str, float]]:
        return float(jnp.linalg.norm(params["tables"]["item"])), {}

    config = {"model": {"num_items": NEW, "num_contexts": OLD, "width": D}}
    return fit(objective_of(tables), adam(0.02), batches_of(), validate, cfg, folder, config, on, grown_from(CONTEXTS))


@pytest.mark.parametrize("tables", ["dense", "sparse"])
def test_contexts_stay_to_the_bit(tables: TableMode, tmp_path: Path) -> None:
    found = grown(tmp_path, tables=tables)
    np.testing.assert_array_equal(found.params["tables"]["context"], CONTEXTS)
    np.testing.assert_array_equal(read_contexts(tmp_path), CONTEXTS)
    assert not np.asarray(found.params["tables"]["item"])[:FIRST_ITEM].any()
    np.testing.assert_allclose(np.linalg.norm(new_vectors(found.params), axis=1), 1, rtol=1e-6)


def test_killed_it_ends_where_it_would_have_ended(tmp_path: Path) -> None:
    unbroken = grown(tmp_path / "unbroken")

    def kill(progress: Progress) -> None:
        if progress.step == unbroken.history[0].step + 1:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        grown(tmp_path / "killed", on=kill)
    again = grown(tmp_path / "killed")
    jax.tree.map(np.testing.assert_array_equal, again.params, unbroken.params)


def test_what_comes_in_together_or_in_turn_comes_to_the_same_place() -> None:
    """And that is the least of the convex loss, as negatives are drawn on the whole."""
    log, num_blocks = sets_log(), 16
    together = least(batches_of((0, 1, 2), num_blocks)[0], NEW)
    q_O, contexts_OxD = np.exp(np.asarray(SAMPLER.log_q)[FIRST_ITEM:]), CONTEXTS[FIRST_ITEM:].astype(np.float64)
    for new in range(NEW):
        sets = (log.item[log.offsets[s] : log.offsets[s + 1]] for s in range(log.num_sequences))
        met = np.concatenate([items[items < OLD] for items in sets if OLD + new in items])
        count_O = np.bincount(met, minlength=OLD)

        def loss(e_D: np.ndarray, count_O: np.ndarray = count_O) -> float:
            score_O = contexts_OxD @ e_D - np.log(K)
            others_O = (count_O.sum() - count_O) * K * q_O
            return float(count_O @ np.logaddexp(0, -score_O) + others_O @ np.logaddexp(0, score_O)) / count_O.sum()

        known = minimize(loss, np.zeros(D)).x
        alone = least(batches_of((new,), num_blocks)[0], 1)[0]
        for found in (together[new], alone):
            assert found @ known / np.linalg.norm(found) / np.linalg.norm(known) > 0.98


def least(blocks: Blocks, new: int) -> np.ndarray:
    """Where the objective is least, over many draws of negatives."""
    blocks, objective = jax.tree.map(jnp.asarray, blocks), objective_of(new=new)
    keys = jax.random.split(jax.random.key(0), 200)

    @jax.jit
    def mean(item_NxD: jax.Array) -> jax.Array:
        tables = {"item": jnp.pad(item_NxD, ((FIRST_ITEM, 0), (0, 0))), "context": jnp.asarray(CONTEXTS)}
        total, weight = jax.vmap(lambda key: objective.loss({"tables": tables}, blocks, key))(keys)
        return total.sum() / weight.sum()

    slope = jax.jit(jax.value_and_grad(mean))

    def flat(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = slope(jnp.asarray(x.reshape(new, D), jnp.float32))
        return float(value), np.asarray(gradient, np.float64).ravel()

    return minimize(flat, np.zeros(new * D), jac=True).x.reshape(new, D)


def test_wrong_values_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="num_items is 0, but must be at least 1"):
        GrownConfig(0, 5, 3)
    with pytest.raises(ValueError, match="k_negatives is 0, but must be at least 1"):
        grow_objective(GrownConfig(1, OLD, D), SAMPLER, 0, B)
    with pytest.raises(ValueError, match="the sampler draws from 6 items, but must draw from those with a context vec"):
        grow_objective(GrownConfig(1, OLD + 1, D), SAMPLER, K, B)
    with pytest.raises(FileNotFoundError, match="holds no checkpoint"):
        read_contexts(tmp_path)
