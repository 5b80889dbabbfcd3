"""System B whole: train the negative-feedback recommender, test it and its baselines, draw and report."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from omegaconf import DictConfig
from rich.console import Console

from experiments import figures
from experiments.data import load_data
from experiments.folder import RunFolder
from experiments.history import HistoryWriter
from experiments.progress import TrainingBar
from experiments.tables import report
from urep_jax.baselines.ease import ease
from urep_jax.baselines.item_knn import item_knn
from urep_jax.baselines.like_rate import like_rate
from urep_jax.baselines.logistic_factors import logistic_factors
from urep_jax.baselines.oracle import oracle
from urep_jax.baselines.popularity import popularity
from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases, Split
from urep_jax.data.hard_negatives import Rung
from urep_jax.data.log import EventLog
from urep_jax.data.negatives import negative_sampler
from urep_jax.data.sequences import SequenceConfig, Sequences
from urep_jax.data.source import TrainingBatches
from urep_jax.data.vocabulary import (
    PAD,
    UNKNOWN,
    UNKNOWN_STATION,
    Vocabulary,
    build_vocabulary,
    item_counts,
    save_vocabulary,
)
from urep_jax.evaluation.by_user import ByUser, flat
from urep_jax.evaluation.coverage import coverage
from urep_jax.evaluation.full_ranking import full_ranking
from urep_jax.evaluation.kinds_of_users import users_with_only
from urep_jax.evaluation.model_scorer import feedback_cosines, transformer_scorer
from urep_jax.evaluation.pairs import pair_accuracy
from urep_jax.evaluation.random_pairs import random_pair_accuracy
from urep_jax.evaluation.scorer import Scorer
from urep_jax.models.transformer import Params, TransformerConfig
from urep_jax.serving.restore import stored_config
from urep_jax.training.fit import Fit, FitConfig, Progress, fit
from urep_jax.training.negative_feedback import LossConfig, negative_feedback_objective
from urep_jax.training.objective import TableMode
from urep_jax.training.optimizers import adam


@dataclasses.dataclass(frozen=True)
class Recipe:
    """All settings of one training, checked."""

    sequences: SequenceConfig
    model: TransformerConfig
    loss: LossConfig
    fit: FitConfig
    learning_rate: float
    negative_power: float
    strata: int
    tables: TableMode = "auto"

    def __post_init__(self) -> None:
        if self.loss.name == "softmax" and self.sequences.p_hard:
            raise ValueError(
                f"p_hard is {self.sequences.p_hard}, but with loss=softmax every item is a negative already, and no "
                "hard one can be added; set p_hard=0"
            )
        if self.loss.name == "softmax" and self.loss.k_negatives != 1:
            raise ValueError(
                f"k_negatives is {self.loss.k_negatives}, but loss=softmax draws none; leave it at 1, or choose "
                "loss=sampled_softmax"
            )

    @classmethod
    def from_config(cls, cfg: DictConfig, vocabulary: Vocabulary) -> "Recipe":
        """The recipe that a config describes, for what `vocabulary` holds."""
        train = cfg.train
        return cls(
            sequences=SequenceConfig(
                max_length=cfg.max_length,
                inputs=tuple(cfg.inputs),
                p_task=cfg.p_task,
                p_hard=cfg.p_hard,
                tasks="next" if cfg.model.attention == "causal" else "cloze",
            ),
            model=TransformerConfig(
                num_items=len(vocabulary.item_ids),
                num_stations=len(vocabulary.station_ids),
                num_devices=len(vocabulary.device_ids),
                max_length=cfg.max_length,
                **cfg.model,
            ),
            loss=LossConfig(cfg.loss, cfg.k_negatives, train.calibration, train.batch_size),
            fit=FitConfig(train.epochs, train.patience, cfg.seed, train.parallel, train.checkpoint_every),
            learning_rate=train.learning_rate,
            negative_power=train.negative_power,
            strata=train.strata,
            tables=train.tables,
        )

    def positive_only(self) -> "Recipe":
        """The paper's baseline (§3): ups alone as input, random negatives, no feedback embedding."""
        return dataclasses.replace(
            self,
            sequences=dataclasses.replace(self.sequences, inputs=("up",), p_hard=0.0),
            model=dataclasses.replace(self.model, feedback=False),
            loss=dataclasses.replace(self.loss, name="bce", k_negatives=1),
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """A trained model, with what it was trained on."""

    recipe: Recipe
    result: Fit
    batches: TrainingBatches

    def scorer(self, cases: Cases) -> Scorer:
        """The model bound to some cases of the log that it was trained on."""
        return transformer_scorer(self.result.params, self.recipe.model, self.batches.sequences, cases)


def run(cfg: DictConfig, folder: RunFolder, console: Console) -> dict[str, float]:
    """Train, test and report; returns what `metrics.json` holds."""
    log, split = load_data(cfg, console)
    check_baselines(cfg.baselines, log)
    folder.claim_data(log)
    vocabulary = build_vocabulary(log, split)
    save_vocabulary(vocabulary, folder.path / "vocabulary")
    recipe = Recipe.from_config(cfg, vocabulary)

    def trained(title: str, recipe: Recipe, path: Path) -> Trained:
        with HistoryWriter(path) as history, TrainingBar(console, title, "pair accuracy") as bar:

            def on_progress(progress: Progress) -> None:
                history(progress.history)
                bar(progress)

            done = train(recipe, log, split, vocabulary, path, on_progress)
            # A training that had ended before makes no progress.
            history(done.result.history)
            return done

    model = trained("model", recipe, folder.path)
    results = test(model.scorer(split.test), log, split.test, cfg.seed)
    metrics = flat(results) | {
        "epochs_to_convergence": float(model.result.epochs_to_convergence),
        "validation_pair_accuracy": model.result.best.validation,
        **{f"cosine/{pair}": value for pair, value in feedback_cosines(model.result.params).items()},
        **unknown_shares(model.batches.sequences, split.test),
        **flat(reach(log, split, results["pair_accuracy"])),
    }
    table = {"model": results}
    for name in cfg.baselines:
        if name == "positive_only":
            baseline = trained(name, recipe.positive_only(), folder.path / name)
            metrics[f"{name}/epochs_to_convergence"] = float(baseline.result.epochs_to_convergence)
            results = test(baseline.scorer(split.test), log, split.test, cfg.seed)
        elif name == "oracle":
            results = {"pair_accuracy": pair_accuracy(oracle(log, split.test), split.test)}
        else:
            results = test(BASELINES[name](log, split)(log, split.test), log, split.test, cfg.seed)
        metrics |= {f"{name}/{key}": value for key, value in flat(results).items()}
        table[name] = results

    figures.training_curves(model.result.history, folder.figures / "training.png")
    accuracies = {name: (r["pair_accuracy"].value, r["pair_accuracy"].ci95) for name, r in table.items()}
    figures.pair_accuracies(accuracies, folder.figures / "pair_accuracy.png")
    shares_Lx5 = rung_shares(model.batches)
    folder.write_table("hard_negative_sources.csv", [rung.name.lower() for rung in Rung], shares_Lx5)
    figures.hard_negative_sources(shares_Lx5, folder.figures / "hard_negative_sources.png")
    folder.write_report(report(cfg, log, split, metrics, model.result))
    folder.write_metrics(metrics)
    return metrics


BASELINES = {
    "popularity": popularity,
    "like_rate": like_rate,
    "item_knn": item_knn,
    "ease": ease,
    "logistic_factors": logistic_factors,
}
"""Baselines that are fitted in one go, by the name that the config gives them."""


def check_baselines(names: Sequence[str], log: EventLog) -> None:
    """Refuse a baseline that is not there, before anything is trained.

    Raises:
        ValueError: naming it, and those that there are.
    """
    known = [*BASELINES, "positive_only", *(["oracle"] if log.affinity is not None else [])]
    for name in names:
        if name not in known:
            raise ValueError(f"baselines names {name!r}, but on {log.name} there are: {', '.join(known)}")


def train(
    recipe: Recipe,
    log: EventLog,
    split: Split,
    vocabulary: Vocabulary,
    path: Path,
    on_progress: Callable[[Progress], None],
) -> Trained:
    """Train by a recipe, or go on where an earlier call stopped. Checkpoints go to `path`.

    Epochs are compared by pair accuracy on the validation cases, whatever the recipe trains on.
    """
    sequences = Sequences(log, vocabulary, recipe.sequences)
    batches = TrainingBatches(sequences, split, recipe.loss.batch_size, recipe.fit.seed, recipe.strata)
    sampler = negative_sampler(item_counts(log, split, vocabulary), recipe.negative_power)

    def validate(params: Params) -> tuple[float, Mapping[str, float]]:
        scorer = transformer_scorer(params, recipe.model, sequences, split.validation)
        return pair_accuracy(scorer, split.validation).value, {}

    config = stored_config(recipe.model, recipe.sequences)
    objective = negative_feedback_objective(recipe.model, recipe.loss, sampler, recipe.tables)
    optimizer = adam(recipe.learning_rate)
    result = fit(objective, optimizer, batches, validate, recipe.fit, path / "checkpoints", config, on_progress)
    return Trained(recipe, result, batches)


def test(scorer: Scorer, log: EventLog, cases: Cases, seed: int) -> dict[str, ByUser]:
    """Every number of the paper's evaluation (§4), by user."""
    return {
        "pair_accuracy": pair_accuracy(scorer, cases),
        "random_pair_accuracy": random_pair_accuracy(scorer, log, cases, seed=seed),
        **full_ranking(scorer, log, cases),
    }


def reach(log: EventLog, split: Split, accuracy: ByUser) -> dict[str, ByUser]:
    """Whom more inputs let a model serve (§5.1), and how it serves those of whom it knows no up (§5.3).

    Args:
        log: the log.
        split: of the log.
        accuracy: the model's pair accuracy on the test cases.
    """
    choices = (("up",), ("up", "down"), ("up", "skip"), ("up", "down", "skip"))
    results = {f"coverage/{'_'.join(inputs)}": coverage(log, split, inputs) for inputs in choices}
    for feedback in (Feedback.SKIP, Feedback.DOWN):
        only = accuracy.among(users_with_only(log, split.test, feedback))
        # An interval wants two users.
        if len(only.user) > 1:
            results[f"pair_accuracy/{feedback.word}_only"] = only
    return results


def unknown_shares(sequences: Sequences, cases: Cases) -> dict[str, float]:
    """Share of test targets, and of asked stations, that training never saw."""
    stations = sequences.station_rows[cases.station]
    return {
        "unknown_items": float(np.mean(sequences.item_rows[cases.item] == UNKNOWN)),
        "unknown_stations": float(np.mean(stations == UNKNOWN_STATION)),
    }


def rung_shares(batches: TrainingBatches) -> np.ndarray:
    """Share of each source of negatives at each position of the input, over one epoch: L x 5, rows of sum 1 (Fig. 1).

    The last column is random negatives; a position that is never a task is a row of NaN.
    """
    length = batches.sequences.cfg.max_length
    counts_Lx5 = np.zeros((length, len(Rung)))
    for step in range(batches.steps_per_epoch):
        for batch in batches[step]:
            is_task = batch.target != PAD
            place = length - batch.item.shape[1] + batch.task[is_task]
            np.add.at(counts_Lx5, (place, batch.rung[is_task]), 1)
    total_Lx1 = counts_Lx5.sum(1, keepdims=True)
    return np.divide(counts_Lx5, total_Lx1, out=np.full_like(counts_Lx5, np.nan), where=total_Lx1 > 0)
