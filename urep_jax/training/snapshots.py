"""Snapshots: all that a training carries, as one pytree, written whole or not at all."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import jax
import numpy as np
import orbax.checkpoint as ocp

Tree = TypeVar("Tree")


class Snapshots:
    """The latest snapshot of a training that isn't a `fit`, in one folder. Use as a context manager.

    Args:
        folder: where it lies; made if missing.
        config: what the training is, plain JSON values.
    """

    def __init__(self, folder: str | os.PathLike[str], config: Mapping[str, Any]) -> None:
        # Synchronous, as in `training.checkpoints`: buffers may be given to the next step.
        options = ocp.CheckpointManagerOptions(max_to_keep=1, enable_async_checkpointing=False)
        self._config = dict(config)
        self._manager = ocp.CheckpointManager(Path(folder).absolute(), options=options, item_names=("state", "config"))

    def __enter__(self) -> "Snapshots":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._manager.close()

    @property
    def latest(self) -> int:
        """Step of the latest snapshot; 0 if there is none."""
        return self._manager.latest_step() or 0

    def save(self, step: int, state: Any) -> None:
        """Write a snapshot at a step, at least 1; the one before it goes."""
        saved = ocp.args.Composite(state=ocp.args.StandardSave(state), config=ocp.args.JsonSave(self._config))
        self._manager.save(step, args=saved)

    def restore(self, like: Tree) -> Tree:
        """The state of the latest snapshot.

        Args:
            like: a state of the same shapes; its values don't matter.
        """
        abstract = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(np.shape(x), x.dtype, sharding=getattr(x, "sharding", None)), like
        )
        asked = ocp.args.Composite(state=ocp.args.StandardRestore(abstract))
        found: Tree = self._manager.restore(self._manager.latest_step(), args=asked)["state"]
        return found
