"""A run of the experiment, small enough for tests."""

import io
from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from experiments.folder import RunFolder
from experiments.negative_feedback.run import run

ROOT = Path(__file__).parents[2]


def tiny_config(workspace: Path, *overrides: str) -> DictConfig:
    """The negative-feedback experiment, on few listeners."""
    small = (
        "experiment=negative_feedback",
        f"workspace={workspace}",
        "data.source.params.num_listeners=150",
        "data.split.test_days=90",
        "max_length=20",
        "model.width=8",
        "model.blocks=1",
        "train.epochs=2",
        "train.strata=1",
        "baselines=[positive_only]",
    )
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("config", [*small, *overrides])


def tiny_run(folder: Path, *overrides: str) -> Path:
    """Run the experiment in `folder`; returns the run's folder."""
    cfg = tiny_config(folder / "workspace", *overrides)
    run_folder = RunFolder(folder / "run", OmegaConf.to_container(cfg, resolve=True))
    run(cfg, run_folder, Console(file=io.StringIO()))
    return run_folder.path
