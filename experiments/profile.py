"""A trace of some training steps, for TensorBoard or Perfetto."""

from pathlib import Path
from types import TracebackType

import jax

from urep_jax.training.fit import Progress

_SKIPPED, _TRACED = 10, 10
"""Steps before the trace begins, compilation among them, and steps that it holds."""


class StepTrace:
    """Writes a trace of a training's early steps. Use as a context manager, and call it after each step.

    Args:
        folder: where the trace goes; None writes none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._first: int | None = None
        self._running = False

    def __enter__(self) -> "StepTrace":
        return self

    def __call__(self, progress: Progress) -> None:
        """Begin or end the trace, if it is time."""
        if self._folder is None:
            return
        if self._first is None:
            self._first = progress.step
        taken = progress.step - self._first
        if taken == _SKIPPED and not self._running:
            jax.profiler.start_trace(str(self._folder))
            self._running = True
        elif taken == _SKIPPED + _TRACED:
            self._stop()

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._running:
            jax.profiler.stop_trace()
            self._running = False
            self._folder = None
