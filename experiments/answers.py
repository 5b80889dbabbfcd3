"""A trained model put to use on whole logs: `task=recommend` and `task=rank`, to Parquet, part by part."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import jax
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from omegaconf import DictConfig
from rich.console import Console

from experiments.data import load_log
from experiments.folder import RunFolder
from experiments.known import tell_known
from experiments.parts import write_parts
from urep_jax.data.ingest.fields import literal
from urep_jax.data.ingest.ids import ids_of
from urep_jax.data.log import EventLog
from urep_jax.serving.batch import Listeners, rank_block, recommend_block
from urep_jax.serving.recommender import Recommender
from urep_jax.serving.restore import restore


def recommend(cfg: DictConfig, folder: RunFolder, console: Console) -> dict[str, float]:
    """The best items for every listener of a log, on each station that they have heard."""
    only = None if cfg.task.only is None else Path(cfg.task.only).absolute()
    model, log = _open(cfg, folder, console, only)
    listeners = Listeners(model, log)
    allowed = None
    if only is not None:
        with duckdb.connect() as base:
            ids, _ = ids_of(base, only, ["item_id"])
            items = _named(base, f"({ids})", "item_id")
        tell_known(console, cfg.task.run, model.vocabulary, only.name, items)
        allowed = np.zeros(len(model.params["tables"]["item"]), bool)
        allowed[model.vocabulary.item_rows(items)] = True

    def part(number: int) -> pa.Table:
        first = number * cfg.task.block
        last = min(first + cfg.task.block, log.num_sequences)
        return recommend_block(listeners, first, last, k=cfg.task.k, leave_out=cfg.task.leave_out, allowed=allowed)

    rows = write_parts(folder.path / "recommendations", -(-log.num_sequences // cfg.task.block), part, console)
    metrics = {"listeners": float(log.num_sequences), "recommendations": float(rows)}
    folder.write_metrics(metrics)
    return metrics


def rank(cfg: DictConfig, folder: RunFolder, console: Console) -> dict[str, float]:
    """Score and place the rows of a candidate file: `user_id`, `item_id`, and `station_id` where stations matter."""
    if cfg.task.candidates is None:
        raise ValueError("task=rank needs task.candidates=FILE, Parquet or CSV with user_id, item_id and station_id")
    path = Path(cfg.task.candidates).absolute()
    model, log = _open(cfg, folder, console, path)
    grouped = folder.path / "candidates.parquet"
    with duckdb.connect() as base:
        ids, columns = ids_of(base, path, ["user_id", "item_id"], ["station_id"])
        tell_known(console, cfg.task.run, model.vocabulary, path.name, _named(base, f"({ids})", "item_id"))
        group = ["user_id", *(["station_id"] if "station_id" in columns else [])]
        if not grouped.exists():
            _group(base, ids, group, cfg.task.block, grouped)
        table = f"read_parquet({literal(str(grouped))})"
        parts, asked = base.sql(f"SELECT coalesce(max(part), -1) + 1, count(*) FROM {table}").fetchall()[0]
        stations = _named(base, table, "station_id") if "station_id" in columns else None
        listeners = Listeners(model, log, stations)

        def part(number: int) -> pa.Table:
            own = f"SELECT {', '.join(columns)} FROM {table} WHERE part = {number} ORDER BY line"
            ranked = rank_block(listeners, base.sql(own).to_arrow_table())
            return ranked.sort_by([(name, "ascending") for name in (*group, "place")])

        write_parts(folder.path / "ranking", parts, part, console)
        metrics = {
            **_known(base, table, "user_id", log.sequence_ids, "listeners"),
            **_known(base, table, "item_id", model.vocabulary.item_ids, "items"),
            **(_known(base, table, "station_id", model.vocabulary.station_ids, "stations") if stations else {}),
            "candidates": float(asked),
        }
    folder.write_metrics(metrics)
    grouped.unlink()
    return metrics


def _known(base: duckdb.DuckDBPyConnection, table: str, column: str, ids: pa.Array, name: str) -> dict[str, float]:
    """How many ids candidates name, and of how many nothing is known: ids of another system would all be unknown."""
    named = _named(base, table, column)
    known = pc.sum(pc.is_in(named, value_set=ids)).as_py() or 0
    return {name: float(len(named)), f"unknown {name}": float(len(named) - known)}


def _named(base: duckdb.DuckDBPyConnection, table: str, column: str) -> pa.StringArray:
    """The ids that a column of a table names, each once."""
    named = base.sql(f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY {column}")
    return named.to_arrow_table().column(0).combine_chunks()


def _group(base: duckdb.DuckDBPyConnection, ids: str, group: Sequence[str], block: int, path: Path) -> None:
    """Write candidates with the part that each belongs to, so that those of one listener and station lie together.

    Raises:
        ValueError: if a candidate lacks its user or its item.
    """
    for name in ("user_id", "item_id"):
        lacking = base.sql(f"SELECT min(line), count(*) FROM ({ids}) WHERE {name} IS NULL").fetchall()[0]
        if lacking[1]:
            raise ValueError(f"{lacking[1]} candidates have no {name}, the first in row {lacking[0]}; take them out")
    draft = path.with_name(f".{path.name}.draft")
    base.execute(f"SET temp_directory = {literal(str(path.with_name('.spill')))}")
    part = f"(dense_rank() OVER (ORDER BY {', '.join(group)}) - 1) // {block} AS part"
    base.execute(f"COPY (SELECT *, {part} FROM ({ids}) ORDER BY part, line) TO {literal(str(draft))} (FORMAT parquet)")
    draft.replace(path)


def _open(cfg: DictConfig, folder: RunFolder, console: Console, *files: Path | None) -> tuple[Recommender, EventLog]:
    """Model and log, noted in the folder with the further files that the answers depend on."""
    if cfg.task.run is None:
        raise ValueError(f"task={cfg.task.name} needs task.run=FOLDER, the folder of a run that has trained")
    if cfg.task.block < 1:
        raise ValueError(f"task.block is {cfg.task.block}, but must be at least 1")
    model = restore(cfg.task.run)
    log = load_log(cfg, console)
    tell_known(console, cfg.task.run, model.vocabulary, "these events", log.item_ids, log.station_ids)
    # A training that goes on has another best model later, and a file may be written anew.
    there = [file for file in files if file is not None and file.is_file()]
    inputs: dict[str, Any] = {file.name: [file.stat().st_size, file.stat().st_mtime_ns] for file in there}
    inputs |= {"model": _digest(model)}
    folder.claim_data(log, inputs)
    return model, log


def _digest(model: Recommender) -> str:
    """A short name of a model's parameters, by all but its tables: no step leaves these as they were."""
    told = hashlib.sha256()
    for leaf in jax.tree.leaves(model.params["body"]):
        told.update(np.asarray(leaf).tobytes())
    return told.hexdigest()[:16]
