"""Runs one experiment: `python -m experiments.run [KNOB=VALUE ...]`; `--help` tells more."""

import os
import sys
from importlib import import_module
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from experiments.arguments import ArgumentsError, read_arguments
from experiments.errors import fail
from experiments.knobs import KnobError, check_overrides
from experiments.launchers import check_launcher
from urep_jax.core.extras import ExtraMissing


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def _main(cfg: DictConfig) -> None:
    hydra_config = HydraConfig.get()
    # JAX takes seconds to import: `--help` and a mistyped knob don't wait for it.
    launch = import_module("experiments.launch")
    start = launch.launch_job if hydra_config.mode == RunMode.MULTIRUN else launch.launch
    start(cfg, Path(hydra_config.runtime.output_dir))


def _find_own_launchers() -> None:
    """Let Hydra find our launchers, here and in the processes that it starts.

    It takes them only from packages that are called hydra_plugins.
    """
    place = str(Path(__file__).parent / "plugins")
    if place in sys.path:
        return
    sys.path.append(place)
    others = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{others}{os.pathsep}{place}" if others else place


def _use_huge_pages() -> None:
    """Start this command anew with huge pages for what it allocates, where that is possible and nobody has chosen.

    Training on a CPU spends a quarter of its time on page faults without them (`benchmarks/README.md`), and the C
    library reads the setting only when a process starts.
    """
    is_command = "experiments.run" in sys.orig_argv
    if sys.platform == "linux" and is_command and "GLIBC_TUNABLES" not in os.environ:
        os.environ["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"
        os.execv(sys.executable, sys.orig_argv)


if __name__ == "__main__":
    _use_huge_pages()
    try:
        arguments = read_arguments(sys.argv[1:])
        check_overrides(arguments.overrides, arguments.config_dir)
        check_launcher(arguments.overrides)
        _find_own_launchers()
    except (ArgumentsError, KnobError, ExtraMissing) as error:
        fail(error)
    sys.argv[1:] = [*arguments.overrides, *arguments.flags]
    _main()
