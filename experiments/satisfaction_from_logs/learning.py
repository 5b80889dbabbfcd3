"""Learning a model from logs: watched, and gone on with where an earlier call stopped."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from rich.console import Console

from experiments.satisfaction_from_logs.logged import OTHER_TRAIN, OTHER_VALIDATION, TRAIN, VALIDATION, Logged
from experiments.satisfaction_from_logs.settings import Learning
from experiments.watch import WatchedFit
from urep_jax.data.response_windows import ResponseWindows, window_features
from urep_jax.models.response_model import ResponseConfig
from urep_jax.training.fit import Batches, FitConfig
from urep_jax.training.objective import Objective
from urep_jax.training.optimizers import adam, learning_rates
from urep_jax.training.response import response_objective


class Learnt(NamedTuple):
    """What was learnt.

    Attributes:
        params: the model's parameters.
        model: its size.
    """

    params: Any
    model: ResponseConfig


def windows_of(logged: Logged, how: Learning) -> dict[str, ResponseWindows]:
    """All logs as windows that the response model reads, by the part's name.

    Args:
        logged: the logs.
        how: it is learnt.
    """
    styles = logged.num_styles
    window = how.sized(1, 1, 1).window
    return {
        name: ResponseWindows(part.log, part.vectors, logged.items, styles, window, how.batch_size, logged.seed)
        for name, part in logged.parts.items()
    }


def learn_both(
    logged: Logged, windows: Mapping[str, ResponseWindows], how: Learning, folder: Path, console: Console
) -> tuple[Learnt, Learnt]:
    """Two response models, of listeners and of as many others.

    Args:
        logged: the logs.
        windows: of these.
        how: they are learnt.
        folder: where their checkpoints and histories go.
        console: where progress is shown.
    """
    first, second = (
        _learn_responses(logged, windows[train], windows[validation], how, folder / title, title, console)
        for train, validation, title in (
            (TRAIN, VALIDATION, "responses"),
            (OTHER_TRAIN, OTHER_VALIDATION, "other_responses"),
        )
    )
    return first, second


def _learn_responses(
    logged: Logged,
    train: ResponseWindows,
    validation: ResponseWindows,
    how: Learning,
    folder: Path,
    title: str,
    console: Console,
) -> Learnt:
    """By likelihood; `validation` says when to stop."""
    widths = jax.eval_shape(lambda batch: window_features(batch, logged.items), train[0])
    model = how.sized(*(part.shape[-1] for part in widths))
    objective = response_objective(model, logged.items)
    return learn(objective, model, train, [validation], how, logged.seed, folder, title, console)


def learn(
    objective: Objective,
    model: ResponseConfig,
    train: Batches,
    validation: Sequence[Any],
    how: Learning,
    seed: int,
    folder: Path,
    title: str,
    console: Console,
) -> Learnt:
    """Learn a model from batches, until it says no more of others.

    Args:
        objective: what is learnt.
        model: its size.
        train: the batches.
        validation: others, of which all of one epoch are asked.
        how: how it is learnt.
        seed: names the run's random streams.
        folder: where checkpoints and history go.
        title: which model it is.
        console: where progress is shown.
    """

    @jax.jit
    def loss(params: Any, batch: Any) -> tuple[jax.Array, jax.Array]:
        return objective.loss(params, batch, jax.random.key(0))

    def validate(params: Any) -> tuple[float, dict[str, float]]:
        batches = [one[step] for one in validation for step in range(one.steps_per_epoch)]
        losses = np.array([jax.device_get(loss(params, batch)) for batch in batches])
        total, weight = losses.sum(0)
        return -float(total / max(weight, 1)), {}

    steps = how.epochs * train.steps_per_epoch
    optimizer = adam(learning_rates(how.learning_rate, "cosine", min(20, steps - 1), steps))
    fit = WatchedFit(folder, title, "log likelihood", console)
    cfg = FitConfig(epochs=how.epochs, patience=how.epochs, seed=seed)
    told = {"title": title, **dataclasses.asdict(model)}
    return Learnt(fit(objective, optimizer, train, validate, cfg, told).params, model)
