"""Where a service of a workspace keeps what it knows of users, and how a log comes in there."""

import functools
import time
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
from omegaconf import DictConfig
from rich.console import Console

from urep_jax.data.log import EventLog
from urep_jax.data.user_features.space import FeatureSpace
from urep_jax.serving.online.deployment import Deployment
from urep_jax.serving.online.from_log import additions_of
from urep_jax.serving.online.keep import Keep
from urep_jax.serving.online.parts import Addition, Store

EMBEDDED = "embedded"
"""What the store in the workspace's files is called."""

_PORTION = 512
"""Users whose history is stored at once."""


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


def noted(log: EventLog) -> str:
    """Name of the note that says that a log was stored."""
    return f"log/{log.digest()}"


def store_log(
    store: Store, log: EventLog, tables: Mapping[str, pa.Table], space: FeatureSpace, keep: Keep, console: Console
) -> None:
    """Store what a log tells of users, once: profiles, and of their events those that workers keep.

    Nothing of those whom the service has forgotten.

    Args:
        store: of the service.
        log: the log.
        tables: its companions.
        space: says what is read of profiles, and how far back a vector hangs on events.
        keep: which events are kept besides.
        console: where it is told.
    """
    if store.note(noted(log)):
        return
    since = functools.partial(keep.since, reach=space.cfg.reach)
    with console.status(f"storing what {log.name} tells of {log.num_sequences:,} users"):
        portion: list[Addition] = []
        stored = 0
        for addition in additions_of(log, tables, space.categories, since):
            portion.append(addition)
            if len(portion) == _PORTION:
                stored += store.load(portion)
                portion = []
        stored += store.load(portion)
    store.note(noted(log), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    console.print(f"stored what {log.name} tells of {stored:,} users")
