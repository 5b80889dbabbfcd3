"""`task=serve`: vectors that follow the listener, over HTTP, by the chain that is current in the workspace."""

import contextlib
import functools
import os
import time
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from experiments.data import load_log, load_tables
from experiments.lineage.registry import lineage_store
from urep_jax.serving.http.limits import Limits
from urep_jax.serving.online.deployment import Deployment
from urep_jax.serving.online.from_log import additions_of
from urep_jax.serving.online.keep import Keep
from urep_jax.serving.online.models import USERS
from urep_jax.serving.online.parts import Addition
from urep_jax.serving.online.run import run
from urep_jax.serving.online.worker import WorkerConfig
from urep_jax.serving.restore import restore_encoder

EMBEDDED = "embedded"
"""What the store in the workspace's files is called."""

_PORTION = 512
"""Users whose history is stored at once."""


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


def deployment_of(
    cfg: DictConfig, redis: str | None, *, recommenders: str | None = None, workers: int = 1
) -> Deployment:
    """Where everything lies in a workspace."""
    workspace, chain = Path(cfg.workspace).absolute(), cfg.lineage.chain
    return Deployment(
        lineage=workspace / "lineage.sqlite",
        chain=chain,
        recommenders=recommenders,
        folder=workspace / "serving" / chain,
        redis=redis,
        workers=workers,
        compiled=workspace / "cache" / "compiled",
    )


def check_into(into: str) -> None:
    """Refuse what is no store.

    Raises:
        ValueError: naming the knob.
    """
    if into != EMBEDDED and not into.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError(
            f"task.into is {into!r}, but must be {EMBEDDED} or the URL of a Redis, such as redis://localhost:6379"
        )


def _begin_with_log(cfg: DictConfig, deployment: Deployment, run_folder: str, keep: Keep, console: Console) -> None:
    """Store what the log tells of users, once: profiles, and of their events those that workers keep.

    Nothing of those whom the service has forgotten.
    """
    trained = OmegaConf.load(Path(run_folder) / "config.yaml")
    assert isinstance(trained, DictConfig)
    trained.workspace = cfg.workspace
    stream, store = deployment.open()
    with contextlib.closing(stream), contextlib.closing(store):
        log = load_log(trained, console)
        name = f"log/{log.digest()}"
        if store.note(name):
            return
        space = restore_encoder(run_folder).features
        since = functools.partial(keep.since, reach=space.cfg.reach)
        with console.status(f"storing what {log.name} tells of {log.num_sequences:,} users"):
            portion: list[Addition] = []
            stored = 0
            for addition in additions_of(log, load_tables(trained), space.categories, since):
                portion.append(addition)
                if len(portion) == _PORTION:
                    stored += store.load(portion)
                    portion = []
            stored += store.load(portion)
        store.note(name, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        console.print(f"stored what {log.name} tells of {stored:,} users")
