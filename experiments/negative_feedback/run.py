"""System B whole: train the negative-feedback recommender, test it and its baselines, draw and report."""

import dataclasses
from pathlib import Path

import numpy as np
from omegaconf import DictConfig
from rich.console import Console

from experiments import figures
from experiments.data import left_out, load_data
from experiments.folder import RunFolder
from experiments.lineage.registry import Registry
from experiments.negative_feedback.baselines import FITTED, TRAINED, check_baselines, obstacle
from experiments.negative_feedback.beginning import content_of
from experiments.negative_feedback.page import page
from experiments.negative_feedback.protocols import Protocol, Questions, Results, protocol_of, reach
from experiments.negative_feedback.recipe import Recipe
from experiments.negative_feedback.training import Trained, train
from experiments.negative_feedback.users import users_table
from experiments.own import own_metrics, try_metrics
from experiments.processes import is_first
from experiments.tables import TITLES, model_title
from experiments.watch import watched
from urep_jax.baselines.oracle import oracle
from urep_jax.baselines.popularity import popularity
from urep_jax.data.cases import Cases
from urep_jax.data.hard_negatives import Rung
from urep_jax.data.sequences import Sequences
from urep_jax.data.source import TrainingBatches
from urep_jax.data.stats import table1
from urep_jax.data.vocabulary import PAD, UNKNOWN, UNKNOWN_STATION, build_vocabulary, save_vocabulary
from urep_jax.evaluation.by_user import flat
from urep_jax.evaluation.model_scorer import feedback_cosines
from urep_jax.evaluation.scorer import Scorer
from urep_jax.evaluation.two_stages import two_stages
from urep_jax.serving.restore import model_config, restore


def run(cfg: DictConfig, folder: RunFolder, console: Console) -> dict[str, float]:
    """Train, test and report; returns what `metrics.json` holds."""
    # What is wrong with a config is known before hours go into data.
    protocol = protocol_of(cfg.data.protocol)
    recipe = Recipe.from_config(cfg)
    check_baselines(cfg.baselines)
    if recipe.init_from is not None and not (folder.path / "checkpoints").exists():
        # A training that goes on needs it no more.
        model_config(recipe.init_from)
    metrics_of_ones_own = own_metrics(cfg.metrics, taken=tuple(TITLES))
    log, split = load_data(cfg, console)
    content = content_of(recipe.item_content, log, cfg)
    # Asked now, for the source may have changed when the run ends.
    rejects = left_out(cfg)
    folder.claim_data(log)
    baselines = []
    for name in cfg.baselines:
        if reason := obstacle(name, log, split):
            console.print(f"{model_title(name)} is left out: {reason}", soft_wrap=True)
        else:
            baselines.append(name)
    vocabulary = build_vocabulary(log, split)
    if is_first():
        save_vocabulary(vocabulary, folder.path / "vocabulary")
    recipe = recipe.sized_for(vocabulary)
    asked = Questions.of(log, split, split.test, cfg.seed)
    if metrics_of_ones_own:
        try_metrics(metrics_of_ones_own, popularity(log, split)(log, split.test), log, split.test)

    def tested(scorer: Scorer) -> Results:
        own = {name: metric(scorer, log, split.test) for name, metric in metrics_of_ones_own.items()}
        return protocol.test(scorer, asked) | own

    def trained(title: str, recipe: Recipe, path: Path) -> Trained:
        with watched(path, title, protocol.title, console, trace=cfg.profile) as watch:
            done = train(recipe, log, split, vocabulary, protocol, path, watch, console, content=content)
            watch.ended(done.result.history)
            return done

    registry = Registry(cfg, folder.path, {"recommender": ()}, console)
    model = trained("model", recipe, folder.path)
    registry.trained(restore(folder.path).space)
    results = {"model": tested(model.scorer(split.test))}
    metrics = {
        "epochs_to_convergence": float(model.result.epochs_to_convergence),
        f"validation_{protocol.metric}": model.result.best.validation,
        **{f"cosine/{pair}": value for pair, value in feedback_cosines(model.result.params).items()},
        **unknown_shares(model.batches.sequences, split.test),
    }
    if cfg.data.protocol == "pairs":
        metrics |= flat(reach(log, split, results["model"]["pair_accuracy"]))
    scorers: dict[str, Scorer] = {}
    for name in baselines:
        if name in TRAINED:
            # A baseline that lacks a part can't begin with a model that has it.
            fresh = dataclasses.replace(recipe.without(TRAINED[name]), init_from=None)
            baseline = trained(name, fresh, folder.path / name)
            metrics[f"{name}/epochs_to_convergence"] = float(baseline.result.epochs_to_convergence)
            scorers[name] = baseline.scorer(split.test)
        elif name == "two_stages":
            ranker = model.scorer(split.test)
            scorers[name] = two_stages(scorers["random_negatives"], ranker, log, split.test, cfg.candidates)
        elif name == "oracle":
            scorers[name] = oracle(log, split.test)
        else:
            scorers[name] = FITTED[name](log, split)(log, split.test)
        results[name] = tested(scorers[name])
    for name, found in results.items():
        metrics |= {name_of(name, key): value for key, value in flat(found).items()}

    draw(folder, model, results, protocol)
    folder.write_users(users_table(log, split.test, results))
    folder.write_json("table1.json", dataclasses.asdict(table1(log, cfg.max_length)))
    folder.write_report(page(cfg, log, split, metrics, model.result, rejects))
    folder.write_metrics(metrics)
    return metrics


def name_of(model: str, metric: str) -> str:
    """What a metric is called in `metrics.json`: the model's stand first, a baseline's below its name."""
    return metric if model == "model" else f"{model}/{metric}"


def draw(folder: RunFolder, model: Trained, results: dict[str, Results], protocol: Protocol) -> None:
    """The figures of a run, and the numbers behind them."""
    figures.training_curves(model.result.history, protocol.title, folder.figures / "training.png")
    main = {model_title(name): found[protocol.metric] for name, found in results.items()}
    values = {title: (metric.value, metric.ci95) for title, metric in main.items()}
    figures.compared(values, f"test {protocol.title}", folder.figures / "compared.png")
    shares_Lx5 = rung_shares(rung_counts(model.batches))
    folder.write_table("hard_negative_sources.csv", [rung.name.lower() for rung in Rung], shares_Lx5)
    figures.hard_negative_sources(shares_Lx5, folder.figures / "hard_negative_sources.png")


def unknown_shares(sequences: Sequences, cases: Cases) -> dict[str, float]:
    """Share of test targets, and of asked stations, that training never saw."""
    stations = sequences.station_rows[cases.station]
    return {
        "unknown_items": float(np.mean(sequences.item_rows[cases.item] == UNKNOWN)),
        "unknown_stations": float(np.mean(stations == UNKNOWN_STATION)),
    }


def rung_counts(batches: TrainingBatches) -> np.ndarray:
    """How many tasks at each position of the input have each source of negatives, over one epoch: L x 5."""
    length = batches.sequences.cfg.max_length
    counts_Lx5 = np.zeros((length, len(Rung)))
    for step in range(batches.steps_per_epoch):
        for batch in batches[step]:
            is_task = batch.target != PAD
            place = length - batch.item.shape[1] + batch.task[is_task]
            np.add.at(counts_Lx5, (place, batch.rung[is_task]), 1)
    return counts_Lx5


def rung_shares(counts_Lx5: np.ndarray) -> np.ndarray:
    """Share of each source of negatives at each position of the input: L x 5, rows of sum 1 (Fig. 1).

    The last column is random negatives; a position that is never a task is a row of NaN.
    """
    total_Lx1 = counts_Lx5.sum(1, keepdims=True)
    return np.divide(counts_Lx5, total_Lx1, out=np.full_like(counts_Lx5, np.nan), where=total_Lx1 > 0)
