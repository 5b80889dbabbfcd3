"""Training by a recipe."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from rich.console import Console

from experiments.negative_feedback.beginning import Beginning, continued, from_statistics
from experiments.negative_feedback.protocols import Protocol
from experiments.negative_feedback.recipe import Recipe
from urep_jax.data.cases import Cases, Split
from urep_jax.data.log import EventLog
from urep_jax.data.negatives import negative_sampler
from urep_jax.data.sequences import Sequences
from urep_jax.data.source import TrainingBatches
from urep_jax.data.vocabulary import FIRST_ITEM, Vocabulary, item_counts
from urep_jax.evaluation.model_scorer import transformer_scorer
from urep_jax.evaluation.scorer import Scorer
from urep_jax.models import transformer
from urep_jax.models.transformer import Params
from urep_jax.serving.recommender import Recommender
from urep_jax.serving.restore import stored_config
from urep_jax.training.fit import Fit, Progress, fit
from urep_jax.training.negative_feedback import negative_feedback_objective
from urep_jax.training.optimizers import adam, learning_rates, muon
from urep_jax.training.warm_start import with_new_items


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """A trained model, with what it was trained on."""

    recipe: Recipe
    result: Fit
    batches: TrainingBatches

    def scorer(self, cases: Cases) -> Scorer:
        """The model bound to some cases of the log that it was trained on."""
        return transformer_scorer(self.result.params, self.recipe.model, self.batches.sequences, cases)


def train(
    recipe: Recipe,
    log: EventLog,
    split: Split,
    vocabulary: Vocabulary,
    protocol: Protocol,
    path: Path,
    on_progress: Callable[[Progress], None],
    console: Console,
    was: Recommender | None = None,
    content: Float32[np.ndarray, "V K"] | None = None,
) -> Trained:
    """Train by a recipe, or go on where an earlier call stopped. Checkpoints go to `path`.

    Epochs are compared by the protocol's metric on the validation cases, whatever the recipe trains on. What it begins
    with is told on the console, where that is another model.

    A recommender that was trained before (`was`) grows: of its items, the first of the vocabulary, and of all else that
    it has learnt nothing changes, and the other items of the vocabulary learn. All sequences train, for an item that is
    rarely met has to be a negative as often as others are.

    Where the recipe names columns of the items table, `content` is what `content_of` makes of them.
    """
    sequences = Sequences(log, vocabulary, recipe.sequences)
    batches = recipe.batches(sequences, split)
    sampler = negative_sampler(item_counts(log, split, vocabulary), recipe.negative_power)

    def validate(params: Params) -> tuple[float, Mapping[str, float]]:
        scorer = transformer_scorer(params, recipe.model, sequences, split.validation)
        return protocol.validate(scorer, log, split.validation), {}

    known_items, trained_items = (0, recipe.model.num_items) if was is None else (was.cfg.num_items, was.trained_items)
    config = stored_config(recipe.model, recipe.sequences, trained_items)
    objective = negative_feedback_objective(recipe.model, recipe.loss, sampler, recipe.tables, known_items)
    num_steps = recipe.fit.epochs * batches.steps_per_epoch
    rates = learning_rates(recipe.learning_rate, recipe.schedule, recipe.warmup, num_steps)
    optimizer = muon(rates, transformer.linear_maps) if recipe.optimizer == "muon" else adam(rates)
    start = _beginning(recipe, log, split, vocabulary, content, console) if was is None else grown_from(was)
    result = fit(objective, optimizer, batches, validate, recipe.fit, path / "checkpoints", config, on_progress, start)
    return Trained(recipe, result, batches)


def grown_from(was: Recommender) -> Beginning:
    """What a growth begins with: what the recommender has learnt, and a row for each item that comes in."""
    return lambda fresh: with_new_items(was.params, len(fresh["tables"]["item"]) - FIRST_ITEM)


def _beginning(
    recipe: Recipe,
    log: EventLog,
    split: Split,
    vocabulary: Vocabulary,
    content: Float32[np.ndarray, "V K"] | None,
    console: Console,
) -> Beginning | None:
    """What turns fresh parameters into those that the recipe begins with, if it begins with others."""
    if recipe.init_from is not None:
        return continued(recipe.init_from, vocabulary, console)
    if recipe.item_start != "fresh":
        what = (recipe.item_start, log, split, vocabulary, recipe.model)
        return from_statistics(*what, content=content, days=recipe.item_days)
    return None
