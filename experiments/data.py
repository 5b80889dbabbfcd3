"""The data set of a run: prepared once for the workspace, then opened and split."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.console import Console

from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases, Split
from urep_jax.data.datasets.base import EventsBuilder
from urep_jax.data.ingest.schema import COMPANIONS
from urep_jax.data.log import EventLog
from urep_jax.data.prepare import builder_of, prepare
from urep_jax.data.stats import format_table1, table1

_PLACES = ("path", "songs")
"""Knobs that say where data lies."""


def load_log(cfg: DictConfig, console: Console) -> EventLog:
    """The log that `cfg.data` describes. How many of its rows were left out is told, if there are any.

    Raises:
        FileNotFoundError: if the data isn't there.
        IngestError: if it can't be read.
        ValueError: if it isn't said where the data is, or a setting is wrong.
    """
    builder = _builder(cfg)
    with console.status(f"preparing {cfg.data.name}"):
        log = prepare(builder, cfg.workspace)
    if told := _left_out(builder):
        console.print(told, soft_wrap=True, markup=False)
    return log


def load_tables(cfg: DictConfig) -> dict[str, pa.Table]:
    """The tables beside the prepared log, by name: those that there are."""
    builder = _builder(cfg)
    found = {name: builder.companion(name) for name in COMPANIONS}
    return {name: table for name, table in found.items() if table is not None}


def left_out(cfg: DictConfig) -> str:
    """How many rows of the prepared data could not be used, by reason, and where they are told; empty if all could."""
    return _left_out(_builder(cfg))


def _left_out(builder: EventsBuilder[Any]) -> str:
    report = builder.report()
    if report is None or not report.rejected:
        return ""
    reasons = "; ".join(f"{count:,}: {reason}" for reason, count in report.reasons.items())
    rows = report.rows - report.left_out
    return f"{report.rejected:,} of {rows:,} rows were left out ({reasons}), see {builder.rejects}"


def _builder(cfg: DictConfig) -> EventsBuilder[Any]:
    for name in _PLACES:
        if cfg.data.get(name) == "":
            raise ValueError(f"{cfg.data.name} needs data.{name}=..., the file or folder where the data is")
    return builder_of(made(cfg.data.source), cfg.workspace)


def load_data(cfg: DictConfig, console: Console) -> tuple[EventLog, Split]:
    """The log, and which of its events train, validate and test.

    Raises:
        ValueError: if the log holds no up, down or skip, or the split leaves nobody to train on, to validate on or to
            test.
    """
    log = load_log(cfg, console)
    if not np.isin(log.feedback, (Feedback.UP, Feedback.DOWN, Feedback.SKIP)).any():
        raise ValueError(
            f"{log.name} tells of {'plays only' if log.num_events else 'no events'}, but negative_feedback learns from "
            "ups, downs and skips; where the data set has data.source.played, set it to up, or take another experiment"
        )
    split_by = made(cfg.data.split)
    split: Split = split_by(log)
    console.print(
        f"{log.name}: {log.num_events:,} events, {log.num_sequences:,} {log.granularity}s, {log.num_items:,} items; "
        f"{split.validation.num_users:,} validate, {split.test.num_users:,} are tested"
    )
    for name, cases in (("validation", split.validation), ("test", split.test)):
        if cfg.data.protocol == "next_item":
            if not len(cases) or np.any(np.diff(cases.offsets) != 1):
                raise ValueError(
                    f"{type(split_by).__name__} makes no {name} cases with one target each, as protocol=next_item "
                    "wants; give data.split a split such as LeaveOneOut"
                )
        elif not _has_pair(cases):
            raise ValueError(
                f"{type(split_by).__name__} leaves no {name} case with a pair: no {log.granularity} has enough events, "
                "then an up and a down or skip on one station; look at data.stats=true and at the values of "
                "data.split, where PaperSplit makes such cases"
            )
    return log, split


def _has_pair(cases: Cases) -> bool:
    """Whether some case asks about both an up and a negative."""
    up_N, negative_N = cases.feedback == Feedback.UP, np.isin(cases.feedback, (Feedback.DOWN, Feedback.SKIP))
    return bool(np.intersect1d(cases.case[up_N], cases.case[negative_N]).size)


def print_stats(cfg: DictConfig, console: Console) -> None:
    """Print the paper's Table 1 for the data set."""
    console.print(format_table1(table1(load_log(cfg, console), cfg.get("max_length"))), markup=False)


def refuse_split(cfg: DictConfig, tested: str) -> None:
    """Refuse a `data.split` or `data.protocol` of an experiment that has no use for them; `tested` says how it tests.

    Raises:
        ValueError: naming the knob.
    """
    for knob in ("split", "protocol"):
        if cfg.data.get(knob) is not None:
            raise ValueError(f"data.{knob} is {cfg.data[knob]}, but {tested}; leave it null")


def find(path: str) -> Path:
    """Where `data.path` or `data.songs` lead: relative ones below the folder that `UREP_DATA` names, if it is set."""
    folder = os.environ.get("UREP_DATA")
    return (Path(folder) / path if folder else Path(path)).absolute()


def made(node: DictConfig) -> Any:
    """What a `_target_` of the config describes, its `path` and `songs` looked up by `find`.

    Raises:
        ValueError: if its constructor refuses a value, in its words.
    """
    found = {name: str(find(node[name])) for name in _PLACES if node.get(name) is not None}
    try:
        return instantiate(node, **found, _convert_="all")
    except InstantiationException as error:
        if isinstance(error.__cause__, ValueError | TypeError):
            raise ValueError(f"{error.__cause__} (in {node._get_full_key(None)})") from error
        raise
