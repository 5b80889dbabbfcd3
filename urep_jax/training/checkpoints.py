"""Checkpoints: state, input iterator, progress and config together, written whole or not at all."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import grain
import jax
import numpy as np
import orbax.checkpoint as ocp

from urep_jax.training.objective import Params, TrainState

_ITEMS = ("params", "average", "rest", "batches", "progress", "config")


class _LatestAndBest:
    """Keeps the latest checkpoint, to continue from, and the best, to use."""

    best: int | None = None

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> Sequence[bool]:
        latest = max((c.step for c in checkpoints), default=None)
        return [c.step in (latest, self.best) for c in checkpoints]


class Checkpoints:
    """The checkpoints of one training, in one folder. Use as a context manager.

    Args:
        folder: where they lie; made if missing.
        config: what `restore` needs to build the model again, plain JSON values.
    """

    def __init__(self, folder: str | os.PathLike[str], config: Mapping[str, Any]) -> None:
        self.folder = Path(folder).absolute()
        self.config = dict(config)
        self._keep = _LatestAndBest()
        self._manager = _manager(self.folder, preservation_policy=self._keep)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._manager.close()

    @property
    def latest(self) -> int | None:
        """Step of the latest checkpoint."""
        return self._manager.latest_step()

    def save(
        self,
        state: TrainState,
        average: Params | None,
        batches: grain.DatasetIterator,
        progress: Mapping[str, Any],
    ) -> None:
        """Write a checkpoint of the state at its step; one that lies there already is the same and is left.

        Args:
            state: on the host.
            average: the parameters that are used in place of the state's, if there are any.
            batches: the input iterator, having given exactly the batches up to the state's step.
            progress: what the loop knows besides, plain JSON values; `best_step` names the checkpoint to keep.
        """
        step = int(state.step)
        if step in self._manager.all_steps():
            return
        self._keep.best = progress["best_step"]
        rest = {"step": np.asarray(state.step), "opt_state": state.opt_state}
        averaged = {} if average is None else {"average": ocp.args.StandardSave(average)}
        self._manager.save(
            step,
            args=ocp.args.Composite(
                params=ocp.args.StandardSave(state.params),
                **averaged,
                rest=ocp.args.StandardSave(rest),
                batches=grain.checkpoint.CheckpointSave(batches),
                progress=ocp.args.JsonSave(dict(progress)),
                config=ocp.args.JsonSave(self.config),
            ),
        )

    def restore(
        self, like: TrainState, batches: grain.DatasetIterator
    ) -> tuple[TrainState, Params | None, dict[str, Any]]:
        """The latest checkpoint's state, averaged parameters and progress; `batches` is moved to where it was.

        Args:
            like: a state of the same shapes; its values don't matter.
            batches: an iterator over the same batches, at any place.
        """
        rest_like = {"step": like.step, "opt_state": like.opt_state}
        latest = self._manager.latest_step()
        averages = _averaged(self._manager, latest)
        averaged = {"average": ocp.args.StandardRestore(_abstract(like.params))} if averages else {}
        found = self._manager.restore(
            latest,
            args=ocp.args.Composite(
                params=ocp.args.StandardRestore(_abstract(like.params)),
                **averaged,
                rest=ocp.args.StandardRestore(_abstract(rest_like)),
                batches=grain.checkpoint.CheckpointRestore(batches),
                progress=ocp.args.JsonRestore(),
            ),
        )
        state = TrainState(found["rest"]["step"], found["params"], found["rest"]["opt_state"])
        return state, found["average"] if averaged else None, found["progress"]

    def params(self, step: int, like: Params) -> Params:
        """The parameters to use of the checkpoint at `step`, on one device."""
        return _restore_params(self._manager, step, like)


def read_config(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The config that the latest checkpoint in `folder` was saved with.

    Raises:
        FileNotFoundError: if the folder holds no checkpoint.
    """
    with _existing(folder) as manager:
        return manager.restore(manager.latest_step(), args=ocp.args.Composite(config=ocp.args.JsonRestore()))["config"]


def read_best_params(folder: str | os.PathLike[str], like: Params) -> tuple[int, Params]:
    """Step and parameters of the best checkpoint in `folder`, on one device, whatever they were trained on.

    Args:
        folder: a training's checkpoints.
        like: parameters of the same shapes, `jax.eval_shape` of `init` will do.

    Raises:
        FileNotFoundError: if the folder holds no checkpoint, or none that was validated.
    """
    with _existing(folder) as manager:
        latest = manager.latest_step()
        progress = manager.restore(latest, args=ocp.args.Composite(progress=ocp.args.JsonRestore()))["progress"]
        best: int = progress["best_step"]
        if best < 0:
            raise FileNotFoundError(
                f"{folder} holds a training that hasn't ended its first epoch; repeat the run's command to continue it"
            )
        return best, _restore_params(manager, best, like)


def _restore_params(manager: ocp.CheckpointManager, step: int, like: Params) -> Params:
    one = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    abstract = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=one), like)
    item = "average" if _averaged(manager, step) else "params"
    return manager.restore(step, args=ocp.args.Composite(**{item: ocp.args.StandardRestore(abstract)}))[item]


def _averaged(manager: ocp.CheckpointManager, step: int | None) -> bool:
    """Whether a checkpoint holds averaged parameters."""
    return (Path(manager.directory) / str(step) / "average").is_dir()


def _existing(folder: str | os.PathLike[str]) -> ocp.CheckpointManager:
    manager = _manager(Path(folder).absolute(), create=False) if Path(folder).is_dir() else None
    if manager is None or manager.latest_step() is None:
        raise FileNotFoundError(f"{folder} holds no checkpoint; name the folder of a run that has trained")
    return manager


def _manager(folder: Path, **options: Any) -> ocp.CheckpointManager:
    # Synchronous: an asynchronous save would read buffers that the next step is given to write over.
    options = ocp.CheckpointManagerOptions(enable_async_checkpointing=False, **options)
    return ocp.CheckpointManager(folder, options=options, item_names=_ITEMS)


def _abstract(tree: Any) -> Any:
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(np.shape(x), x.dtype, sharding=getattr(x, "sharding", None)), tree
    )
