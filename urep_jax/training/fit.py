"""`fit`: the one training loop. Killed at any moment and called again, it ends where it would have ended."""

import dataclasses
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.experimental import multihost_utils

from urep_jax.data.epochs import BatchesByStep
from urep_jax.training.checkpoints import Checkpoints
from urep_jax.training.layout import TableLayout
from urep_jax.training.objective import Objective, Params, StepInfo, TrainState
from urep_jax.training.parallel import Parallel, ParallelMode, parallelize

_ASKING_TO_END = [getattr(signal, name) for name in ("SIGTERM", "SIGUSR2") if hasattr(signal, name)]
"""Slurm and its launchers announce the end of a job by the second, which Windows lacks."""


@dataclasses.dataclass(frozen=True)
class FitConfig:
    """How long to train, and how to keep it safe.

    Attributes:
        epochs: epochs at most.
        patience: epochs without a better validation before training stops early.
        seed: names every random stream of the run.
        parallel: `jit` or `pmap`.
        table_layout: how tables lie on the devices (`training.layout`).
        readers: threads that make batches ahead; it changes no result.
        checkpoint_every: steps between checkpoints within an epoch; there is one after each epoch besides.
        converged_within: an epoch has converged if its validation is within this of the best.
        average: weight of the past, from 0 up to, but not, 1, in the running mean of the parameters that is taken at
            each epoch's end, validated and given back in their place; 0 gives back the parameters themselves.

    Raises:
        ValueError: if a value is out of range.
    """

    epochs: int = 100
    patience: int = 10
    seed: int = 0
    parallel: ParallelMode = "jit"
    checkpoint_every: int = 1000
    converged_within: float = 0.002
    average: float = 0.0
    table_layout: TableLayout = "copies"
    readers: int = 1

    def __post_init__(self) -> None:
        for name in ("epochs", "patience", "checkpoint_every", "readers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least 1")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}, but must be at least 0")
        if not 0 <= self.average < 1:
            raise ValueError(f"average is {self.average}, but must be from 0 up to, but not, 1")


class Epoch(NamedTuple):
    """One line of a training's history.

    Attributes:
        epoch: from 1.
        step: steps taken by its end.
        loss: mean over its examples.
        validation: the number by which epochs are compared.
        metrics: others that the validation told.
        seconds: how long it trained.
        waited: the seconds of these, at most, in which input was waited for and the device had nothing to do.
    """

    epoch: int
    step: int
    loss: float
    validation: float
    metrics: dict[str, float]
    seconds: float
    waited: float

    @property
    def share_waited(self) -> float:
        """Of the time, from 0 to 1."""
        return self.waited / self.seconds if self.seconds else 0.0


class Progress(NamedTuple):
    """Where a running training stands, for whoever watches it."""

    step: int
    num_steps: int
    steps_per_epoch: int
    examples_per_second: float
    waited: float
    """Share of the epoch's time in which input was waited for and the device had nothing to do."""
    loss: float
    history: list[Epoch]


class Fit(NamedTuple):
    """What a training gives back.

    Attributes:
        params: the parameters with the best validation. Tables that are cut by rows stay so, and end in rows of zeros.
        best: the epoch they come from.
        history: every epoch.
        epochs_to_convergence: the first epoch whose validation is within `converged_within` of the best.
    """

    params: Params
    best: Epoch
    history: list[Epoch]
    epochs_to_convergence: int


class Diverged(RuntimeError):
    """The loss or its gradient stopped being a number."""


class Interrupted(SystemExit):
    """The run was asked to end (SIGTERM, SIGUSR2) and has saved where it was. The exit status is the signal's."""


def fit(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    batches: BatchesByStep[Any],
    validate: Callable[[Params], tuple[float, Mapping[str, float]]],
    cfg: FitConfig,
    folder: str | os.PathLike[str],
    config: Mapping[str, Any],
    on_progress: Callable[[Progress], None] = lambda progress: None,
    start: Callable[[Params], Params] | None = None,
) -> Fit:
    """Train until the validation stops rising, and return the best parameters.

    Checkpoints go to `folder`; if it holds some, the training goes on from the latest one, and its result is bit for
    bit that of a training that never stopped.

    Args:
        objective: what learns.
        optimizer: an optax optimiser.
        batches: what it learns from.
        validate: `validate(params) -> (value, metrics)`: the number by which epochs are compared, more is better, and
            others to be recorded.
        cfg: how long to train.
        folder: where checkpoints lie.
        config: stored with every checkpoint, plain JSON values.
        on_progress: called after each step, and after each validation.
        start: makes the parameters to begin with out of fresh ones (`training.warm_start`); None begins with these.

    Raises:
        Diverged: if the loss is no number any more; names the step, the batch's sequences and the last checkpoint.
        Interrupted: on SIGTERM or SIGUSR2, after a checkpoint. Where the process has a handler of its own for the
            signal, as a cluster's jobs have that are put into the queue again, that one is called instead, and if it
            returns, the training goes on.
    """
    parallel = parallelize(objective, optimizer, cfg.seed, batches.batch_size, cfg.parallel, cfg.table_layout)
    with Checkpoints(folder, config, parallel.rows) as checkpoints, _HeldSignals() as signals:
        loop = _Loop(parallel, batches, cfg, checkpoints, start)
        while not loop.finished:
            if loop.due_for_validation:
                value, metrics = validate(loop.epoch_params())
                loop.end_epoch(value, metrics)
            else:
                loop.advance()
            on_progress(loop.progress())
            signals.look(loop.step)
            # An epoch is ended first: a checkpoint of its last step has the validation in its books.
            if signals.due and not loop.due_for_validation:
                loop.save()
                signals.deliver()
        result = loop.result()
        signals.deliver()
        return result


class _Loop:
    """The moving parts of `fit`: state, iterator, and the books that are kept beside them."""

    def __init__(
        self,
        parallel: Parallel,
        batches: BatchesByStep[Any],
        cfg: FitConfig,
        checkpoints: Checkpoints,
        start: Callable[[Params], Params] | None,
    ) -> None:
        self.parallel, self.batches, self.cfg, self.checkpoints = parallel, batches, cfg, checkpoints
        self.steps_per_epoch = batches.steps_per_epoch
        self.num_steps = cfg.epochs * self.steps_per_epoch
        self.iterator = batches.iterate(self.num_steps, parallel.part, cfg.readers)
        self.average: Params | None = None
        self.step = 0
        self.history: list[Epoch] = []
        self._empty_books()
        self._last: StepInfo | None = None
        self._rate, self._clock = 0.0, time.perf_counter()
        if checkpoints.latest is not None:
            self._resume()
            return
        self.state: TrainState = parallel.init()
        if start is not None:
            fresh = parallel.get_state(self.state)
            self.state = parallel.put_state(fresh._replace(params=start(fresh.params)))

    def _resume(self) -> None:
        stored, self.average, books = self.checkpoints.restore(self.parallel.stored_like)
        self.state, self.step = self.parallel.from_stored(stored), int(stored.step)
        self.iterator.set_state(books["batches"])
        self.history = [Epoch(**line) for line in books["history"]]
        self.loss_sum, self.weight_sum = books["loss_sum"], books["weight_sum"]
        self.seconds, self.waited = books["seconds"], books["waited"]

    def _empty_books(self) -> None:
        self.loss_sum, self.weight_sum, self.seconds, self.waited = 0.0, 0.0, 0.0, 0.0

    @property
    def best(self) -> Epoch | None:
        return max(self.history, key=lambda epoch: epoch.validation, default=None)

    @property
    def due_for_validation(self) -> bool:
        return self.step == (len(self.history) + 1) * self.steps_per_epoch

    @property
    def finished(self) -> bool:
        epochs = len(self.history)
        stale = self.best is not None and epochs - self.best.epoch >= self.cfg.patience
        return stale or epochs >= self.cfg.epochs

    def advance(self) -> None:
        """Take one step, and look at the one before: the device is never waited for while it has work."""
        asked = time.perf_counter()
        batch = self.parallel.put_batch(next(self.iterator))
        if self._last is None or self._last.loss.is_ready():
            self.waited += time.perf_counter() - asked
        self.state, info = self.parallel.step(self.parallel.key, self.state, batch)
        self._book_last()
        self.step, self._last = self.step + 1, info
        now = time.perf_counter()
        rate = self.batches.batch_size / (now - self._clock)
        self._rate = rate if not self._rate else 0.9 * self._rate + 0.1 * rate
        self.seconds, self._clock = self.seconds + now - self._clock, now
        if self.step % self.cfg.checkpoint_every == 0 and not self.due_for_validation:
            self.save()

    def _book_last(self) -> None:
        if self._last is None:
            return
        info, self._last = jax.device_get(self._last), None
        if not (np.isfinite(info.loss) and np.isfinite(info.grad_norm)):
            at = self.step - 1
            good = self.checkpoints.latest
            raise Diverged(
                f"loss is {info.loss} and the gradient's norm {info.grad_norm} at step {at}, on sequences "
                f"{', '.join(self.batches.sequence_ids(at))}. "
                + (f"The last good checkpoint is {self.checkpoints.folder / str(good)}" if good is not None else "")
                + "; lower the learning rate, or look at those sequences"
            )
        self.loss_sum += float(info.loss) * float(info.weight)
        self.weight_sum += float(info.weight)

    def epoch_params(self) -> Params:
        """The parameters that stand for the epoch that ends now; asked for once, as it moves the mean along."""
        if not self.cfg.average:
            return self.parallel.params(self.state)
        now = self.parallel.stored(self.state).params
        # The first mean is a copy: the next step is given the state to write over.
        old, share = (now, 0.0) if self.average is None else (self.average, 1 - self.cfg.average)
        self.average = self.parallel.mean(old, now, share)
        return self.average

    def end_epoch(self, value: float, metrics: Mapping[str, float]) -> None:
        self._book_last()
        if not np.isfinite(value):
            raise Diverged(f"validation is {value} after step {self.step}, but must be a number to compare epochs by")
        loss = self.loss_sum / max(self.weight_sum, 1.0)
        epoch = Epoch(len(self.history) + 1, self.step, loss, float(value), dict(metrics), self.seconds, self.waited)
        self.history.append(epoch)
        self._empty_books()
        self.save()
        self._clock = time.perf_counter()

    def save(self) -> None:
        self._book_last()
        books = {
            "best_step": self.best.step if self.best else -1,
            "history": [epoch._asdict() for epoch in self.history],
            "loss_sum": self.loss_sum,
            "weight_sum": self.weight_sum,
            "seconds": self.seconds,
            "waited": self.waited,
            "batches": self.iterator.get_state(),
        }
        self.checkpoints.save(self.parallel.stored(self.state), self.average, books)

    def progress(self) -> Progress:
        loss = self.loss_sum / self.weight_sum if self.weight_sum else float("nan")
        waited = self.waited / self.seconds if self.seconds else 0.0
        return Progress(self.step, self.num_steps, self.steps_per_epoch, self._rate, waited, loss, self.history)

    def result(self) -> Fit:
        best = self.best
        assert best is not None
        params = jax.tree.map(jnp.asarray, self.checkpoints.params(best.step, self.parallel.stored_like.params))
        converged = next(e for e in self.history if e.validation >= best.validation - self.cfg.converged_within)
        return Fit(params, best, self.history, converged.epoch)


class _HeldSignals:
    """Holds back the signals that ask a process to end, while it is entered, so that it can save before it does.

    Of several processes each takes part in every step, so all of them have to save and stop at the same one. Of
    SIGTERM JAX itself tells the others then, and settles with them which step that is.
    """

    def __init__(self) -> None:
        self.due = False
        self._received: list[int] = []
        self._before: dict[int, Any] = {}
        self._alone = jax.process_count() == 1

    def __enter__(self) -> "_HeldSignals":
        # Signals reach the main thread only; elsewhere there is nothing to take over.
        if threading.current_thread() is threading.main_thread():
            taken = (number for number in _ASKING_TO_END if self._alone or number != signal.SIGTERM)
            self._before = {number: signal.signal(number, self._note) for number in taken}
        return self

    def _note(self, number: int, _: object) -> None:
        self._received.append(number)
        if not self._alone:
            os.kill(os.getpid(), signal.SIGTERM)

    def look(self, step: int) -> None:
        """Whether it is `due` to save and stop; to be called after each step."""
        if self._alone:
            self.due = bool(self._received)
        else:
            self.due |= multihost_utils.reached_preemption_sync_point(step)

    def deliver(self) -> None:
        """Do now what would have been done when the signals came."""
        while self._received:
            number = self._received.pop(0)
            handler = self._before[number]
            if not callable(handler):
                raise Interrupted(128 + number)
            handler(number, None)
        if self.due and not self._alone:
            raise Interrupted(128 + signal.SIGTERM)
        self.due = False

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
