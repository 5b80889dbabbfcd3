"""A training as a person watches it: its bar, its history on disk, and a trace of early steps where one is wanted."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import optax
from rich.console import Console

from experiments.history import HistoryWriter
from experiments.profile import StepTrace
from experiments.progress import TrainingBar
from urep_jax.data.epochs import BatchesByStep
from urep_jax.training.fit import Epoch, Fit, FitConfig, Progress, fit
from urep_jax.training.objective import Objective, Params


class Watch:
    """What is to be called with the progress after each step."""

    def __init__(self, history: HistoryWriter, bar: TrainingBar, trace: StepTrace) -> None:
        self._history, self._bar, self._trace = history, bar, trace

    def __call__(self, progress: Progress) -> None:
        """Show and write where the training stands."""
        self._history(progress.history)
        self._bar(progress)
        self._trace(progress)

    def ended(self, history: Sequence[Epoch]) -> None:
        """Write the whole history: a training that had ended before makes no progress."""
        self._history(history)


@contextlib.contextmanager
def watched(folder: Path, title: str, unit: str, console: Console, *, trace: bool = False) -> Iterator[Watch]:
    """Watch a training while the block runs.

    Args:
        folder: where its history goes, made if missing.
        title: which training it is.
        unit: what its validation is called.
        console: where to draw.
        trace: whether early steps are traced, into `profile/`.
    """
    with (
        HistoryWriter(folder) as history,
        TrainingBar(console, title, unit) as bar,
        StepTrace(folder / "profile" if trace else None) as step_trace,
    ):
        yield Watch(history, bar, step_trace)


@dataclasses.dataclass(frozen=True)
class WatchedFit:
    """`fit` with everything that it leaves behind in one folder, watched.

    Attributes:
        folder: its history goes here, and its checkpoints into `checkpoints/`.
        title: which training it is.
        unit: what its validation is called.
        console: where to draw.
        trace: whether early steps are traced, into `profile/`.
    """

    folder: Path
    title: str
    unit: str
    console: Console
    trace: bool = False

    def __call__(
        self,
        objective: Objective,
        optimizer: optax.GradientTransformation,
        batches: BatchesByStep[Any],
        validate: Callable[[Params], tuple[float, Mapping[str, float]]],
        cfg: FitConfig,
        config: Mapping[str, Any],
        start: Callable[[Params], Params] | None = None,
    ) -> Fit:
        """Train, or go on where an earlier call stopped; arguments as of `fit`."""
        folder = self.folder / "checkpoints"
        with watched(self.folder, self.title, self.unit, self.console, trace=self.trace) as watch:
            result = fit(objective, optimizer, batches, validate, cfg, folder, config, watch, start)
            watch.ended(result.history)
        return result
