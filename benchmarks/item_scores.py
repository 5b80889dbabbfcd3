"""What negatives make of a score that knows nothing but the item: `python -m benchmarks.item_scores FOLDER...`.

With binary cross-entropy, targets drawn from `P(v)` and negatives from `N(v)`, the score of an item alone that has the
least loss is `s(v) = log P(v) - log N(v)`. P are the items' shares of all training ups. Of hard negatives,

    N(v) = p_hard * (w_down * D(v) + w_skip * S(v)) + (1 - p_hard * (w_down + w_skip)) / V

where D and S are the items' shares of all training downs and skips, and w the shares of task positions whose hard
negative is a down or a skip (Fig. 1). At `p_hard=0` that is the popularity of ups, at 1 nearly the log-odds of the
like-rate. Of the hardest of k random items, N hangs on the score: `N(v) = F(v)^k - F'(v)^k`, where F(v) is the share of
items that score no more than v, and F'(v) of those that score less. There the score is looked for step by step.

V is the catalogue that random negatives come from. In a larger one, the rest of which nobody here has heard
(`--catalogue 1000000`), each item is a random negative less often, and a small `p_hard` does already what a large one
does.

No model is trained here: if a model's accuracy goes as this score's does, then it does so for what the negatives say of
items, whoever listens. The FOLDERs hold runs with `p_hard=1`; each tells its data, its split and its w. It prints JSON,
and the tables to the terminal besides.

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
from scipy.special import expit

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
K = (1, 10, 100, 1_000, 10_000)
METRICS = ("pair_accuracy", "pair_accuracy/head", "pair_accuracy/middle", "pair_accuracy/tail")


def item_scores(
    counts: Int[np.ndarray, "F V"],
    hard: Mapping[Feedback, float],
    p_hard: float,
    *,
    catalogue: int | None = None,
) -> Float[np.ndarray, "V"]:
    """The score of least loss with hard negatives: see above.

    Args:
        counts: training events by feedback and item, from `training_counts`.
        hard: share of task positions whose hard negative is a down, or a skip.
        p_hard: share of them that take it.
        catalogue: items that random negatives are drawn from; None: those that are counted.
    """
    negative_V = (1 - p_hard * sum(hard.values())) / (catalogue or counts.shape[1])
    for kind, weight in hard.items():
        negative_V = negative_V + p_hard * weight * shares(counts[kind])
    return np.log(shares(counts[Feedback.UP])) - np.log(negative_V)


def hardest_scores(counts: Int[np.ndarray, "F V"], k: int, *, steps: int = 6000) -> Float[np.ndarray, "V"]:
    """The score that Adam comes to, at a rate that falls from 0.02 to 0, with the hardest of k random items.

    Args:
        counts: as above.
        k: random items of which the one that scores most is the negative.
        steps: of Adam.
    """
    up_V = shares(counts[Feedback.UP])
    num_items = len(up_V)
    score_V = 1e-3 * np.random.default_rng(0).standard_normal(num_items)
    mean_V, square_V = np.zeros(num_items), np.zeros(num_items)
    for step in range(1, steps + 1):
        negative_V = hardest_share(score_V, k)
        gradient_V = num_items * (negative_V * expit(score_V) - up_V * expit(-score_V))
        mean_V = 0.9 * mean_V + 0.1 * gradient_V
        square_V = 0.999 * square_V + 0.001 * gradient_V**2
        size_V = np.sqrt(square_V / (1 - 0.999**step)) + 1e-8
        score_V = score_V - 0.02 * (1 - step / steps) * mean_V / (1 - 0.9**step) / size_V
    return score_V


def hardest_share(scores: Float[np.ndarray, "V"], k: int) -> Float[np.ndarray, "V"]:
    """How often each item is the hardest of k that are drawn with replacement; of equal scores, the later item is."""
    share_V = np.empty(len(scores))
    share_V[np.argsort(scores, kind="stable")] = np.diff((np.arange(len(scores) + 1) / len(scores)) ** k)
    return share_V


def shares(counts: Int[np.ndarray, "V"], pseudo_count: float = 3.0) -> Float[np.ndarray, "V"]:
    """Counts as shares, with some events added to each."""
    return (counts + pseudo_count) / (counts.sum() + pseudo_count * len(counts))


def seen(run: Run, catalogue: int | None, console: Console) -> dict[str, dict[str, float]]:
    """The metrics of the best score on a run's test, by what the negatives are."""
    cfg = OmegaConf.create(yaml.safe_load((run.folder / "config.yaml").read_text()))
    log, split = load_data(cfg, console)
    counts_FxV = training_counts(log, split)
    by_rung = np.nanmean(run.figure_table("hard_negative_sources.csv"), axis=0)
    hard = {
        Feedback.DOWN: float(by_rung[[Rung.SAME_DAY_DOWN, Rung.FUTURE_DOWN]].sum()),
        Feedback.SKIP: float(by_rung[[Rung.SAME_DAY_SKIP, Rung.FUTURE_SKIP]].sum()),
    }
    scores = {f"p_hard={p:g}": item_scores(counts_FxV, hard, p, catalogue=catalogue) for p in P_HARD}
    if catalogue is None:
        scores |= {f"the hardest of {k:,}": hardest_scores(counts_FxV, k) for k in K}
    found = {}
    for name, score_V in scores.items():
        scorer = item_scorer(score_V.astype(np.float32))
        results = {"pair_accuracy": pair_accuracy(scorer, split.test)}
        results |= by_popularity(scorer, log, split.test, counts_FxV[Feedback.UP])
        found[name] = {metric: results[metric].value for metric in METRICS}
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
    table = [["", "negatives", "runs", *(TITLES[metric] for metric in METRICS)]]
    numbers: dict[str, dict[str, dict[str, list[float]]]] = {}
    for name, runs in by_data(read_runs(given.folders)).items():
        # Seeds of one data set are one data set; worlds are several.
        worlds = {run.config.get("data.source.world"): run for run in runs if run.setting.get("p_hard") == "1"}
        by_world = [seen(run, given.catalogue, console) for run in worlds.values()]
        for negatives in by_world[0] if by_world else ():
            values = {metric: [found[negatives][metric] for found in by_world] for metric in METRICS}
            numbers.setdefault(name, {})[negatives] = values
            told = (estimate(own).told(digits(metric)) for metric, own in values.items())
            table.append([name, negatives, str(len(by_world)), *told])
    print(json.dumps({"machine": describe(), "item_scores": numbers}, indent=1))
    console.print(markdown_table(table), soft_wrap=True, markup=False)


if __name__ == "__main__":
    main()
