"""`task=serve`: vectors that follow the listener, over HTTP, by the chain that is current in the workspace."""

import contextlib
import os
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from experiments.data import load_log, load_tables
from experiments.lineage.registry import lineage_store
from experiments.online import deployment_of, noted, store_log
from urep_jax.serving.http.limits import Limits
from urep_jax.serving.online.deployment import Deployment
from urep_jax.serving.online.keep import Keep
from urep_jax.serving.online.models import USERS
from urep_jax.serving.online.run import run
from urep_jax.serving.online.worker import WorkerConfig
from urep_jax.serving.restore import restore_encoder


def serve(cfg: DictConfig, console: Console) -> None:
    """Serve until told to stop."""
    chain, serving = cfg.lineage.chain, cfg.serving
    lineages = lineage_store(cfg)
    if chain not in lineages.chains() or USERS not in lineages.look(chain).lineage.current:
        raise ValueError(
            f"nothing of the chain {chain!r} is trained in {lineages.path}; train it first with "
            "python -m experiments.run, or name another chain with lineage.chain=..."
        )
    deployment = deployment_of(cfg, serving.redis, recommenders=serving.recommenders, workers=serving.workers)
    worker = WorkerConfig(most=serving.most, keep=Keep(**serving.keep))
    if serving.log:
        _begin_with_log(cfg, deployment, lineages.look(chain).lineage.current[USERS].run, worker.keep, console)
    token = serving.token if serving.token is not None else os.environ.get("UREP_TOKEN")
    run(
        deployment,
        worker,
        host=serving.host,
        port=serving.port,
        token=token,
        hosts=serving.hosts,
        limits=Limits(**serving.limits),
        tell=lambda text: console.print(text, soft_wrap=True, markup=False),
    )


def _begin_with_log(cfg: DictConfig, deployment: Deployment, run_folder: str, keep: Keep, console: Console) -> None:
    """Store what the log tells that the encoder was trained on."""
    trained = OmegaConf.load(Path(run_folder) / "config.yaml")
    assert isinstance(trained, DictConfig)
    trained.workspace = cfg.workspace
    stream, store = deployment.open()
    with contextlib.closing(stream), contextlib.closing(store):
        log = load_log(trained, console)
        # Whoever starts again doesn't wait for what is there.
        if not store.note(noted(log)):
            store_log(store, log, load_tables(trained), restore_encoder(run_folder).features, keep, console)
