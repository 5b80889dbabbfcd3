"""The loop: stops early, refuses NaN, and after a kill ends where it would have ended."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.training.tiny import tiny_fit, tiny_training
from urep_jax.core.mesh import Part
from urep_jax.data.epochs import BatchesByStep
from urep_jax.training.checkpoints import read_best_params, read_config
from urep_jax.training.fit import Diverged, Fit, FitConfig, Interrupted, Progress, fit
from urep_jax.training.objective import TableMode
from urep_jax.training.optimizers import adam


class Killed(Exception):
    """Stands in for a kill at a step."""


def assert_same(a: Fit, b: Fit) -> None:
    """Two trainings ended in the same parameters, to the bit, with the same books."""
    jax.tree.map(np.testing.assert_array_equal, a.params, b.params)
    for one, other in zip(a.history, b.history, strict=True):
        assert one._replace(seconds=0, waited=0) == other._replace(seconds=0, waited=0)
    assert a.epochs_to_convergence == b.epochs_to_convergence


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Fit:
    """The training that nobody stopped."""
    return tiny_fit(tmp_path_factory.mktemp("unbroken"))


@pytest.mark.parametrize("mode", ["jit", "pmap"])
def test_killed_again_and_again_it_ends_where_it_would_have_ended(tmp_path: Path, mode: str) -> None:
    unbroken = tiny_fit(tmp_path / "unbroken", parallel=mode)
    for step in (1, 3, 5, 6, 8, 12, 14):

        def kill(progress: Progress, step: int = step) -> None:
            if progress.step == step:
                raise Killed

        with pytest.raises(Killed):
            tiny_fit(tmp_path / "killed", kill, parallel=mode)
    assert_same(tiny_fit(tmp_path / "killed", parallel=mode), unbroken)


@pytest.mark.parametrize("mode", ["jit", "pmap"])
def test_the_mean_over_epochs_is_validated_and_given_back(tmp_path: Path, mode: str) -> None:
    at_epochs: list[Any] = []
    objective, batches = tiny_training()
    cfg = FitConfig(epochs=3, seed=3, parallel=mode)

    def validate(params: Any) -> tuple[float, dict[str, float]]:
        at_epochs.append(jax.device_get(params))
        return float(len(at_epochs)), {}

    def trained(folder: Path, average: float) -> Fit:
        at_epochs.clear()
        averaging = dataclasses.replace(cfg, average=average)
        return fit(objective, adam(0.01), batches, validate, averaging, folder, {})

    trained(tmp_path / "plain", 0.0)
    one, two, three = at_epochs
    mean = jax.tree.map(lambda a, b, c: 0.75 * (0.75 * a + 0.25 * b) + 0.25 * c, one, two, three)
    averaged = trained(tmp_path / "averaged", 0.75)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-7), at_epochs[2], mean)
    jax.tree.map(np.testing.assert_array_equal, averaged.params, at_epochs[2])
    like = jax.eval_shape(objective.init, jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, read_best_params(tmp_path / "averaged", like)[1], averaged.params)


def test_a_mean_over_epochs_is_continued_to_the_bit(tmp_path: Path) -> None:
    unbroken = tiny_fit(tmp_path / "unbroken", average=0.5)
    # Before the first mean, at the end of an epoch, and within a later one.
    for step in (3, 10, 12):

        def kill(progress: Progress, step: int = step) -> None:
            if progress.step == step:
                raise Killed

        with pytest.raises(Killed):
            tiny_fit(tmp_path / "killed", kill, average=0.5)
    assert_same(tiny_fit(tmp_path / "killed", average=0.5), unbroken)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_on_a_signal_it_saves_and_goes_on_from_there(unbroken: Fit, tmp_path: Path, number: signal.Signals) -> None:
    def terminate(progress: Progress) -> None:
        if progress.step == 7:
            os.kill(os.getpid(), number)

    with pytest.raises(Interrupted) as stopped:
        tiny_fit(tmp_path, terminate)
    assert stopped.value.code == 128 + number
    assert signal.getsignal(number) == signal.SIG_DFL
    steps: list[int] = []
    assert_same(tiny_fit(tmp_path, lambda progress: steps.append(progress.step)), unbroken)
    assert steps[0] == 8, "nothing is done twice"


@pytest.mark.parametrize("ends", [True, False], ids=["it ends the process", "it returns"])
def test_a_handler_of_the_process_is_called_when_all_is_saved(unbroken: Fit, tmp_path: Path, ends: bool) -> None:
    saved: list[bool] = []

    def handler(number: int, _: object) -> None:
        saved.append((tmp_path / "7" / "progress").exists())
        if ends:
            # As the handler does that asks a cluster to queue the job again.
            sys.exit(144)

    def preempt(progress: Progress) -> None:
        if progress.step == 7 and not saved:
            os.kill(os.getpid(), signal.SIGUSR2)
            assert not saved

    before = signal.signal(signal.SIGUSR2, handler)
    try:
        if ends:
            with pytest.raises(SystemExit) as stopped:
                tiny_fit(tmp_path, preempt)
            assert stopped.value.code == 144
        assert_same(tiny_fit(tmp_path, preempt), unbroken)
        assert signal.getsignal(signal.SIGUSR2) is handler
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert saved == [True]


@pytest.mark.parametrize("step", [5, 10, 15])
def test_on_sigterm_at_an_epochs_last_step_the_epoch_is_ended_first(unbroken: Fit, tmp_path: Path, step: int) -> None:
    assert unbroken.history[0].step == 5

    def terminate(progress: Progress) -> None:
        if progress.step == step and len(progress.history) < step // 5:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        tiny_fit(tmp_path, terminate)
    objective, _ = tiny_training()
    like = jax.eval_shape(objective.init, jax.random.key(0))
    best = max(unbroken.history[: step // 5], key=lambda epoch: epoch.validation)
    assert read_best_params(tmp_path, like)[0] == best.step, "what can be restored is what was validated"
    assert_same(tiny_fit(tmp_path), unbroken)
    assert read_best_params(tmp_path, like)[0] == unbroken.best.step


def test_sigterm_during_the_last_validation_is_not_lost(unbroken: Fit, tmp_path: Path) -> None:
    def terminate(progress: Progress) -> None:
        if len(progress.history) == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        tiny_fit(tmp_path, terminate)
    assert_same(tiny_fit(tmp_path), unbroken)


def test_before_the_first_epoch_has_ended_there_is_nothing_to_restore(tmp_path: Path) -> None:
    def terminate(progress: Progress) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        tiny_fit(tmp_path, terminate)
    objective, _ = tiny_training()
    with pytest.raises(FileNotFoundError, match="hasn't ended its first epoch; repeat the run's command"):
        read_best_params(tmp_path, jax.eval_shape(objective.init, jax.random.key(0)))


def test_on_sigkill_from_outside_it_goes_on_too(unbroken: Fit, tmp_path: Path) -> None:
    code = f"from tests.training.tiny import tiny_fit; from pathlib import Path; tiny_fit(Path({str(tmp_path)!r}))"
    child = subprocess.Popen([sys.executable, "-c", code])
    while not any(tmp_path.glob("[0-9]*")):
        time.sleep(0.01)
        assert child.poll() is None, "it ended before it was killed"
    child.kill()
    child.wait()
    assert_same(tiny_fit(tmp_path), unbroken)


@pytest.mark.parametrize("mode", ["jit", "pmap"])
@pytest.mark.parametrize("tables", ["dense", "sparse"])
def test_the_step_is_traced_once(tmp_path: Path, mode: str, tables: TableMode) -> None:
    """Epochs end, checkpoints are written and a stopped training goes on, and nothing is traced anew for that."""
    objective, batches = tiny_training(tables)
    traced: list[int] = []

    def counted(loss: Any) -> Any:
        def call(*args: Any) -> Any:
            traced.append(1)
            return loss(*args)

        return call

    assert objective.row_wise is not None
    row_wise = objective.row_wise._replace(loss=counted(objective.row_wise.loss))
    objective = objective._replace(loss=counted(objective.loss), row_wise=row_wise)
    after_steps: list[int] = []
    cfg = FitConfig(epochs=3, seed=3, checkpoint_every=2, parallel=mode)

    def note(progress: Progress) -> None:
        after_steps.append(len(traced))

    fit(objective, adam(0.01), batches, lambda params: (0.0, {}), cfg, tmp_path, {}, note)
    assert len(after_steps) == 3 * batches.steps_per_epoch + 3
    assert after_steps[0] == after_steps[-1] > 0


def test_how_many_read_changes_nothing(tmp_path: Path) -> None:
    one, three = (tiny_fit(tmp_path / str(readers), readers=readers) for readers in (1, 3))
    jax.tree.map(np.testing.assert_array_equal, one.params, three.params)
    assert [epoch.loss for epoch in one.history] == [epoch.loss for epoch in three.history]
    with pytest.raises(ValueError, match="readers is 0, but must be at least 1"):
        FitConfig(readers=0)


@pytest.mark.parametrize("slow", ["input", "step"])
def test_time_without_input_is_told(tmp_path: Path, slow: str) -> None:
    """Waiting for input counts while the device has nothing to do, and not while a step goes on."""
    objective, batches = tiny_training("dense")
    # Many times what a batch, or a step of so small a model, takes.
    nap = partial(time.sleep, 0.2)

    class Batches(BatchesByStep):
        batch_size, steps_per_epoch, sequence_ids = batches.batch_size, batches.steps_per_epoch, batches.sequence_ids

        def read(self, step: int, part: Part) -> Any:
            if slow == "input":
                nap()
            return batches.read(step, part)

    def loss(*args: Any) -> Any:
        if slow == "step":
            jax.debug.callback(nap)
        return objective.loss(*args)

    told: list[Progress] = []
    cfg = FitConfig(epochs=2, seed=3)
    watched = objective._replace(loss=loss)
    history = fit(watched, adam(0.01), Batches(), lambda _: (0.0, {}), cfg, tmp_path, {}, told.append).history
    # The first epoch compiles.
    assert (history[1].share_waited > 0.5) == (slow == "input")
    assert history[1].waited <= history[1].seconds
    largest = max(progress.waited for progress in told if progress.step > batches.steps_per_epoch + 1)
    assert (largest > 0.5) == (slow == "input")


def test_the_best_epoch_is_kept_and_patience_ends_it(tmp_path: Path) -> None:
    objective, batches = tiny_training()
    values = iter([0.5, 0.7, 0.699, 0.6, 0.7])
    seen = []

    def validate(params: dict) -> tuple[float, dict[str, float]]:
        seen.append(jax.device_get(params))
        return next(values), {"more": 1.0}

    result = fit(objective, adam(0.01), batches, validate, FitConfig(epochs=9, patience=3), tmp_path, {"a": [1]})
    assert [epoch.validation for epoch in result.history] == [0.5, 0.7, 0.699, 0.6, 0.7]
    assert result.best.epoch == 2, "the first of equals"
    assert result.epochs_to_convergence == 2
    jax.tree.map(np.testing.assert_array_equal, result.params, seen[1])
    assert len(list(tmp_path.glob("[0-9]*"))) == 2, "the latest and the best"
    assert read_config(tmp_path) == {"a": [1]}
    step, params = read_best_params(tmp_path, jax.eval_shape(objective.init, jax.random.key(0)))
    assert step == 2 * batches.steps_per_epoch
    jax.tree.map(np.testing.assert_array_equal, params, seen[1])


def test_a_loss_that_is_no_number_is_told_with_its_place(tmp_path: Path) -> None:
    objective, batches = tiny_training()
    bad = batches.sequence_ids(6)[0]

    def loss(params: dict, batch: tuple, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        total, weight = objective.loss(params, batch, key)
        return jnp.where(batch[0].row[0] == -1, jnp.nan, total), weight

    class Poisoned(type(batches)):
        def read(self, step: int, part: Part) -> tuple:
            first, *rest = super().read(step, part)
            return (first._replace(row=first.row - (step == 6)), *rest)

    batches.__class__ = Poisoned
    cfg = FitConfig(epochs=3, checkpoint_every=2)
    with pytest.raises(Diverged) as told:
        fit(objective._replace(loss=loss), adam(0.01), batches, lambda _: (0.0, {}), cfg, tmp_path, {})
    assert "at step 6" in str(told.value)
    assert bad in str(told.value)
    assert str(tmp_path / "6") in str(told.value), "the last good checkpoint"


def test_a_folder_without_checkpoints_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no checkpoint"):
        read_config(tmp_path / "nothing")
    with pytest.raises(ValueError, match="patience is 0"):
        FitConfig(patience=0)
