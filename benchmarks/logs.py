"""The logs that benchmarks read: MovieLens-1M if `UREP_DATA` holds it, and a generated look-alike of any size."""

import dataclasses
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases, Split
from urep_jax.data.ingest import ingest
from urep_jax.data.log import EventLog, load_log

MOVIELENS_USERS = 6040
_ITEMS, _SHORTEST, _LONGEST = 3416, 20, 2314


def movielens_events() -> Path | None:
    """MovieLens-1M as an events table below the folder that `UREP_DATA` names, if it is there."""
    path = Path(os.environ.get("UREP_DATA", "")) / "movielens-1m" / "events.parquet"
    return path if "UREP_DATA" in os.environ and path.is_file() else None


def read_events(path: Path) -> EventLog:
    """The events table at `path`, ingested and held in memory."""
    with tempfile.TemporaryDirectory() as folder:
        ingest(path, Path(folder) / "log")
        log = load_log(Path(folder) / "log")
        in_memory: dict[str, Any] = {name: np.array(column) for name, column in log.columns()}
        return dataclasses.replace(log, name="movielens_1m", **in_memory)


def generated(users: int = MOVIELENS_USERS, seed: int = 0) -> EventLog:
    """A log with the size and the skew of MovieLens-1M: 20 to 2,314 events a user, median 96; Zipf-like items."""
    rng = np.random.default_rng(seed)
    length = np.clip(_SHORTEST + np.exp(rng.normal(np.log(76), 1.2, users)), _SHORTEST, _LONGEST).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(length)])
    events = int(offsets[-1])
    # A minute between events and a new day every 40 of them: users rate in a few sittings.
    place = np.arange(events) - np.repeat(offsets[:-1], length)
    return EventLog(
        name="generated",
        granularity="user",
        offsets=offsets,
        item=np.floor(np.exp(rng.random(events) * np.log(_ITEMS))).astype(np.int32),
        timestamp=957_000_000 + 60 * place + 86_400 * (place // 40),
        feedback=np.where(rng.random(events) < 0.575, Feedback.UP, Feedback.DOWN).astype(np.int8),
        sequence_ids=pa.array([f"user-{u}" for u in range(users)]),
        item_ids=pa.array([f"item-{i}" for i in range(_ITEMS)]),
    )


def all_liked(log: EventLog) -> EventLog:
    """The same interactions, each of them positive: what SASRec is trained on."""
    return dataclasses.replace(log, feedback=np.full(log.num_events, Feedback.UP, np.int8))


def all_trains(log: EventLog) -> Split:
    """A split that trains on everything."""
    train = np.arange(log.num_sequences, dtype=np.int32)
    return Split(train, log.offsets[:-1], log.offsets[1:], Cases.empty(), Cases.empty())
