"""`task=embed_users`: vectors of all users of a log, to Parquet, part by part."""

import contextlib
import json
from pathlib import Path
from time import time as clock

import jax
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from omegaconf import DictConfig
from rich.console import Console

from experiments.data import load_log, load_tables
from experiments.folder import RunFolder
from experiments.known import tell_encoded
from experiments.lineage.registry import held
from experiments.online import EMBEDDED, check_into, deployment_of, store_log
from experiments.parts import write_parts
from experiments.processes import first_alone
from urep_jax.data.log import EventLog
from urep_jax.data.user_features.windows import events_before
from urep_jax.serving.online.keep import Keep
from urep_jax.serving.online.parts import Store, StoredVector
from urep_jax.serving.restore import restore_encoder


def embed_users(cfg: DictConfig, folder: RunFolder, console: Console) -> dict[str, float]:
    """z_u of every user at one moment: `user_id`, `vector`, `space_id` and `time`, in the order of the log."""
    if cfg.task.run is None:
        raise ValueError("task=embed_users needs task.run=FOLDER, the folder of a run of user representations")
    if cfg.task.block < 1:
        raise ValueError(f"task.block is {cfg.task.block}, but must be at least 1")
    encoder = restore_encoder(cfg.task.run)
    log = load_log(cfg, console)
    tell_encoded(console, cfg.task.run, encoder.features.modalities, log.item_ids)
    time = cfg.task.time
    if time is None:
        time = int(log.timestamp.max()) + 1 if log.num_events else 0
    tables = load_tables(cfg)
    inputs = encoder.features.read(log, tables)
    with first_alone("data"):
        folder.claim_data(log, {"spaces": encoder.space.ids, "time": time})
    kind = pa.schema(
        {
            "user_id": pa.string(),
            "vector": pa.list_(pa.float32(), encoder.cfg.width),
            "space_id": pa.string(),
            "time": pa.int64(),
        }
    )

    def part(number: int) -> pa.Table:
        user = np.arange(number * cfg.task.block, min((number + 1) * cfg.task.block, log.num_sequences))
        vectors = encoder.encode(inputs, user, np.full(len(user), time, np.int64))
        columns = [
            vectors.ids,
            pa.FixedSizeListArray.from_arrays(pa.array(vectors.values.reshape(-1)), encoder.cfg.width),
            pa.array([encoder.space.id] * len(user)),
            np.full(len(user), time, np.int64),
        ]
        return pa.table(columns, schema=kind.with_metadata({"spaces": json.dumps(encoder.space.ids)}))

    # Who can't store what is made is told before it is made.
    if cfg.task.into is not None:
        check_into(cfg.task.into)
    with held(cfg, encoder.space, "embed_users"):
        rows = write_parts(folder.path / "users", -(-log.num_sequences // cfg.task.block), part, console)
        if cfg.task.into is not None and jax.process_index() == 0:
            stream, store = deployment_of(cfg, None if cfg.task.into == EMBEDDED else cfg.task.into).open()
            with contextlib.closing(stream), contextlib.closing(store):
                # First what the vectors are made of: the next event makes another one of it.
                store_log(store, log, tables, encoder.features, Keep(), console)
                _store(store, folder.path / "users", events_of_users(log, time, encoder.features.cfg.reach), console)
    console.print(f"{rows:,} users in the space {encoder.space.id}")
    metrics = {"users": float(rows)}
    folder.write_metrics(metrics)
    return metrics


def events_of_users(log: EventLog, time: int, reach: int) -> np.ndarray:
    """How many events of each user were in the `reach` seconds before a moment."""
    every = np.arange(log.num_sequences)
    until, since = (np.full(len(every), moment, np.int64) for moment in (time, time - reach))
    return events_before(log, every, until) - events_before(log, every, since)


def _store(store: Store, folder: Path, events: np.ndarray, console: Console) -> None:
    """Put what was made into the store that `task=serve` answers from, where that doesn't know more already.

    Nothing of those whom the service has forgotten.
    """
    stored, user = 0, 0
    for path in sorted(folder.glob("*.parquet")):
        table, now = pq.read_table(path), clock()
        values = pc.list_flatten(table["vector"].combine_chunks()).to_numpy().reshape(len(table), -1)
        columns = (table[name].to_pylist() for name in ("user_id", "space_id", "time"))
        vectors = [
            StoredVector(user_id, space_id, time, 0, int(events[user + row]), now, values[row])
            for row, (user_id, space_id, time) in enumerate(zip(*columns, strict=True))
        ]
        stored += store.write(vectors)
        user += len(vectors)
    console.print(f"{stored:,} of them stored; of the others the service knows more, or has forgotten them")
