"""Sweeps: jobs that fail are noted where they ran, and named when all have ended."""

import hashlib
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

_FAILED = "failed.txt"

_NOT_NAMED = ("experiment", "data", "sweep", "workspace")
"""Knobs that the folder above tells, or that decide nothing."""

_LONG, _LONGEST = 40, 240
"""Letters of a value, and bytes of a name, that are told in full: a file system takes 255 bytes."""


def run_name(overrides: Sequence[str], fixed: Mapping[str, object] | None) -> str:
    """What a job's folder is called: its overrides, but for those that all jobs of the sweep have.

    A long value, or name, is cut, and ends in a digest of the whole; a path is told by its end, and a digest.

    Args:
        overrides: of the job.
        fixed: what the sweep itself sets: knobs and their values.

    Example:
        >>> run_name(["seed=1", "p_hard=0", "inputs=[up,down]", "data=radio"], {"p_hard": 0, "seed": "0,1"})
        'inputs=up,down,seed=1'
    """
    common = {f"{key}={value}" for key, value in (fixed or {}).items()}
    own = (word for word in overrides if word not in common and word.split("=")[0] not in _NOT_NAMED)
    named = sorted(_short(word) for word in own)
    # Orbax can't read below a folder whose name has brackets.
    name = re.sub(r"[^\w.,=+-]", "_", re.sub(r"[][{}'\"]", "", ",".join(named))) or "defaults"
    # A letter takes up to four bytes.
    return name if len(name.encode()) <= _LONGEST else f"{name[: _LONGEST // 4]}-{_digest(name)}"


def _short(word: str) -> str:
    key, _, value = word.partition("=")
    if key == "data.path":
        return f"{key}={Path(value).name[:_LONG]}-{_digest(value)}"
    return word if len(value) <= _LONG else f"{key}={value[:_LONG]}-{_digest(value)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]


# Registered here, as a sweep's processes all import the callback below before they name their folder.
OmegaConf.register_new_resolver("run_name", run_name, replace=True)


class Job:
    """One job of a sweep, by its run folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def name(self) -> str:
        """What tells it from the others."""
        return self.folder.name

    def begin(self) -> None:
        """Forget an earlier failure."""
        (self.folder / _FAILED).unlink(missing_ok=True)

    def fail(self, reason: str) -> None:
        """Note why it ended without results."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / _FAILED).write_text(reason + "\n")


def root_of(config: DictConfig) -> Path:
    """The folder that holds all jobs of a sweep: those over data sets or experiments have a folder for each of them."""
    folder, common = Path(config.hydra.sweep.dir), Path(config.workspace) / "sweeps"
    return common if folder.is_relative_to(common) else folder


def failures(folder: Path) -> dict[Path, int]:
    """The notes of failed jobs below a folder, and when they were written."""
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob(_FAILED))}


class NameFailures(Callback):
    """Names the jobs of a sweep that failed, when all have ended, and makes the command's status say so."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra."""
        # What failed in another command is not this one's to tell.
        self._before = failures(root_of(config))

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra."""
        folder = Path(config.hydra.sweep.dir)
        failed = [path for path, time in failures(root_of(config)).items() if self._before.get(path) != time]
        if not all(path.is_relative_to(folder) for path in failed):
            folder = root_of(config)
        console = Console(stderr=bool(failed), soft_wrap=True)
        if not failed:
            console.print(f"sweep folder: {folder}; python -m experiments.report {folder} compares its runs")
            return
        console.print(f"{len(failed)} of the jobs in {folder} failed; the same command does what is missing:")
        for path in failed:
            reason = path.read_text().strip().splitlines()[-1]
            console.print(f"  {path.parent.relative_to(folder)}: {reason}", markup=False)
        sys.exit(1)
