"""Several processes that share a task: each is the same command, with a number of its own."""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
from jax.experimental import multihost_utils
from omegaconf import DictConfig, OmegaConf

_SYSTEM = "negative_feedback"
"""Whose training processes can share."""

_NAMES = {"coordinator": "coordinator_address", "processes": "num_processes", "process": "process_id"}


@contextlib.contextmanager
def joined(cfg: DictConfig) -> Iterator[None]:
    """Be one of the processes that `cfg.distributed` tells of, while entered.

    Raises:
        ValueError: if it tells something else than where process 0 is, how many there are and which of them this is, or
            the task can't be shared.
    """
    if cfg.distributed is None:
        yield
        return
    if cfg.task.name != "embed_users" and (cfg.task.name, cfg.system) != ("train", _SYSTEM):
        raise ValueError(
            f"distributed is for task=embed_users and the training of {_SYSTEM}; task={cfg.task.name} of {cfg.system} "
            "runs in one process, on all of its devices; leave it null"
        )
    jax.distributed.initialize(**_places(cfg.distributed))
    yield
    # Not after an error: it waits for the others, who are to be told of it by this one's end.
    jax.distributed.shutdown()


def _places(distributed: Any) -> dict[str, Any]:
    if distributed == "auto":
        return {}
    told = OmegaConf.to_container(distributed) if isinstance(distributed, DictConfig) else distributed
    if not isinstance(told, dict) or set(told) != set(_NAMES):
        raise ValueError(
            f"distributed is {told!r}, but must be auto, or {{coordinator: HOST:PORT, processes: N, process: 0 to N-1}}"
        )
    host, _, port = str(told["coordinator"]).rpartition(":")
    processes, process = told["processes"], told["process"]
    if not host or not port.isdigit():
        raise ValueError(f"distributed.coordinator is {told['coordinator']!r}, but must be HOST:PORT of process 0")
    if not (isinstance(processes, int) and isinstance(process, int) and 0 <= process < processes):
        raise ValueError(f"distributed.process is {process} of {processes}, but must be from 0 up to, but not, that")
    return {_NAMES[str(name)]: value for name, value in told.items()}


def is_first() -> bool:
    """Whether this process writes what there is once: of those that share a task, one does."""
    return jax.process_index() == 0


@contextlib.contextmanager
def first_alone(name: str) -> Iterator[None]:
    """Process 0 goes through what is within before the others do; `name` tells the place from others in the code."""
    if jax.process_index():
        together(name)
    yield
    if not jax.process_index():
        together(name)


def together(name: str) -> None:
    """Wait until all processes are here."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)
