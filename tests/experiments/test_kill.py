"""A whole run, killed at random moments and started again with the same command, ends as if nobody had touched it.

`UREP_KILLS=20 pytest tests/experiments/test_kill.py` tries more moments.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np

import urep_jax

KILLS = int(os.environ.get("UREP_KILLS", "2"))
SMALL = [
    "experiment=negative_feedback",
    "data.source.params.num_listeners=300",
    "data.split.test_days=90",
    "max_length=20",
    "model.width=8",
    "model.blocks=1",
    "train.epochs=4",
    "train.batch_size=16",
    "train.checkpoint_every=5",
    "train.strata=2",
    "baselines=[positive_only]",
]


def start(folder: Path, workspace: Path) -> subprocess.Popen[bytes]:
    """The run's command, started."""
    command = [sys.executable, "-m", "experiments.run", f"hydra.run.dir={folder}", f"workspace={workspace}", *SMALL]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finished(folder: Path, workspace: Path) -> float:
    """Run the command to its end; the seconds that it took."""
    began = time.monotonic()
    child = start(folder, workspace)
    told, _ = child.communicate()
    assert child.returncode == 0, told.decode()
    return time.monotonic() - began


def assert_same_end(one: Path, other: Path) -> None:
    """Two runs ended in the same parameters, to the bit, and the same results."""
    for part in (".", "positive_only"):
        params = [urep_jax.restore(run / part).params for run in (one, other)]
        jax.tree.map(np.testing.assert_array_equal, *params)
    first, second = (json.loads((run / "metrics.json").read_text()) for run in (one, other))
    assert first == second


def test_killed_at_random_moments_a_run_ends_the_same(tmp_path: Path) -> None:
    """By SIGKILL and SIGTERM in turn."""
    workspace, unbroken, rng = tmp_path / "workspace", tmp_path / "unbroken", np.random.default_rng(0)
    finished(unbroken, workspace)
    # Programs are compiled and the data is prepared by now: a second run tells how long the killed ones will take.
    whole = finished(tmp_path / "warm", workspace)
    assert_same_end(unbroken, tmp_path / "warm")

    killed, folder = 0, tmp_path / "killed-0"
    for attempt in range(1, 10 * KILLS):
        child = start(folder, workspace)
        try:
            # Anywhere in a run: while it starts, trains, saves or tests.
            child.communicate(timeout=rng.uniform(0.2, 0.9) * whole)
        except subprocess.TimeoutExpired:
            child.send_signal((signal.SIGKILL, signal.SIGTERM)[killed % 2])
            child.communicate()
            killed += 1
        if (folder / "metrics.json").exists():
            assert_same_end(unbroken, folder)
            folder = tmp_path / f"killed-{attempt}"
        if killed == KILLS:
            break
    assert killed == KILLS, "the runs end before they can be killed"
    finished(folder, workspace)
    assert_same_end(unbroken, folder)
