"""Two towers: their shapes, and that the nearest items are those that a user goes for, popular or not."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

from tests.training.test_fit import Killed, assert_same
from urep_jax.data.chosen_items import ChosenBatches
from urep_jax.losses.in_batch import in_batch_softmax
from urep_jax.models import two_tower
from urep_jax.models.two_tower import TwoTowerConfig
from urep_jax.training.fit import Fit, FitConfig, Progress, fit
from urep_jax.training.optimizers import adam
from urep_jax.training.two_tower import two_tower_objective

USERS, ITEMS, WIDTH = 150, 60, 5
CFG = TwoTowerConfig(WIDTH, WIDTH, width=8, hidden=(16,))
RNG = np.random.default_rng(0)
USER_VECTORS = RNG.normal(size=(USERS, WIDTH)).astype(np.float32)
ITEM_VECTORS = RNG.normal(size=(ITEMS, WIDTH)).astype(np.float32)
IDS = pa.array([f"user {u}" for u in range(USERS)])
LIKING = 1.5 * USER_VECTORS @ ITEM_VECTORS.T
POPULAR = np.linspace(2, -2, ITEMS)


def chosen(users: range, per_user: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Users choose by what is popular and what they like."""
    user = np.repeat(np.array(users), per_user)
    logits = LIKING[user] + POPULAR
    # A generator of its own: what is chosen doesn't hang on the tests that ran before.
    return user, np.argmax(logits + np.random.default_rng(1).gumbel(size=logits.shape), axis=1)


def batches(user: np.ndarray, item: np.ndarray, block: int = 64, batch_size: int = 2) -> ChosenBatches:
    return ChosenBatches(user, item, USER_VECTORS, ITEM_VECTORS, IDS, block, batch_size, 0)


def agreement(params: Any, users: range) -> float:
    """Correlation of scores with what users like, popularity aside."""
    vectors = two_tower.user_vectors(params, jnp.asarray(USER_VECTORS[users]), CFG)
    scores = np.asarray(vectors @ two_tower.item_vectors(params, jnp.asarray(ITEM_VECTORS), CFG).T)
    return float(np.corrcoef(scores.ravel(), LIKING[users].ravel())[0, 1])


def test_the_nearest_items_are_those_that_other_users_like_too(tmp_path: Path) -> None:
    def validate(params: Any) -> tuple[float, Mapping[str, float]]:
        return agreement(params, range(100)), {}

    source = batches(*chosen(range(100)))
    params = fit(two_tower_objective(CFG), adam(0.01), source, validate, FitConfig(15, 15), tmp_path, {}).params
    assert agreement(params, range(100, USERS)) > 0.85


def test_of_shuffled_choices_nothing_is_learnt(tmp_path: Path) -> None:
    user, item = chosen(range(100))
    source = batches(user, RNG.permutation(item))
    cfg = FitConfig(15, 15)
    params = fit(two_tower_objective(CFG), adam(0.01), source, lambda params: (0.0, {}), cfg, tmp_path, {}).params
    # Of five dimensions: by chance a correlation is about 0.1 here.
    assert abs(agreement(params, range(100, USERS))) < 0.3


def test_killed_it_ends_where_it_would_have_ended(tmp_path: Path) -> None:
    user, item = chosen(range(30))

    def trained(folder: Path, watch: Callable[[Progress], None] = lambda _: None) -> Fit:
        cfg = FitConfig(3, 3)
        source = batches(user, item)
        return fit(two_tower_objective(CFG), adam(0.01), source, lambda _: (0.0, {}), cfg, folder, {}, watch)

    def kill(progress: Progress) -> None:
        if progress.step == 12:
            raise Killed

    whole = trained(tmp_path / "whole")
    with pytest.raises(Killed):
        trained(tmp_path / "killed", kill)
    assert_same(trained(tmp_path / "killed"), whole)


def test_the_loss_is_that_of_its_blocks_and_empty_places_count_for_nothing() -> None:
    user, item = chosen(range(1), 10)
    objective = two_tower_objective(CFG)
    params = objective.init(jax.random.key(0))
    batch = batches(user, item, block=4, batch_size=3)[0]
    assert batch.is_pair.sum() == 10
    assert batch.user.shape == (3, 4, WIDTH)
    total, weight = objective.loss(params, jax.tree.map(jnp.asarray, batch), jax.random.key(0))
    assert float(weight) == 10
    by_block = []
    for b in range(3):
        one = jax.tree.map(lambda x, b=b: jnp.asarray(x[b]), batch)
        u, v = two_tower.user_vectors(params, one.user, CFG), two_tower.item_vectors(params, one.item, CFG)
        by_block.append(in_batch_softmax(u @ v.T, one.number, one.log_q, where=one.is_pair).sum())
    np.testing.assert_allclose(total, sum(by_block), rtol=1e-5)
    np.testing.assert_allclose(jnp.linalg.norm(v, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(batch.log_q[0, 0], np.log(np.mean(item == batch.number[0, 0])), rtol=1e-6)


def test_what_cannot_be_is_refused() -> None:
    user, item = chosen(range(2), 3)
    for change, told in (
        ({"block": 1}, "block is 1, but must be at least 2"),
        ({"batch_size": 0}, "batch_size is 0, but must be at least 1"),
    ):
        with pytest.raises(ValueError, match=told):
            batches(user, item, **change)
    with pytest.raises(ValueError, match="there is no pair to train on"):
        batches(user[:0], item[:0])
    for change, told in (({"width": 0}, "width is 0"), ({"hidden": (0,)}, r"hidden is \(0,\)")):
        with pytest.raises(ValueError, match=told):
            TwoTowerConfig(**({"user_width": 2, "item_width": 2} | change))  # type: ignore[arg-type]
