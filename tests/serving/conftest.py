"""One trained run for all tests of serving."""

import fcntl
import os
from pathlib import Path

import pytest

from tests.serving.tiny import tiny_run


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny run. Whichever worker asks first trains it, the others wait."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (shared / "tiny_run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = shared / "tiny" / "run"
        return folder if (folder / "metrics.json").exists() else tiny_run(folder.parent)
