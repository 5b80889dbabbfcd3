"""What a person sees while a training runs: a bar in a terminal, a line for each epoch elsewhere."""

import threading
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from urep_jax.training.fit import Progress as FitProgress

_WORTH_TELLING = 0.02
"""Share of the time in which input is waited for."""


def _bar(console: Console, *told: str, left: str) -> Progress:
    """A bar that leaves nothing behind, with columns of a task's fields, and the time that has passed and is left."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        *map(TextColumn, told),
        TimeElapsedColumn(),
        TextColumn(left),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


class TrainingBar:
    """A bar over the epochs of one training. Call it with the progress after each step.

    Args:
        console: where to draw.
        title: which training it is.
        unit: what `validation` is called.
    """

    def __init__(self, console: Console, title: str, unit: str = "validation") -> None:
        self._console, self._title, self._unit = console, title, unit
        self._bar = _bar(
            console,
            "{task.fields[epoch]}  loss {task.fields[loss]}  {task.fields[rate]} examples/s{task.fields[waited]}",
            "{task.fields[best]}",
            left="left at most",
        )
        self._task = self._bar.add_task(title, total=None, epoch="", loss="", rate="", waited="", best="")
        self._told = 0

    def __enter__(self) -> "TrainingBar":
        self._bar.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()

    def __call__(self, progress: FitProgress) -> None:
        """Show where the training stands."""
        history = progress.history
        best = max((e.validation for e in history), default=None)
        epochs = progress.num_steps // progress.steps_per_epoch
        self._bar.update(
            self._task,
            total=progress.num_steps,
            completed=progress.step,
            epoch=f"epoch {min(1 + (progress.step - 1) // progress.steps_per_epoch, epochs)}/{epochs}",
            loss=f"{progress.loss:.3f}",
            rate=f"{progress.examples_per_second:,.0f}",
            # Told where it is worth a look: then the device could do more, if it were fed.
            waited=f", {progress.waited:.0%} of it waiting for input" if progress.waited > _WORTH_TELLING else "",
            best=f"best {self._unit} {best:.3f}" if best is not None else "",
        )
        if not self._console.is_terminal:
            for epoch in history[self._told :]:
                self._console.print(
                    f"{self._title}: epoch {epoch.epoch}/{epochs}  loss {epoch.loss:.3f}  {self._unit} "
                    f"{epoch.validation:.3f}  {epoch.seconds:.1f} s, input {epoch.share_waited:.1%}",
                    soft_wrap=True,
                )
            self._told = len(history)


class WorkBar:
    """A bar over some work that is done piece by piece; elsewhere than in a terminal, a line for each tenth of it.

    Args:
        console: where to draw.
        title: what is done.
        total: pieces of it.
        done: pieces that an earlier call did.
    """

    def __init__(self, console: Console, title: str, total: int, done: int = 0) -> None:
        self._console, self._title, self._total = console, title, total
        self._begun, self._done, self._told, self._first = time.monotonic(), done, done, done
        self._lock = threading.Lock()
        self._bar = _bar(console, "{task.fields[said]}", left="left")
        self._task = self._bar.add_task(title, total=total, completed=done, said="")

    def __enter__(self) -> "WorkBar":
        self._bar.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()

    def advance(self, pieces: int = 1, said: str = "") -> None:
        """So many more are done; any thread may tell.

        Args:
            pieces: how many.
            said: what is told beside the bar, such as the latest reward.
        """
        with self._lock:
            self._done += pieces
            self._bar.update(self._task, completed=self._done, said=said)
            is_tenth = 10 * (self._done - self._told) >= self._total or self._done >= self._total
            if self._console.is_terminal or not is_tenth:
                return
            self._told = self._done
            took = time.monotonic() - self._begun
            left = took / max(self._done - self._first, 1) * (self._total - self._done)
            words = [f"{self._title}: {self._done / self._total:.0%}", *([said] if said else [])]
            self._console.print("  ".join([*words, f"{took:.0f} s, {left:.0f} s left"]), soft_wrap=True)
