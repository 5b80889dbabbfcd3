"""A chain that was trained for a moment, in a workspace of its own, and a worker in a thread."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tests.data.user_features.listeners import NOW, log_of, modalities, tables
from urep_jax.core.spaces import Space
from urep_jax.data.user_features.batches import UserBatches
from urep_jax.data.user_features.groups import FeatureConfig
from urep_jax.data.user_features.modality import Modality
from urep_jax.data.user_features.space import fit_space, save_space
from urep_jax.lineage.batch import Batch
from urep_jax.lineage.graph import ModelGraph
from urep_jax.lineage.store import LineageStore
from urep_jax.models.autoencoder import AutoencoderConfig
from urep_jax.serving.online.deployment import Deployment
from urep_jax.serving.online.work import work
from urep_jax.serving.online.worker import WorkerConfig
from urep_jax.serving.restore import restore_encoder, stored_encoder_config
from urep_jax.serving.user_encoder import UserEncoder
from urep_jax.training.autoencoder import autoencoder_objective
from urep_jax.training.fit import FitConfig, fit
from urep_jax.training.optimizers import adam

CHAIN = "listeners"
GRAPH = ModelGraph({"collaborative": (), "audio": (), "users": ("collaborative", "audio")})
USERS = np.arange(24)


def train(folder: Path, seed: int = 0, *, of: tuple[Modality, ...] = modalities()) -> UserEncoder:
    """One epoch of an autoencoder of the listeners, as a run leaves it behind."""
    time_N = np.full(len(USERS), NOW)
    space = fit_space(log_of(0), tables(0), of, USERS, time_N, FeatureConfig(onboarding_days=400))
    save_space(space, folder / "features")
    x = space(space.read(log_of(0), tables(0)), USERS, time_N)
    model = AutoencoderConfig(space.width, 6, (16,))
    batches = UserBatches(x.__getitem__, log_of(0).sequence_ids, 8, seed)
    fit(
        autoencoder_objective(model),
        adam(1e-3),
        batches,
        lambda params: (0.0, {}),
        FitConfig(epochs=1, seed=seed),
        folder / "autoencoder" / "checkpoints",
        stored_encoder_config(model, space),
    )
    return restore_encoder(folder)


def register(store: LineageStore, encoder: UserEncoder, run: Path) -> None:
    """The encoder and all that it reads."""
    spaces: list[Space] = [*encoder.space.parents, encoder.space]
    for space in spaces:
        store.register(CHAIN, Batch.of(space, time.time(), str(run)))


def deployed(folder: Path) -> Deployment:
    """A workspace whose chain is declared, and nothing is trained."""
    folder.mkdir(parents=True, exist_ok=True)
    found = Deployment(folder / "lineage.sqlite", CHAIN, None, folder / "serving", partitions=2)
    found.lineages.declare(CHAIN, GRAPH)
    return found


@contextlib.contextmanager
def working(deployment: Deployment) -> Iterator[None]:
    """A worker, for as long as the block runs."""
    stop = threading.Event()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work(deployment, 0, WorkerConfig(wait=0.01), stop)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert not failed


def until(true: Callable[[], object], patience: float = 60.0) -> None:
    """Wait for something to be so."""
    last = time.monotonic() + patience
    while not true():
        assert time.monotonic() < last, "it never came to be so"
        time.sleep(0.01)
