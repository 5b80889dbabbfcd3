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
from urep_jax.data.epochs import BatchesByStep
from urep_jax.data.listening_history import KnownItems
from urep_jax.data.response_windows import ResponseWindows, window_features
from urep_jax.models.response_model import ResponseConfig
from urep_jax.training.brings_back import learn_returns
from urep_jax.training.fit import FitConfig
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


class LearntResponses(NamedTuple):
    """A response model that was learnt.

    Attributes:
        params: its parameters, with its line of returns.
        model: its size.
        items: what is known of items, with what its logs tell of how soon each brings listeners back.
        windows: of the logs that it was learnt from and is asked about, by the part's name.
        train: the name of the part that it was learnt from.
    """

    params: Any
    model: ResponseConfig
    items: KnownItems
    windows: Mapping[str, ResponseWindows]
    train: str


def learn_both(
    logged: Logged, how: Learning, folder: Path, console: Console
) -> tuple[LearntResponses, LearntResponses]:
    """Two response models, of listeners and of as many others; the first is asked about those who are tested.

    Args:
        logged: the logs.
        how: they are learnt.
        folder: where their checkpoints and histories go.
        console: where progress is shown.
    """
    first = _learn_responses(logged, TRAIN, VALIDATION, tuple(logged.tests), how, folder / "responses", console)
    other = _learn_responses(logged, OTHER_TRAIN, OTHER_VALIDATION, (), how, folder / "other_responses", console)
    return first, other


def _learn_responses(
    logged: Logged,
    train: str,
    validation: str,
    asked: tuple[str, ...],
    how: Learning,
    folder: Path,
    console: Console,
) -> LearntResponses:
    """By likelihood; `validation` says when to stop."""
    sized = how.sized(1, 1, 1)

    def windows(name: str, items: KnownItems) -> ResponseWindows:
        of, styles = logged.parts[name], logged.num_styles
        return ResponseWindows(of.log, of.vectors, items, styles, sized.window, how.batch_size, logged.seed)

    with console.status("learning how soon listeners are back"):
        items, line = learn_returns(logged.parts[train].log, windows(train, logged.items), logged.items, sized.days)
        by_name = {name: windows(name, items) for name in (train, validation, *asked)}
    seen = jax.eval_shape(lambda batch: window_features(batch, items), by_name[train][0])
    model = how.reading(seen)
    learnt = learn(
        response_objective(model, items),
        model,
        by_name[train],
        [by_name[validation]],
        how,
        logged.seed,
        folder,
        folder.name,
        console,
    )
    return LearntResponses(learnt.params | {"return": line}, model, items, by_name, train)


def learn(
    objective: Objective,
    model: ResponseConfig,
    train: BatchesByStep[Any],
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
