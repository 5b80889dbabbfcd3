"""Checkpoints: state, place of the input, progress and config together, written whole or not at all."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from urep_jax.training.objective import Params, TrainState

_ROWS = "rows"
"""In the progress, how many rows each table has: where they are as many as are wanted, only zeros are added or cut."""
_ITEMS = ("params", "average", "rest", "progress", "config")


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
        rows: how many rows each table has. It may be stored with more of zeros, so many as its devices cut evenly.
    """

    def __init__(
        self, folder: str | os.PathLike[str], config: Mapping[str, Any], rows: Mapping[str, int] | None = None
    ) -> None:
        self.folder = Path(folder).absolute()
        self.config, self.rows = dict(config), dict(rows or {})
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
        progress: Mapping[str, Any],
    ) -> None:
        """Write a checkpoint of the state at its step; one that lies there already is the same and is left.

        Of what is spread over several processes each writes its own parts, so all of them have to call.

        Args:
            state: wherever it lies.
            average: the parameters that are used in place of the state's, if there are any.
            progress: what the loop knows besides, the place of the input iterator too, plain JSON values; `best_step`
                names the checkpoint to keep.
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
                progress=ocp.args.JsonSave({**progress, _ROWS: self.rows}),
                config=ocp.args.JsonSave(self.config),
            ),
        )

    def restore(self, like: TrainState) -> tuple[TrainState, Params | None, dict[str, Any]]:
        """The latest checkpoint's state, averaged parameters and progress.

        Args:
            like: a state of the same shapes that says by its shardings where to; host arrays stay on the host.
        """
        latest = self._manager.latest_step()
        progress = _progress(self._manager, latest)
        restored = partial(ocp.args.StandardRestore, strict=progress[_ROWS] != self.rows)
        averaged = {"average": restored(_abstract(like.params))} if _averaged(self._manager, latest) else {}
        found = self._manager.restore(
            latest,
            args=ocp.args.Composite(
                params=restored(_abstract(like.params)),
                **averaged,
                rest=restored(_abstract({"step": like.step, "opt_state": like.opt_state})),
            ),
        )
        state = TrainState(found["rest"]["step"], found["params"], found["rest"]["opt_state"])
        return state, found["average"] if averaged else None, progress

    def params(self, step: int, like: Params) -> Params:
        """The parameters to use of the checkpoint at `step`; `like` as in `restore`."""
        return _restore_params(self._manager, step, like, self.rows)


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
        progress = _progress(manager, manager.latest_step())
        best: int = progress["best_step"]
        if best < 0:
            raise FileNotFoundError(
                f"{folder} holds a training that hasn't ended its first epoch; repeat the run's command to continue it"
            )
        on_host = jax.tree.map(lambda x: np.empty(x.shape, x.dtype), like)
        rows = {name: len(on_host["tables"][name]) for name in progress[_ROWS]}
        return best, jax.device_put(_restore_params(manager, best, on_host, rows), jax.local_devices()[0])


def _restore_params(manager: ocp.CheckpointManager, step: int, like: Params, rows: Mapping[str, int]) -> Params:
    strict = _progress(manager, step)[_ROWS] != rows
    item = "average" if _averaged(manager, step) else "params"
    args = ocp.args.Composite(**{item: ocp.args.StandardRestore(_abstract(like), strict=strict)})
    return manager.restore(step, args=args)[item]


def _progress(manager: ocp.CheckpointManager, step: int | None) -> dict[str, Any]:
    return manager.restore(step, args=ocp.args.Composite(progress=ocp.args.JsonRestore()))["progress"]


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
    """Shapes to be restored onto devices; what is on the host stays there."""

    def one(x: Any) -> Any:
        return x if isinstance(x, np.ndarray) else jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding)

    return jax.tree.map(one, tree)
