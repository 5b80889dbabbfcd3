"""Fixtures that all tests share."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

# Tests compile the same small programs again and again, some in processes of their own: they share one cache.
_CACHE = Path(tempfile.gettempdir()) / "urep_jax-compiled-for-tests"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "0")

import pytest  # noqa: E402  jax reads the variables above when it is first imported
from hypothesis import settings  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

import tests.typecheck  # noqa: E402, F401  the hook finds it as an attribute of `tests`

# Shapes and types of the public signatures are checked at run time, here only.
install_import_hook("urep_jax", "tests.typecheck.typecheck")

# Two workers share two cores, so the time of one example says nothing.
settings.register_profile("shared_cores", deadline=None)
settings.load_profile("shared_cores")


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
