"""A trained model put to use on whole logs: `task=recommend` and `task=rank`, to Parquet, part by part."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import track

from experiments.data import load_log
from experiments.folder import RunFolder
from urep_jax.data.log import EventLog
from urep_jax.serving.batch import Listeners, rank_block, recommend_block
from urep_jax.serving.recommender import Recommender
from urep_jax.serving.restore import restore


def recommend(cfg: DictConfig, folder: RunFolder, console: Console) -> dict[str, float]:
    """The best items for every listener of a log, on each station that they have heard."""
    model, log = _open(cfg, folder, console)
    listeners = Listeners(model, log)
    allowed = None
    if cfg.task.only is not None:
        with duckdb.connect() as base:
            path = _readable(cfg.task.only)
            ids = base.sql(f"SELECT DISTINCT CAST(item_id AS VARCHAR) FROM '{path}'").to_arrow_table()
        allowed = np.zeros(len(model.params["tables"]["item"]), bool)
        allowed[model.vocabulary.item_rows(ids.column(0).combine_chunks())] = True

    def part(number: int) -> pa.Table:
        first = number * cfg.task.block
        last = min(first + cfg.task.block, log.num_sequences)
        return recommend_block(listeners, first, last, k=cfg.task.k, leave_out=cfg.task.leave_out, allowed=allowed)

    rows = _write_parts(folder.path / "recommendations", -(-log.num_sequences // cfg.task.block), part, console)
    metrics = {"listeners": float(log.num_sequences), "recommendations": float(rows)}
    folder.write_metrics(metrics)
    return metrics


def rank(cfg: DictConfig, folder: RunFolder, console: Console) -> dict[str, float]:
    """Score and place the rows of a candidate file: `user_id`, `item_id`, and `station_id` where stations matter."""
    model, log = _open(cfg, folder, console)
    path = _readable(cfg.task.candidates)
    grouped = folder.path / "candidates.parquet"
    with duckdb.connect() as base:
        base.execute(f"SET temp_directory = '{folder.path / 'spill'}'")
        names = base.sql(f"SELECT * FROM '{path}' LIMIT 0").columns
        missing = [name for name in ("user_id", "item_id") if name not in names]
        if missing:
            raise ValueError(f"{path} has no column {missing[0]!r}; its columns are {', '.join(names)}")
        group = "user_id, station_id" if "station_id" in names else "user_id"
        if not grouped.exists():
            draft = grouped.with_name(".candidates.draft")
            columns = ", ".join(f"CAST({name} AS VARCHAR) AS {name}" for name in (*group.split(", "), "item_id"))
            number = f"(dense_rank() OVER (ORDER BY {group}) - 1) // {cfg.task.block} AS part"
            base.execute(f"COPY (SELECT {columns}, {number} FROM '{path}' ORDER BY part) TO '{draft}' (FORMAT parquet)")
            draft.replace(grouped)
        parts, asked = base.sql(f"SELECT coalesce(max(part), -1) + 1, count(*) FROM '{grouped}'").fetchall()[0]
        stations = None
        if "station_id" in names:
            told = base.sql(f"SELECT DISTINCT station_id FROM '{grouped}' WHERE station_id IS NOT NULL")
            stations = told.to_arrow_table().column(0).combine_chunks()
        listeners = Listeners(model, log, stations)

        def part(number: int) -> pa.Table:
            rows = base.sql(f"SELECT * EXCLUDE part FROM '{grouped}' WHERE part = {number}").to_arrow_table()
            return rank_block(listeners, rows).sort_by([(name, "ascending") for name in (*group.split(", "), "place")])

        _write_parts(folder.path / "ranking", parts, part, console)
    metrics = {"listeners": float(log.num_sequences), "candidates": float(asked)}
    folder.write_metrics(metrics)
    grouped.unlink()
    return metrics


def _open(cfg: DictConfig, folder: RunFolder, console: Console) -> tuple[Recommender, EventLog]:
    if cfg.task.run is None:
        raise ValueError(f"task={cfg.task.name} needs task.run=FOLDER, the folder of a run that has trained")
    model = restore(cfg.task.run)
    log = load_log(cfg, console)
    folder.claim_data(log)
    return model, log


def _readable(path: str | None) -> Path:
    """A file of candidates that is there and that DuckDB reads by its name."""
    if path is None:
        raise ValueError("task=rank needs task.candidates=FILE, Parquet or CSV with user_id, item_id and station_id")
    found = Path(path).absolute()
    if found.suffix not in (".parquet", ".csv") or "'" in str(found):
        raise ValueError(f"{found} must be a .parquet or .csv file, with no quote in its path; convert or rename it")
    if not found.is_file():
        raise FileNotFoundError(f"{found} does not exist; name a Parquet or CSV file")
    return found


def _write_parts(folder: Path, parts: int, make: Callable[[int], pa.Table], console: Console) -> int:
    """Write what is missing of a folder of Parquet files; returns how many rows they hold in all."""
    folder.mkdir(exist_ok=True)
    rows = 0
    for number in track(range(parts), folder.name, console=console, transient=True):
        path = folder / f"part-{number:05d}.parquet"
        if not path.exists():
            draft = folder / f".{path.name}.draft"
            pq.write_table(make(number), draft, compression="zstd")
            draft.replace(path)
        rows += pq.read_metadata(path).num_rows
    return rows
