"""The ranker: it begins with the finder's order, learns what is planted, and of shuffled labels nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

from tests.training.test_fit import Killed, assert_same
from urep_jax.data.lists import ListBatches, Lists
from urep_jax.metrics.ranking import graded_ndcg
from urep_jax.models import ranker
from urep_jax.models.ranker import RankerConfig
from urep_jax.training.fit import Fit, FitConfig, Progress, fit
from urep_jax.training.optimizers import adam
from urep_jax.training.ranker import ranker_objective

USERS, ITEMS, WIDTH, LENGTH = 240, 80, 4, 20
CFG = RankerConfig(WIDTH, WIDTH, width=8, hidden=16)
RNG = np.random.default_rng(0)
USER_VECTORS = RNG.normal(size=(USERS, WIDTH)).astype(np.float32)
ITEM_VECTORS = RNG.normal(size=(ITEMS, WIDTH)).astype(np.float32)
POPULARITY = np.linspace(1, -1, ITEMS, dtype=np.float32)
IDS = pa.array([f"user {u}" for u in range(USERS)])


def lists(users: range) -> Lists:
    """A finder that knows what is popular finds lists; users go for the three that they like most of each."""
    user = np.array(users)
    item = np.argsort(RNG.random((len(user), ITEMS)), axis=1)[:, :LENGTH]
    liking = np.einsum("nd,nmd->nm", USER_VECTORS[user], ITEM_VECTORS[item]) + POPULARITY[item]
    label = liking >= -np.sort(-liking, axis=1)[:, 2:3]
    return Lists(user, item, POPULARITY[item], label)


def ndcg_of(scores: np.ndarray, asked: Lists) -> float:
    return float(graded_ndcg(scores, asked.label.astype(np.float64), 10).mean())


def ndcg(params: Any, asked: Lists) -> float:
    users, items = jnp.asarray(USER_VECTORS[asked.user]), jnp.asarray(ITEM_VECTORS[asked.item])
    scores = np.asarray(ranker.scores(params, users, items, jnp.asarray(asked.found), CFG))
    return ndcg_of(scores, asked)


def trained(train: Lists, folder: Path, watch: Any = None) -> Fit:
    def validate(params: Any) -> tuple[float, Mapping[str, float]]:
        return ndcg(params, train), {}

    batches = ListBatches(train, USER_VECTORS, ITEM_VECTORS, IDS, 32, 0)
    cfg = FitConfig(epochs=20, patience=20)
    more = () if watch is None else (watch,)
    return fit(ranker_objective(CFG), adam(0.02), batches, validate, cfg, folder, {}, *more)


def test_it_begins_with_the_finders_order_and_comes_past_it(tmp_path: Path) -> None:
    test = lists(range(160, USERS))
    popular = ndcg_of(test.found, test)
    assert ndcg(ranker.init(jax.random.key(0), CFG), test) == pytest.approx(popular)
    assert ndcg(trained(lists(range(160)), tmp_path).params, test) > popular + 0.2


def test_of_shuffled_labels_nothing_is_learnt(tmp_path: Path) -> None:
    train, test = lists(range(160)), lists(range(160, USERS))
    train = Lists(train.user, train.item, train.found, RNG.permuted(train.label, axis=1))
    # Labels of 80 lists: the standard error of the difference is about 0.03.
    assert ndcg(trained(train, tmp_path).params, test) < ndcg_of(test.found, test) + 0.1


def test_killed_it_ends_where_it_would_have_ended(tmp_path: Path) -> None:
    train = lists(range(100))
    whole = trained(train, tmp_path / "whole")

    def kill(progress: Progress) -> None:
        if progress.step == 17:
            raise Killed

    with pytest.raises(Killed):
        trained(train, tmp_path / "killed", kill)
    assert_same(trained(train, tmp_path / "killed"), whole)


def test_the_loss_is_its_formula_and_empty_rows_count_for_nothing() -> None:
    objective, few = ranker_objective(CFG), lists(range(3))
    params = jax.tree.map(lambda x: x + 0.1, objective.init(jax.random.key(0)))
    batch = ListBatches(few, USER_VECTORS, ITEM_VECTORS, IDS, 8, 0)[0]
    assert batch.is_list.tolist() == [True] * 3 + [False] * 5
    total, weight = objective.loss(params, jax.tree.map(jnp.asarray, batch), jax.random.key(1))
    assert float(weight) == 3
    scores = np.asarray(ranker.scores(params, *map(jnp.asarray, (batch.user, batch.item, batch.found)), CFG))
    expected = 0.0
    for row in range(3):
        share = np.exp(scores[row]) / np.exp(scores[row]).sum()
        expected -= np.log(share[batch.label[row]]).mean()
    np.testing.assert_allclose(total, expected, rtol=1e-5)


def test_scores_are_their_formula() -> None:
    params = jax.tree.map(lambda x: x + 0.1, ranker.init(jax.random.key(0), CFG))
    user, item, found = USER_VECTORS[:2], ITEM_VECTORS[[[0, 1], [2, 3]]], np.array([[0.5, -1], [2, 0]], np.float32)
    scores = ranker.scores(params, *map(jnp.asarray, (user, item, found)), CFG)
    for b in range(2):
        for m in range(2):
            pu = user[b] @ params["user"]["kernel"] + params["user"]["bias"]
            qv = item[b, m] @ params["item"]["kernel"] + params["item"]["bias"]
            whole = np.concatenate([pu, qv, pu * qv / np.sqrt(8), found[b, m : m + 1]])
            hidden = jax.nn.selu(whole @ params["hidden"]["kernel"] + params["hidden"]["bias"])
            expected = params["found"] * found[b, m] + (hidden @ params["out"]["kernel"])[0]
            np.testing.assert_allclose(scores[b, m], expected, rtol=1e-4)


def test_what_cannot_be_is_refused() -> None:
    few = lists(range(2))
    for wrong, told in (
        (few.where(np.zeros(2, bool)), "there is no list to train on"),
        (Lists(few.user, few.item, few.found, few.label & (few.user == 0)[:, None]), "1 lists have nothing that their"),
    ):
        with pytest.raises(ValueError, match=told):
            ListBatches(wrong, USER_VECTORS, ITEM_VECTORS, IDS, 8, 0)
    with pytest.raises(ValueError, match="hidden is 0, but must be at least 1"):
        RankerConfig(2, 2, hidden=0)
