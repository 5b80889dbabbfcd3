"""What `p_hard` makes of a score that knows nothing but the item: `python -m benchmarks.item_scores FOLDER...`.

With binary cross-entropy, targets drawn from `P(v)` and negatives from `N(v)`, the score of an item alone that has the
least loss is

    s(v) = log P(v) - log N(v),  N(v) = p_hard * (w_down * D(v) + w_skip * S(v)) + (1 - p_hard * (w_down + w_skip)) / V

where P, D and S are the items' shares of all training ups, downs and skips, and w the shares of task positions whose
hard negative is a down or a skip (Fig. 1). At `p_hard=0` that is the popularity of ups, at 1 nearly the log-odds of the
like-rate. Nothing is trained here: if a model's accuracy goes over `p_hard` as this score's does, then it does so for
what the negatives say of items, whoever listens.

V is the catalogue that random negatives come from. In a larger one, the rest of which nobody here has heard
(`--catalogue 1000000`), each item is a random negative less often, and a small `p_hard` does already what a large one
does.

The FOLDERs hold runs with `p_hard=1`; each tells its data, its split and its w. It prints JSON, and the table to the
terminal besides.

Source: Negative Feedback for Music Personalization, §5.2.1 and §5.2.2.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import yaml
from jaxtyping import Float, Int
from omegaconf import OmegaConf
from rich.console import Console

from benchmarks.machine import describe
from experiments.data import load_data
from experiments.report.intervals import estimate
from experiments.report.runs import Run, by_data, read_runs
from experiments.tables import TITLES, digits, markdown_table
from urep_jax.baselines.item_counts import training_counts
from urep_jax.core.types import Feedback
from urep_jax.data.hard_negatives import Rung
from urep_jax.evaluation.item_popularity import by_popularity
from urep_jax.evaluation.pairs import pair_accuracy
from urep_jax.evaluation.scorer import item_scorer

P_HARD = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
METRICS = ("pair_accuracy", "pair_accuracy/head", "pair_accuracy/middle", "pair_accuracy/tail")


def item_scores(
    counts: Int[np.ndarray, "F V"],
    hard: Mapping[Feedback, float],
    p_hard: float,
    *,
    catalogue: int | None = None,
    pseudo_count: float = 3.0,
) -> Float[np.ndarray, "V"]:
    """The score of least loss: see above.

    Args:
        counts: training events by feedback and item, from `training_counts`.
        hard: share of task positions whose hard negative is a down, or a skip.
        p_hard: share of them that take it.
        catalogue: items that random negatives are drawn from; None: those that are counted.
        pseudo_count: events that are added to each item's, of each kind.
    """
    num_items = counts.shape[1]

    def shares(kind: Feedback) -> Float[np.ndarray, "V"]:
        return (counts[kind] + pseudo_count) / (counts[kind].sum() + pseudo_count * num_items)

    negative_V = (1 - p_hard * sum(hard.values())) / (catalogue or num_items)
    for kind, weight in hard.items():
        negative_V = negative_V + p_hard * weight * shares(kind)
    return np.log(shares(Feedback.UP)) - np.log(negative_V)


def seen(run: Run, catalogue: int | None, console: Console) -> dict[float, dict[str, float]]:
    """The metrics of the best score on a run's test, by `p_hard`."""
    cfg = OmegaConf.create(yaml.safe_load((run.folder / "config.yaml").read_text()))
    log, split = load_data(cfg, console)
    counts_FxV = training_counts(log, split)
    by_rung = np.nanmean(run.figure_table("hard_negative_sources.csv"), axis=0)
    hard = {
        Feedback.DOWN: float(by_rung[[Rung.SAME_DAY_DOWN, Rung.FUTURE_DOWN]].sum()),
        Feedback.SKIP: float(by_rung[[Rung.SAME_DAY_SKIP, Rung.FUTURE_SKIP]].sum()),
    }
    found = {}
    for p_hard in P_HARD:
        scorer = item_scorer(item_scores(counts_FxV, hard, p_hard, catalogue=catalogue).astype(np.float32))
        results = {"pair_accuracy": pair_accuracy(scorer, split.test)}
        results |= by_popularity(scorer, log, split.test, counts_FxV[Feedback.UP])
        found[p_hard] = {metric: results[metric].value for metric in METRICS}
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
    table = [["the best score of the item alone", "p_hard", "runs", *(TITLES[metric] for metric in METRICS)]]
    numbers: dict[str, dict[str, dict[str, list[float]]]] = {}
    for name, runs in by_data(read_runs(given.folders)).items():
        # Seeds of one data set are one data set; worlds are several.
        worlds = {run.config.get("data.source.world"): run for run in runs if run.setting.get("p_hard") == "1"}
        by_world = [seen(run, given.catalogue, console) for run in worlds.values()]
        for p_hard in P_HARD:
            values = {metric: [found[p_hard][metric] for found in by_world] for metric in METRICS}
            numbers.setdefault(name, {})[f"{p_hard:g}"] = values
            told = (estimate(own).told(digits(metric)) for metric, own in values.items())
            table.append([name, f"{p_hard:g}", str(len(by_world)), *told])
    print(json.dumps({"machine": describe(), "item_scores": numbers}, indent=1))
    console.print(markdown_table(table), soft_wrap=True, markup=False)


if __name__ == "__main__":
    main()
