"""Two processes train together, and leave the run that one process with as many devices makes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

import urep_jax
from tests.experiments.command import ROOT, SMALL, Command
from tests.programs import fake_devices

HOW = (*SMALL, "train.table_layout=rows", "train.checkpoint_every=2", "baselines=[popularity]")


def start(folder: Path, workspace: Path, devices: int, *how: str) -> subprocess.Popen[str]:
    """One process, on so many devices of its own."""
    command = [sys.executable, "-m", "experiments.run", *HOW, f"hydra.run.dir={folder}", f"workspace={workspace}", *how]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | fake_devices(devices), text=True, **streams)


def two(folder: Path, workspace: Path) -> list[subprocess.Popen[str]]:
    """Two processes of one run."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        coordinator = f"localhost:{free.getsockname()[1]}"
    places = (f'distributed={{coordinator: "{coordinator}", processes: 2, process: {n}}}' for n in range(2))
    return [start(folder, workspace, 1, place) for place in places]


def ended(process: subprocess.Popen[str]) -> str:
    """What it told until it ended."""
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err[-2000:]
    return out


def test_two_processes_make_the_run_of_one(workspace: Path, tmp_path: Path) -> None:
    one, both = tmp_path / "one", tmp_path / "both"
    ended(start(one, workspace, 2))
    first, second = two(both, workspace)
    # One is killed when there is something to go on from, and whoever starts them ends the other.
    while not list(both.glob("checkpoints/*/commit_success.txt")):
        assert first.poll() is None, first.communicate()[1][-2000:]
        time.sleep(0.05)
    second.kill()
    first.send_signal(signal.SIGKILL)
    for process in (first, second):
        process.communicate()
    told, quiet = map(ended, two(both, workspace))
    assert "run folder" in told
    assert "run folder" not in quiet
    assert json.loads((both / "metrics.json").read_text()) == pytest.approx(
        json.loads((one / "metrics.json").read_text()), rel=1e-4
    )
    params = [urep_jax.restore(run).params for run in (one, both)]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), *params)
    files = [{path.relative_to(run).parts[0] for path in run.rglob("*")} - {".lock-1"} for run in (one, both)]
    without = [{name for name in names if not name.startswith("events.out")} for names in files]
    assert without[0] == without[1]


def test_other_trainings_take_one_process(workspace: Path, command: Command) -> None:
    said = command("experiment=user_representation", f"workspace={workspace}", "distributed=auto")
    assert said.status == 1
    assert "distributed is for task=embed_users and the training of negative_feedback" in said.err
