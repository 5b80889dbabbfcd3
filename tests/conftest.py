"""Fixtures that all tests share."""

import fcntl
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import pytest
from hypothesis import settings
from jaxtyping import config, install_import_hook

from tests.programs import COMPILED_QUICKLY, MOST_MAPS
from tests.typecheck import typecheck

# Read when the first program is compiled, here and in the processes that tests start.
os.environ["XLA_FLAGS"] = " ".join((os.environ.get("XLA_FLAGS", ""), *COMPILED_QUICKLY))

# Shapes and types of the public signatures are checked at run time, here only.
install_import_hook("urep_jax", f"{typecheck.__module__}.{typecheck.__name__}")

# Two workers share two cores, so the time of one example says nothing.
settings.register_profile("shared_cores", deadline=None)
settings.load_profile("shared_cores")


@pytest.fixture(autouse=True, scope="module")
def few_programs() -> Iterator[None]:
    """Programs of the modules before are forgotten where they have become too many for one process."""
    yield
    maps = Path("/proc/self/maps")  # of Linux, whose limit it is
    if maps.exists() and len(maps.read_bytes().splitlines()) > MOST_MAPS:
        jax.clear_caches()
        gc.collect()


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong types reach the library, as they do outside of tests."""
    monkeypatch.setattr(config, "jaxtyping_disable", True)


@pytest.fixture(scope="session")
def data_folder() -> Callable[[str], Path]:
    """The folder of a real data set below `UREP_DATA`.

    A test that needs one skips where it is missing, and fails instead if `UREP_REQUIRE_ALL=1`.
    """

    def find(name: str) -> Path:
        folder = Path(os.environ.get("UREP_DATA", "")) / name
        if "UREP_DATA" not in os.environ or not folder.is_dir():
            reason = f"needs the data set {name!r} in the folder that UREP_DATA names"
            if os.environ.get("UREP_REQUIRE_ALL") == "1":
                pytest.fail(reason)
            pytest.skip(reason)
        return folder

    return find


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny run. Whichever worker asks first trains it, the others wait."""
    # What it imports takes seconds, and only some tests want it.
    from tests.serving.tiny import tiny_run

    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (shared / "tiny_run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = shared / "tiny" / "run"
        return folder if (folder / "metrics.json").exists() else tiny_run(folder.parent)
