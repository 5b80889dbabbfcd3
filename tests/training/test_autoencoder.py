"""The autoencoder trained by the one loop: below PCA's error at equal width, killed and continued, on any devices."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest
from sklearn.decomposition import PCA

from tests.training.test_fit import Killed, assert_same
from urep_jax.data.user_features.batches import UserBatches
from urep_jax.models import autoencoder
from urep_jax.models.autoencoder import AutoencoderConfig
from urep_jax.training.autoencoder import autoencoder_objective
from urep_jax.training.fit import Fit, FitConfig, Progress, fit
from urep_jax.training.optimizers import adam

USERS, FEATURES, WIDTH = 512, 24, 3
CFG = AutoencoderConfig(FEATURES, WIDTH, (32,), dropout=0.0)


def curved() -> np.ndarray:
    """Users on a curved sheet: three numbers say all, but no plane of three dimensions holds them."""
    rng = np.random.default_rng(0)
    latent = rng.uniform(-2, 2, (USERS, WIDTH))
    x = np.sin(latent @ rng.normal(size=(WIDTH, FEATURES)) + rng.normal(size=FEATURES))
    return ((x - x.mean(0)) / x.std(0)).astype(np.float32)


X = curved()


def batches(batch_size: int = 64, users: int = USERS) -> UserBatches:
    ids = pa.array([f"user {u}" for u in range(users)], pa.string())
    return UserBatches(X.__getitem__, ids, batch_size, 0)


def error(params: Any) -> float:
    decoded = autoencoder.decode(params, autoencoder.encode(params, jnp.asarray(X), CFG), CFG)
    return float(np.square(X - np.asarray(decoded)).sum(1).mean())


def validate(params: Any) -> tuple[float, Mapping[str, float]]:
    return -error(params), {}


def trained(folder: Path, epochs: int, on_progress: Any = lambda progress: None, *, parallel: Any = "jit") -> Fit:
    cfg = FitConfig(epochs=epochs, patience=epochs, parallel=parallel)
    objective = autoencoder_objective(CFG)
    return fit(objective, adam(3e-3), batches(), validate, cfg, folder, {}, on_progress)


def test_it_comes_below_the_error_of_pca_at_equal_width(tmp_path: Path) -> None:
    pca = PCA(WIDTH).fit(X)
    linear = float(np.square(X - pca.inverse_transform(pca.transform(X))).sum(1).mean())
    assert error(trained(tmp_path, 40).params) < 0.8 * linear


@pytest.mark.parametrize("parallel", ["jit", "pmap"])
def test_killed_it_ends_where_it_would_have_ended(tmp_path: Path, parallel: str) -> None:
    whole = trained(tmp_path / "whole", 3, parallel=parallel)

    def kill(progress: Progress) -> None:
        if progress.step == 12:
            raise Killed

    with pytest.raises(Killed):
        trained(tmp_path / "killed", 3, kill, parallel=parallel)
    assert_same(trained(tmp_path / "killed", 3, parallel=parallel), whole)


def test_rows_that_fill_up_a_batch_count_for_nothing() -> None:
    objective = autoencoder_objective(AutoencoderConfig(FEATURES, WIDTH, (32,), dropout=0.1))
    params = objective.init(jax.random.key(0))
    full, partly = batches(8, 5)[0], batches(5, 5)[0]
    assert full.is_user.tolist() == [True] * 5 + [False] * 3
    sums = [objective.loss(params, jax.tree.map(jnp.asarray, b), jax.random.key(1)) for b in (full, partly)]
    np.testing.assert_allclose(*np.array(sums), rtol=1e-5)
    assert float(sums[0][1]) == 5


def test_an_epoch_visits_everybody_once() -> None:
    source = batches(100)
    for epoch in range(2):
        steps = range(epoch * source.steps_per_epoch, (epoch + 1) * source.steps_per_epoch)
        visited = np.concatenate([source.epochs.members(step) for step in steps])
        np.testing.assert_array_equal(np.sort(visited), np.arange(USERS))
    assert source.sequence_ids(0)[0] == f"user {source.epochs.members(0)[0]}"
    with pytest.raises(ValueError, match="there is no user to train on"):
        batches(4, 0)
    with pytest.raises(ValueError, match="batch_size is 0, but must be at least 1"):
        batches(0)
