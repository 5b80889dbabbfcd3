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
import pytest

import urep_jax

KILLS = int(os.environ.get("UREP_KILLS", "3"))
SMALL = [
    "data.source.params.num_listeners=300",
    "data.split.test_days=90",
    "max_length=20",
    "model.width=8",
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


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_killed_at_random_moments_a_run_ends_the_same(
    number: signal.Signals, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    workspace = tmp_path_factory.getbasetemp() / "kill-workspace"
    began = time.monotonic()
    unbroken = start(tmp_path / "unbroken", workspace)
    told, _ = unbroken.communicate()
    assert unbroken.returncode == 0, told.decode()
    whole = time.monotonic() - began

    rng = np.random.default_rng(int(number))
    killed = 0
    for _ in range(-(-KILLS // 2)):
        child = start(tmp_path / "killed", workspace)
        try:
            # Anywhere in a run: while it starts, compiles, trains, saves or tests.
            child.wait(rng.uniform(0.2, 0.9) * whole)
        except subprocess.TimeoutExpired:
            child.send_signal(number)
            killed += 1
        child.communicate()
    last = start(tmp_path / "killed", workspace)
    told, _ = last.communicate()
    assert last.returncode == 0, told.decode()

    assert killed
    for part in (".", "positive_only"):
        params = [urep_jax.restore(tmp_path / run / part).params for run in ("unbroken", "killed")]
        jax.tree.map(np.testing.assert_array_equal, *params)
    metrics = [json.loads((tmp_path / run / "metrics.json").read_text()) for run in ("unbroken", "killed")]
    assert metrics[0] == metrics[1]
