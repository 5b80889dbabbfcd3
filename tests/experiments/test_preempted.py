"""A job of a sweep that has to make room is queued again, and ends as if nobody had touched it."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf
from ray.exceptions import WorkerCrashedError

import urep_jax
from experiments.on_ray import ended
from experiments.sweep import failures
from tests.experiments.command import ROOT, SMALL, Command

LONG = (*SMALL, "train.epochs=10", "train.patience=10", "baselines=[]", "seed=0")
"""A run that trains for long enough to be met while it does."""


@pytest.fixture
def unbroken(command: Command, workspace: Path) -> Path:
    """The run that nobody stopped."""
    folder = workspace / "unbroken"
    assert command(*LONG, folder=folder).status == 0
    return folder


def preempt(sweep: Path, workspace: Path, launcher: list[str], number: signal.Signals) -> None:
    """Run a sweep of one job, and send its process a signal when it has trained for two epochs."""
    places = [f"workspace={workspace}", f"hydra.sweep.dir={sweep}", "hydra.sweep.subdir=job"]
    call = [sys.executable, "-m", "experiments.run", "-m", *LONG, *launcher, *places]
    command = subprocess.Popen(call, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    history = sweep / "job" / "history.jsonl"
    while not history.exists() or len(history.read_text().splitlines()) < 2:
        assert command.poll() is None, command.communicate()[0]
        time.sleep(0.01)
    os.kill(at_work(sweep / "job"), number)
    begun = history.read_text().splitlines()[:2]
    said, _ = command.communicate()
    assert command.returncode == 0, said
    # Seconds are noted to the last digit: an epoch that is done again has others.
    assert history.read_text().splitlines()[:2] == begun, "it began anew"


def at_work(run: Path) -> int:
    """The process that holds a run's folder."""
    node = (run / ".lock").stat().st_ino
    (number,) = re.findall(rf"(?m)^\d+: FLOCK .* (\d+) \S+:{node} ", Path("/proc/locks").read_text())
    return int(number)


def assert_same_end(one: Path, other: Path) -> None:
    """Two runs ended in the same parameters, to the bit, and the same results."""
    jax.tree.map(np.testing.assert_array_equal, urep_jax.restore(one).params, urep_jax.restore(other).params)
    assert (one / "metrics.json").read_text() == (other / "metrics.json").read_text()


def test_a_local_job_that_is_preempted_is_started_again(unbroken: Path, workspace: Path, tmp_path: Path) -> None:
    preempt(tmp_path, workspace, ["hydra/launcher=submitit_local"], signal.SIGUSR2)
    (log,) = (tmp_path / ".submitit").rglob("*_log.err")
    assert log.read_text().count("Requeued job") == 1
    assert_same_end(unbroken, tmp_path / "job")


def test_slurm_is_asked_to_queue_a_job_again(unbroken: Path, workspace: Path, tmp_path: Path, slurm: Path) -> None:
    launcher = ["hydra/launcher=slurm", "hydra.launcher.gpus_per_node=2", "hydra.launcher.cpus_per_task=6"]
    preempt(tmp_path, workspace, launcher, signal.SIGUSR2)
    asked = (slurm / "submitted.sh").read_text()
    for line in ("requeue", "signal=USR2@300", "gpus-per-node=2", "cpus-per-task=6", "nodes=1", "ntasks-per-node=1"):
        assert f"#SBATCH --{line}\n" in asked
    steps = (slurm / "steps").read_text().splitlines()
    assert [cpus for _, cpus in map(str.split, steps)] == ["8", "8"], "srun is told what the job has, both times"
    assert_same_end(unbroken, tmp_path / "job")


def test_a_worker_of_ray_that_is_killed_is_started_again(
    unbroken: Path, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    ours = ["hydra.launcher.ray.init.address=local", "hydra.launcher.ray.remote.num_gpus=0"]
    preempt(tmp_path, workspace, ["hydra/launcher=ray", *ours], signal.SIGKILL)
    assert_same_end(unbroken, tmp_path / "job")


def test_a_job_whose_worker_dies_too_often_is_named_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get(job: str) -> JobReturn:
        if job == "dies":
            raise WorkerCrashedError
        return JobReturn(status=JobStatus.COMPLETED)

    monkeypatch.setattr("ray.get", get)
    for job in ("dies", "ends"):
        config = OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path), "subdir": job}}})
        assert ended(job, config).status == JobStatus.COMPLETED, "or else Hydra would stop"
    (failed,) = failures(tmp_path)
    assert failed.parent.name == "dies"
    assert "died unexpectedly" in failed.read_text()
