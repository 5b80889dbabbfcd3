"""What hard negatives make of a score that knows nothing but the item: `python -m benchmarks.item_scores FOLDER...`.

With binary cross-entropy, targets drawn from `P(v)` and negatives from `N(v)`, the score of an item alone that has
the least loss is `s(v) = log P(v) - log N(v)`. Taken are for P the items' shares of all training ups, and

    N(v) = d * D(v) + s * S(v) + (1 - d - s) / V

where D and S are the items' shares of all training downs and skips, d and s the shares of an epoch's tasks whose
negative is a down or a skip, and V the items that random negatives come from. At `p_hard=0` that is the popularity
of ups; where every task has a down, it is the log-odds of the like-rate. That a hard negative is of the listener's
own day and station is left out.

A small `p_hard` does as much as a large one to items with `V * D(v)` far above 1: those that are disliked far more
often than the average item. `--catalogue 1000000` makes all items such, by random negatives from a catalogue of
which nobody here has heard the rest.

No model is trained: if a model's accuracy goes over `p_hard` as this score's does, then it may do so for what the
negatives say of items, whoever listens. The FOLDERs hold runs with `p_hard=1`; each tells its data, its split and
how it was trained. It prints JSON, and the table to the terminal besides.

Source: Negative Feedback for Music Personalization, §5.2.1 and §5.2.2.
"""

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import yaml
from jaxtyping import Float, Int
from omegaconf import DictConfig
from rich.console import Console

from benchmarks.machine import describe
from experiments.data import load_data
from experiments.negative_feedback.recipe import Recipe
from experiments.negative_feedback.run import rung_counts
from experiments.report.intervals import estimate
from experiments.report.runs import Run, by_data, read_runs
from experiments.tables import TITLES, digits, markdown_table
from urep_jax.baselines.item_counts import training_counts
from urep_jax.core.types import Feedback
from urep_jax.data.cases import Split
from urep_jax.data.hard_negatives import Rung
from urep_jax.data.sequences import Sequences
from urep_jax.data.vocabulary import build_vocabulary
from urep_jax.evaluation.item_popularity import by_popularity
from urep_jax.evaluation.pairs import pair_accuracy
from urep_jax.evaluation.scorer import item_scorer

P_HARD = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
METRICS = ("pair_accuracy", "pair_accuracy/head", "pair_accuracy/middle", "pair_accuracy/tail")


def item_scores(
    counts: Int[np.ndarray, "F V"], hard: Mapping[Feedback, float], *, catalogue: int | None = None
) -> Float[np.ndarray, "V"]:
    """The score of least loss: see above.

    Args:
        counts: training events by feedback and item, from `training_counts`.
        hard: share of tasks whose negative is a down, or a skip.
        catalogue: items that random negatives are drawn from; None: those that are counted.
    """
    negative_V = (1 - sum(hard.values())) / (catalogue or counts.shape[1])
    for kind, share in hard.items():
        negative_V = negative_V + share * shares(counts[kind])
    return np.log(shares(counts[Feedback.UP])) - np.log(negative_V)


def hard_shares(sequences: Sequences, split: Split, recipe: Recipe) -> dict[Feedback, float]:
    """The share of an epoch's tasks whose negative is a down, or a skip."""
    counts_5 = rung_counts(recipe.batches(sequences, split)).sum(0)
    return {
        Feedback.DOWN: float(counts_5[[Rung.SAME_DAY_DOWN, Rung.FUTURE_DOWN]].sum() / counts_5.sum()),
        Feedback.SKIP: float(counts_5[[Rung.SAME_DAY_SKIP, Rung.FUTURE_SKIP]].sum() / counts_5.sum()),
    }


def shares(counts: Int[np.ndarray, "V"], pseudo_count: float = 3.0) -> Float[np.ndarray, "V"]:
    """Counts as shares, with some events added to each."""
    return (counts + pseudo_count) / (counts.sum() + pseudo_count * len(counts))


def seen(run: Run, catalogue: int | None, console: Console) -> dict[float, dict[str, float]]:
    """The metrics of the best score on a run's test, by `p_hard`; and the shares of its negatives."""
    cfg = DictConfig(yaml.safe_load((run.folder / "config.yaml").read_text()))
    log, split = load_data(cfg, console)
    recipe, vocabulary = Recipe.from_config(cfg), build_vocabulary(log, split)
    counts_FxV = training_counts(log, split)
    found = {}
    for p_hard in P_HARD:
        sequences = Sequences(log, vocabulary, dataclasses.replace(recipe.sequences, p_hard=p_hard))
        hard = hard_shares(sequences, split, recipe)
        scorer = item_scorer(item_scores(counts_FxV, hard, catalogue=catalogue).astype(np.float32))
        results = {"pair_accuracy": pair_accuracy(scorer, split.test)}
        results |= by_popularity(scorer, log, split.test, counts_FxV[Feedback.UP])
        found[p_hard] = {metric: results[metric].value for metric in METRICS}
        found[p_hard] |= {"downs": hard[Feedback.DOWN], "skips": hard[Feedback.SKIP]}
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the numbers as JSON, and the table on the standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.item_scores",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="run folders, or folders of them")
    parser.add_argument("--catalogue", type=int, metavar="V", help="items that random negatives are drawn from")
    given = parser.parse_args(arguments)
    console = Console(stderr=True)
    table = [["", "p_hard", "runs", "downs", "skips", *(TITLES[metric] for metric in METRICS)]]
    numbers: dict[str, dict[str, dict[str, list[float]]]] = {}
    for name, runs in by_data(read_runs(given.folders)).items():
        # Seeds of one data set are one data set; worlds are several.
        worlds = {run.config.get("data.source.world"): run for run in runs if run.setting.get("p_hard") == "1"}
        by_world = [seen(run, given.catalogue, console) for run in worlds.values()]
        for p_hard in P_HARD if by_world else ():
            values = {metric: [found[p_hard][metric] for found in by_world] for metric in ("downs", "skips", *METRICS)}
            numbers.setdefault(name, {})[f"{p_hard:g}"] = values
            told = (estimate(values[metric]).told(digits(metric)) for metric in METRICS)
            negatives = (f"{np.mean(values[kind]):.0%}" for kind in ("downs", "skips"))
            table.append([name, f"{p_hard:g}", str(len(by_world)), *negatives, *told])
    print(json.dumps({"machine": describe(), "item_scores": numbers}, indent=1))
    console.print(markdown_table(table), soft_wrap=True, markup=False)


if __name__ == "__main__":
    main()
