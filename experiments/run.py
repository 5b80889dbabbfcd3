"""Runs one experiment: `python -m experiments.run [KNOB=VALUE ...]`; `--help` tells more."""

import os
import sys
from pathlib import Path
from typing import Any, cast

import hydra
import jax
from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_method
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.text import Text

from experiments.data import print_stats
from experiments.folder import RunFolder
from experiments.knobs import UnknownKnobError, check_overrides
from experiments.tables import terminal_table
from urep_jax.training.fit import Diverged, Interrupted

_USER_ERRORS = (ValueError, FileNotFoundError, Diverged)


def run(cfg: DictConfig, folder: Path, console: Console) -> dict[str, float]:
    """Run the experiment that `cfg` describes in `folder`, or go on with it, or tell its results if it has ended."""
    # A program that was compiled once is not compiled again by a continued run, or by the next of a sweep.
    jax.config.update("jax_compilation_cache_dir", str(Path(cfg.workspace).absolute() / "cache" / "compiled"))
    plain = cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=True))
    run_folder = RunFolder(folder, plain)
    metrics = run_folder.metrics
    if metrics is None:
        metrics = get_method(cfg.main)(cfg, run_folder, console)
    else:
        console.print("this run has ended before; its results are")
    console.print(terminal_table(metrics, f"{cfg.system} on {cfg.data.name}"))
    console.print(f"run folder: {folder}", soft_wrap=True)
    return metrics


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def _main(cfg: DictConfig) -> None:
    console = Console()
    try:
        if cfg.data.stats:
            print_stats(cfg, console)
            return
        run(cfg, Path(HydraConfig.get().runtime.output_dir), console)
    except Interrupted:
        console.print(
            "stopped, and saved; the same command with the same hydra.run.dir goes on from here", soft_wrap=True
        )
        raise
    except _USER_ERRORS as error:
        if os.environ.get("HYDRA_FULL_ERROR"):
            raise
        _fail(error)


def _fail(error: Exception) -> None:
    Console(stderr=True).print(Text.assemble(("error: ", "bold red"), str(error)), soft_wrap=True)
    sys.exit(1)


if __name__ == "__main__":
    try:
        check_overrides(sys.argv[1:])
    except UnknownKnobError as unknown:
        _fail(unknown)
    _main()
