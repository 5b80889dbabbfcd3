"""The tests."""

import os
import tempfile
from pathlib import Path

# Tests compile the same small programs again and again, some in processes of their own: they share one cache. JAX reads
# these when it is first imported, and this file is imported before any other of the tests.
_CACHE = Path(tempfile.gettempdir()) / "urep_jax-compiled-for-tests"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "0")
