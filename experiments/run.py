"""Runs one experiment: `python -m experiments.run [KNOB=VALUE ...]`; `--help` tells more."""

import sys
from importlib import import_module
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from experiments.errors import fail
from experiments.knobs import KnobError, check_overrides


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def _main(cfg: DictConfig) -> None:
    # JAX takes seconds to import: `--help` and a mistyped knob don't wait for it.
    import_module("experiments.launch").launch(cfg, Path(HydraConfig.get().runtime.output_dir))


if __name__ == "__main__":
    try:
        check_overrides(sys.argv[1:])
    except KnobError as error:
        fail(error)
    _main()
