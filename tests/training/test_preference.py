"""The preference classifier trained: agreement is found, shuffled labels tell nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

from urep_jax.data.labelled_pairs import LabelledPairs, PairBatches
from urep_jax.evaluation.future_listening import told_apart
from urep_jax.models import preference
from urep_jax.models.preference import PreferenceConfig
from urep_jax.training.fit import FitConfig, fit
from urep_jax.training.optimizers import adam
from urep_jax.training.preference import preference_objective

USERS, ITEMS, WIDTH = 120, 80, 4
CFG = PreferenceConfig(WIDTH, WIDTH, width=8, hidden=8)
RNG = np.random.default_rng(0)
USER_VECTORS = RNG.normal(size=(USERS, WIDTH)).astype(np.float32)
ITEM_VECTORS = RNG.normal(size=(ITEMS, WIDTH)).astype(np.float32)
IDS = pa.array([f"user {u}" for u in range(USERS)])


def of_items(user: np.ndarray, item: np.ndarray) -> np.ndarray:
    return ITEM_VECTORS[item]


def pairs(users: range, per_user: int = 40) -> LabelledPairs:
    """Users go for items that point where they do."""
    user = np.repeat(np.array(users), per_user)
    # A generator of their own: what they are doesn't hang on the tests that ran before.
    item = np.random.default_rng(users.start).integers(0, ITEMS, len(user))
    return LabelledPairs(user, item, np.einsum("pd,pd->p", USER_VECTORS[user], ITEM_VECTORS[item]) > 0)


def auc(params: Any, asked: LabelledPairs) -> float:
    users, items = jnp.asarray(USER_VECTORS[asked.user]), jnp.asarray(ITEM_VECTORS[asked.item])
    odds = np.asarray(preference.log_odds(params, users, items, CFG), np.float64)
    return told_apart(odds, asked, np.arange(USERS))["auc"].value


def trained(train: LabelledPairs, folder: Path) -> Any:
    def validate(params: Any) -> tuple[float, Mapping[str, float]]:
        return auc(params, train), {}

    batches = PairBatches(train, USER_VECTORS, of_items, IDS, 64, 0)
    cfg = FitConfig(epochs=8, patience=8)
    return fit(preference_objective(CFG), adam(0.02), batches, validate, cfg, folder, {}).params


def test_agreement_is_learnt_and_holds_for_other_users(tmp_path: Path) -> None:
    assert auc(trained(pairs(range(80)), tmp_path), pairs(range(80, USERS))) > 0.9


def test_of_shuffled_labels_nothing_is_learnt(tmp_path: Path) -> None:
    train, found = pairs(range(80)), []
    for shuffle in range(8):
        shuffled = train.with_labels(np.random.default_rng(shuffle).permutation(train.label))
        found.append(auc(trained(shuffled, tmp_path / str(shuffle)), pairs(range(80, USERS))))
    # Vectors are of few numbers, and what is learnt by heart agrees with the truth now more, now less: by a tenth, and
    # the mean of eight by .035.
    assert abs(np.mean(found) - 0.5) < 0.08, found


def test_rows_that_fill_up_a_batch_count_for_nothing() -> None:
    objective = preference_objective(CFG)
    params = objective.init(jax.random.key(0))
    few = pairs(range(1), 5)
    full, exact = (PairBatches(few, USER_VECTORS, of_items, IDS, size, 0)[0] for size in (8, 5))
    assert full.is_pair.tolist() == [True] * 5 + [False] * 3
    sums = [objective.loss(params, jax.tree.map(jnp.asarray, batch), jax.random.key(1)) for batch in (full, exact)]
    np.testing.assert_allclose(*np.array(sums), rtol=1e-5)
    with pytest.raises(ValueError, match="there is no pair to train on"):
        PairBatches(few.where(few.label & ~few.label), USER_VECTORS, of_items, IDS, 8, 0)
