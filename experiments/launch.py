"""One run from its config to its table, and what a person is told when it ends otherwise."""

import os
import traceback
from pathlib import Path
from typing import Any, cast

import jax
from hydra.utils import get_method
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.text import Text

from experiments.data import print_stats
from experiments.errors import fail
from experiments.folder import RunFolder, alone_in
from experiments.processes import first_alone, is_first, joined
from experiments.sweep import Job
from experiments.tables import cell
from urep_jax.core.extras import ExtraMissing
from urep_jax.training.fit import Diverged, Interrupted

_USER_ERRORS = (ValueError, FileNotFoundError, Diverged, ExtraMissing)


def launch(cfg: DictConfig, folder: Path) -> None:
    """Do what a command line asks for, in `folder`; errors that a user can mend are told in one line."""
    console = Console()
    try:
        _do(cfg, folder, console)
    except Interrupted:
        _tell_stopped(console, f"the same command with hydra.run.dir={folder}")
        raise
    except _USER_ERRORS as error:
        if os.environ.get("HYDRA_FULL_ERROR"):
            raise
        fail(error)


def launch_job(cfg: DictConfig, folder: Path) -> None:
    """The same for one job of a sweep: an error is noted in its folder, and the other jobs go on."""
    console = Console()
    job = Job(folder)
    console.rule(Text(job.name), align="left")
    job.begin()
    try:
        _do(cfg, folder, console)
    except Interrupted:
        _tell_stopped(console, "the same command")
        raise
    except Exception as error:
        known = isinstance(error, _USER_ERRORS)
        job.fail(str(error) if known else traceback.format_exc())
        console.print(f"failed: {error}", soft_wrap=True, markup=False)


def _tell_stopped(console: Console, command: str) -> None:
    console.print(f"stopped, and saved; {command} goes on from here", soft_wrap=True)


def _do(cfg: DictConfig, folder: Path, console: Console) -> None:
    if cfg.data.stats:
        print_stats(cfg, console)
    elif command := cfg.get("command"):
        # It leaves nothing behind that would want a folder of its own.
        get_method(command)(cfg, console)
    else:
        run(cfg, folder, console)


def run(cfg: DictConfig, folder: Path, console: Console) -> dict[str, float]:
    """Run the experiment that `cfg` describes in `folder`, or go on with it, or tell its results if it has ended."""
    with joined(cfg), alone_in(folder):
        # What is told, and registered, is told by one.
        if not is_first():
            console = Console(quiet=True)
            cfg.lineage.chain = None
        return _run(cfg, folder, console)


def _run(cfg: DictConfig, folder: Path, console: Console) -> dict[str, float]:
    # A program that was compiled once is not compiled again by a continued run, or by the next of a sweep.
    jax.config.update("jax_compilation_cache_dir", str(Path(cfg.workspace).absolute() / "cache" / "compiled"))
    plain = cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=True))
    with first_alone("folder"):
        run_folder = RunFolder(folder, plain)
    metrics = run_folder.metrics
    if metrics is None:
        metrics = get_method(cfg.main)(cfg, run_folder, console)
    else:
        console.print("this run has ended before; its results are")
    if cfg.task.name == "train":
        tables = get_method(f"experiments.{cfg.system}.page.terminal_tables")
        for table in tables(cfg, metrics):
            console.print(table)
    else:
        # A count has a plain name; a result, one with its place before it.
        counts = [f"{value:,.0f} {name}" for name, value in metrics.items() if "/" not in name]
        results = [f"{name} {cell(metrics, name)}" for name in metrics if "/" in name and not name.endswith("_ci95")]
        console.print(", ".join([*counts, *results]))
    console.print(f"run folder: {folder}", soft_wrap=True)
    return metrics
