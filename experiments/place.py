"""Jobs side by side on one machine: each takes GPUs and cores that no other job has."""

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from experiments.errors import fail

_held: list[IO[str]] = []
"""Locks of what this process has taken: whoever dies lets go of it."""


def gpus_here() -> list[str]:
    """The GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them."""
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    if told is None and shutil.which("nvidia-smi"):
        # By their ids: CUDA numbers GPUs in another order than NVIDIA's tools do.
        call = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
        told = ",".join(subprocess.run(call, capture_output=True, text=True, check=False).stdout.split())
    return [name.strip() for name in (told or "").split(",") if name.strip()]


def cores_here() -> list[str]:
    """The cores that this process may use; none where the system doesn't tell."""
    return [str(core) for core in sorted(os.sched_getaffinity(0))] if hasattr(os, "sched_getaffinity") else []


def jobs_here() -> int:
    """How many jobs there is room for: one for each GPU that has a core, and without GPUs one for every two cores."""
    gpus, cores = len(gpus_here()), len(cores_here())
    return max(1, min(gpus, cores or gpus) or cores // 2)


# Registered here, as Hydra imports the callback below before it asks for a launcher.
OmegaConf.register_new_resolver("jobs_here", jobs_here, replace=True)


class OwnPlace(Callback):
    """Gives the process of each job its place, before JAX looks for devices there."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra."""
        try:
            _shares(config.hydra.launcher.n_jobs)
        except ValueError as error:
            fail(error)

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra; a process that has had a job before keeps its place."""
        folder = Path(tempfile.gettempdir()) / f"urep_jax-{os.getuid()}"
        try:
            if config.hydra.mode == RunMode.MULTIRUN and not _held:
                take_place(config.hydra.launcher.n_jobs, folder)
        except (ValueError, OSError) as error:
            # Hydra would go on after any other exception, and the job where others are.
            fail(error)


def take_place(jobs: int, folder: Path) -> None:
    """Keep this process to its share of the machine's GPUs and cores, as long as it lives.

    What another job has is left to it, be it of this sweep or of another one of the same user, and waited for if too
    little else is there.

    Args:
        jobs: among how many the machine is shared.
        folder: of the locks, one for all sweeps.

    Raises:
        ValueError: if there are more jobs than GPUs, or than cores.
    """
    taken = {kind: _take(kind, names, count, folder) for kind, (names, count) in _shares(jobs).items()}
    if taken["GPU"]:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(taken["GPU"])
    if taken["core"]:
        # XLA, DuckDB and NumPy start as many threads as there are cores that they may use.
        os.sched_setaffinity(0, {int(core) for core in taken["core"]})


def _shares(jobs: int) -> dict[str, tuple[list[str], int]]:
    """What there is of each kind, and how many of it a job has."""
    found = {"GPU": gpus_here(), "core": cores_here()}
    for kind, names in found.items():
        if names and not 1 <= jobs <= len(names):
            raise ValueError(
                f"hydra.launcher.n_jobs is {jobs}, but must be from 1 to {len(names)}: each job has a {kind} of its own"
            )
    return {kind: (names, len(names) // jobs) for kind, names in found.items()}


def _take(kind: str, names: Sequence[str], count: int, folder: Path) -> list[str]:
    """Names of `count` that were free, or have become free."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        with (folder / "taking").open("w") as one_at_a_time:
            fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
            free = {name: lock for name in names if (lock := _lock(folder / f"{kind}-{name}")) is not None}
            own = list(free)[:count] if len(free) >= count else []
            for name in free.keys() - set(own):
                free[name].close()
        if len(own) == count:
            _held.extend(free[name] for name in own)
            return own
        time.sleep(1)


def _lock(path: Path) -> IO[str] | None:
    lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock
