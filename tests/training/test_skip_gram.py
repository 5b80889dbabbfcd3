"""The skip-gram objective: its formula, its gradient, its pairs, and what it learns; through the one loop."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy.special import expit

from tests.data.test_sequences import whole
from tests.logs import Row, log_of
from urep_jax.core.streams import name_key
from urep_jax.data.co_occurrences import Blocks, CoOccurrenceBatches, CoOccurrenceConfig, frequent_items
from urep_jax.data.negatives import draw_negatives, negative_sampler
from urep_jax.data.vocabulary import FIRST_ITEM, PAD, item_counts
from urep_jax.models.skip_gram import SkipGramConfig, item_vectors
from urep_jax.training.fit import Fit, FitConfig, Progress, fit
from urep_jax.training.objective import Objective, TableMode
from urep_jax.training.optimizers import adam
from urep_jax.training.skip_gram import skip_gram_objective

ITEMS, K, B, M = 20, 3, 4, 6
SAMPLER = negative_sampler(1 + np.arange(ITEMS), 0.75)


def objective_of(tables: TableMode = "auto", width: int = 5) -> Objective:
    return skip_gram_objective(SkipGramConfig(ITEMS, width), SAMPLER, K, B, tables)


def blocks_of(seed: int = 0) -> Blocks:
    """Blocks of two playlists each, some tracks twice, some places empty."""
    rng = np.random.default_rng(seed)
    item_BxM = (FIRST_ITEM + rng.integers(0, ITEMS, (B, M))).astype(np.int32)
    item_BxM[:, 1], item_BxM[0, 4:], item_BxM[3] = item_BxM[:, 0], PAD, PAD
    playlist_BxM = np.where(np.arange(M) < 4, 7, 8).astype(np.int32) * np.ones((B, 1), np.int32)
    return Blocks(*map(jnp.asarray, (np.arange(B, dtype=np.int32), item_BxM, playlist_BxM)))


def params_of(objective: Objective) -> dict:
    """Far enough from zero that every term tells."""
    like = jax.eval_shape(objective.init, jax.random.key(0))
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda x: jnp.array(rng.normal(size=x.shape), jnp.float32), like)


def test_the_loss_is_its_formula() -> None:
    objective, blocks, key = objective_of(), blocks_of(), jax.random.key(2)
    params = params_of(objective)
    item_RxD, context_RxD = (np.asarray(params["tables"][name], np.float64) for name in ("item", "context"))
    drawn_BxK = np.asarray(draw_negatives(name_key(key, "negatives"), SAMPLER, blocks.row, 1, K, B))[:, 0]
    expected, num_pairs, equal = 0.0, 0, 0
    for b in range(B):
        for i in range(M):
            for j in range(M):
                centre, context = blocks.item[b, i], blocks.item[b, j]
                if PAD in (centre, context) or centre == context or blocks.playlist[b, i] != blocks.playlist[b, j]:
                    continue
                num_pairs += 1
                expected -= np.log(expit(item_RxD[centre] @ context_RxD[context] - np.log(K)))
                for negative in drawn_BxK[b]:
                    equal += negative == context
                    if negative != context:
                        expected -= np.log(expit(np.log(K) - item_RxD[centre] @ context_RxD[negative]))
    total, weight = jax.jit(objective.loss)(params, blocks, key)
    assert equal, "a case in which a negative is the context itself"
    assert int(weight) == num_pairs > 0
    assert float(total) == pytest.approx(expected, rel=1e-5)


def test_what_is_met_as_often_as_drawn_has_nothing_to_learn() -> None:
    """Of independent tracks the mutual information is 0, where vectors begin: the mean slope there is 0 as well."""
    rng = np.random.default_rng(0)
    sampler = negative_sampler(np.ones(ITEMS, np.int64), 0.0)
    blocks = Blocks(
        jnp.arange(2_000, dtype=jnp.int32),
        jnp.asarray(FIRST_ITEM + rng.integers(0, ITEMS, (2_000, 8)), jnp.int32),
        jnp.zeros((2_000, 8), jnp.int32),
    )
    for k in (1, 4):
        objective = skip_gram_objective(SkipGramConfig(ITEMS, 2), sampler, k, 2_000)
        params = {"tables": {"item": jnp.ones((FIRST_ITEM + ITEMS, 2)), "context": jnp.zeros((FIRST_ITEM + ITEMS, 2))}}
        slope = jax.jit(jax.grad(lambda params, of=objective: of.loss(params, blocks, jax.random.key(1))[0]))(params)
        per_pair = np.asarray(slope["tables"]["context"]).sum(0) / (2_000 * 8 * 7)
        np.testing.assert_allclose(per_pair, 0, atol=0.05 * k / (1 + k))


def test_the_gradient_is_that_of_differences() -> None:
    objective, blocks, key = objective_of(width=2), blocks_of(), jax.random.key(2)
    loss = jax.jit(lambda params: objective.loss(params, blocks, key)[0])
    check_grads(loss, (params_of(objective),), order=1, modes=["rev"], rtol=2e-2, eps=1e-2)


def test_shards_add_up_to_the_whole() -> None:
    objective, blocks, key = objective_of(), blocks_of(), jax.random.key(2)
    params = params_of(objective)
    whole_batch = objective.loss(params, blocks, key)
    parts = [objective.loss(params, Blocks(*(x[part] for x in blocks)), key) for part in (slice(0, 2), slice(2, 4))]
    np.testing.assert_allclose(np.sum(parts, axis=0), whole_batch, rtol=1e-6)


def kinds_log(seed: int = 0) -> Any:
    """60 playlists of the tracks of one half or of the other."""
    rng = np.random.default_rng(seed)
    return log_of(
        [
            Row(s, t, int(track) + (s % 2) * ITEMS // 2, "up")
            for s in range(60)
            for t, track in enumerate(rng.permutation(ITEMS // 2)[: rng.integers(4, 9)])
        ],
        num_items=ITEMS,
    )


def tiny_fit(folder: Path, on_progress: Any = lambda _: None) -> Fit:
    """A whole training on `kinds_log`; the later epoch is the better one."""
    log = kinds_log()
    vocabulary = frequent_items(log, whole(log), 1)
    batches = CoOccurrenceBatches(log, whole(log), vocabulary, CoOccurrenceConfig(window=3, subsample=0.0), B, seed=3)
    sampler = negative_sampler(item_counts(log, whole(log), vocabulary), 0.75)
    objective = skip_gram_objective(SkipGramConfig(ITEMS, 8), sampler, K, B, "sparse")
    cfg = FitConfig(epochs=4, seed=3, checkpoint_every=5)

    def validate(params: Any) -> tuple[float, dict[str, float]]:
        return float(jnp.abs(params["tables"]["item"]).mean()), {}

    return fit(objective, adam(0.05), batches, validate, cfg, folder, {"tiny": True}, on_progress)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Fit:
    """The training that nobody stopped."""
    return tiny_fit(tmp_path_factory.mktemp("unbroken"))


def test_what_is_played_together_lies_together(unbroken: Fit) -> None:
    vectors = item_vectors(unbroken.params, FIRST_ITEM + np.arange(ITEMS))
    cosines = vectors @ vectors.T
    half = np.arange(ITEMS) < ITEMS // 2
    same = (half[:, None] == half) & ~np.eye(ITEMS, dtype=bool)
    assert cosines[same].mean() > cosines[half[:, None] != half].mean() + 0.5
    assert unbroken.history[-1].loss < unbroken.history[0].loss


def test_killed_it_ends_where_it_would_have_ended(unbroken: Fit, tmp_path: Path) -> None:
    def kill(progress: Progress) -> None:
        if progress.step == unbroken.history[0].step + 1:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        tiny_fit(tmp_path, kill)
    again = tiny_fit(tmp_path)
    jax.tree.map(np.testing.assert_array_equal, again.params, unbroken.params)
    assert [e._replace(seconds=0, waited=0) for e in again.history] == [
        e._replace(seconds=0, waited=0) for e in unbroken.history
    ]


def test_wrong_values_are_refused() -> None:
    with pytest.raises(ValueError, match="k_negatives is 0, but must be at least 1"):
        skip_gram_objective(SkipGramConfig(3), negative_sampler(np.ones(3, int)), 0, 1)
