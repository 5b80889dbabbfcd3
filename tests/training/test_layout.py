"""Tables cut by rows, and trainings that move between devices, layouts and processes."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from tests.programs import fake_devices
from tests.training.tiny import tiny_training
from urep_jax.core.mesh import data_mesh
from urep_jax.training.layout import cut_back, fill_up, lay_out
from urep_jax.training.objective import initial_state
from urep_jax.training.optimizers import adam

ROWS = ("--layout", "rows", "--average", "0.5")
"""33 rows of items are 9 for each of four devices, 17 for each of two, and some that stand for nothing."""


def start(folder: Path, devices: int, *how: str) -> subprocess.Popen[str]:
    """A process of `tests.training.spread` on so many devices of its own."""
    command = [sys.executable, "-m", "tests.training.spread", str(folder), *how]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=os.environ | fake_devices(devices), text=True, **streams)


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What it tells when it ends."""
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors[-2000:]
    told: dict[str, Any] = json.loads(output.splitlines()[-1])
    return told


def together(
    folder: Path, processes: int, devices: int, *how: str, last: Sequence[str] = ()
) -> list[subprocess.Popen[str]]:
    """Processes that train together, each with so many devices; the last has options of its own."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    group = (f"--processes={processes}", f"--port={port}")
    own = [last if process == processes - 1 else () for process in range(processes)]
    return [start(folder, devices, *how, *group, f"--process={n}", *more) for n, more in enumerate(own)]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of one process with four devices, that nobody stopped."""
    return ended(start(tmp_path_factory.mktemp("unbroken"), 4, *ROWS))


def assert_close(told: dict[str, Any], unbroken: dict[str, Any]) -> None:
    """The same training; sums over other numbers of devices round differently."""
    assert told["ends"] == unbroken["ends"]
    for number in ("losses", "validations", "sums"):
        np.testing.assert_allclose(told[number], unbroken[number], rtol=1e-5, atol=1e-6, err_msg=number)
    vectors, others = (np.array(one["asked"]["vectors"]) for one in (told, unbroken))
    np.testing.assert_allclose(vectors, others, rtol=1e-5, atol=1e-5)


def test_a_training_moves_to_other_numbers_of_devices_and_layouts(unbroken: dict[str, Any], tmp_path: Path) -> None:
    assert (unbroken["rows"]["item"], unbroken["parts"]["item"]) == (36, 9)
    for devices, step in ((4, 6), (2, 11)):
        killed = start(tmp_path, devices, *ROWS, f"--signal-at={step}")
        assert killed.wait(240) == -signal.SIGKILL
        killed.communicate()
    told = ended(start(tmp_path, 1, "--average", "0.5"))
    assert (told["rows"]["item"], told["parts"]["item"]) == (33, 33)
    assert_close(told, unbroken)


def test_processes_go_on_together_after_one_is_killed_or_asked_to_end(unbroken: dict[str, Any], tmp_path: Path) -> None:
    """Two with two devices each, then four with one each: to the bit where nobody was stopped."""
    first, second = together(tmp_path / "stopped", 2, 2, *ROWS, last=["--signal-at=7"])
    assert second.wait(240) == -signal.SIGKILL
    # It would wait for the other for a minute, and end; who starts them together ends it at once.
    first.kill()
    for process in (first, second):
        process.communicate()
    # One is asked to end: both save the same step, and end as a shell says of SIGTERM.
    asked = together(tmp_path / "stopped", 2, 2, *ROWS, last=["--signal-at=9", "--signal=SIGTERM"])
    codes = {process.wait(240) for process in asked}
    for process in asked:
        process.communicate()
    told = [ended(process) for process in together(tmp_path / "stopped", 2, 2, *ROWS)]
    assert codes == {128 + signal.SIGTERM}
    assert told[0] == told[1]
    # Of questions each reads what its own devices encode.
    chunks = len(unbroken["asked"]["read"])
    assert chunks > 1
    assert unbroken["asked"]["read"] == [12] * chunks
    assert told[0]["asked"].pop("read") == [6] * chunks
    copies = [ended(one) for one in together(tmp_path / "copies", 2, 2, "--parallel=pmap", "--average=0.5")]
    assert copies[0] == copies[1]
    assert_close(copies[0], unbroken)
    never = [ended(process) for process in together(tmp_path / "never", 4, 1, *ROWS)]
    assert all(one["asked"].pop("read") == [3] * chunks for one in never)
    assert all(one == told[0] for one in never)
    assert_close(told[0], unbroken)


@pytest.mark.parametrize("tables", ["dense", "sparse"])
def test_only_rows_that_stand_for_nothing_are_added(tables: str) -> None:
    objective, _ = tiny_training(tables)
    layout = lay_out(objective, adam(0.01), data_mesh(), "rows")
    whole = jax.eval_shape(partial(initial_state, objective, adam(0.01)), jax.random.key(0))
    assert layout.rows == {"item": 33, "station": 4}
    state = jax.tree.map(lambda x: np.random.default_rng(0).normal(size=x.shape).astype(np.float32), whole)
    longer = jax.tree.map(lambda x: jax.ShapeDtypeStruct((len(x) + 3, *x.shape[1:]) if x.ndim else (), x.dtype), whole)
    filled = fill_up(state, longer)
    jax.tree.map(np.testing.assert_array_equal, cut_back(filled, whole), state)
    assert not np.any(filled.params["tables"]["item"][33:])
