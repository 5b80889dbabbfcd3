"""What a benchmark ran on."""

import importlib.metadata
import os
import platform
from collections import Counter
from pathlib import Path

import jax

_PACKAGES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "numpy",
    "pyarrow",
    "duckdb",
    "grain",
    "tensorflow-datasets",
    "array-record",
    "faiss-cpu",
)


def describe() -> dict[str, object]:
    """The machine in words and numbers, for the head of a benchmark's JSON.

    Returns:
        `cpu`, `cores` (that this process may use), `devices` (what JAX computes on, by kind), `ram_gib`, `system`,
        `python` and `packages` (version by name).
    """
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "devices": dict(Counter(device.device_kind for device in jax.devices())),
        "ram_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
    }


def importable() -> dict[str, str]:
    """What the environment of another interpreter says so that it finds this package."""
    return {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])}


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
