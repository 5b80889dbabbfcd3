"""Whether what films are, and how long ago something was said, makes pairs any clearer: no transformer is trained.

    python -m benchmarks.content_and_recency data=movielens_1m data.path=FOLDER

A logistic factorisation of ups and downs (`baselines.logistic_factors`) is what the extensions past the paper begin
with. Here it is fitted with one thing more at a time:

- content: what an item is without any event isn't zero, but a linear function of its genres, which is fitted to the
  other items in turn with them;
- recency in training: an event counts `exp(-age / days)`, by its age when training ends;
- recency of what is known: the same in the regression that folds a listener in, by its age at the listener's latest
  event.

Weights have a mean of 1, over the training or over what is known of a listener, so that less weight isn't more penalty.
Arguments are those of `experiments.run`. Told are validation and test, means over the seeds, and differences to the
plain factorisation by users, of each user's mean over the seeds; `tail` is of the ups of the least popular items. The
questions of the validation lie anywhere before the training ends, so they say nothing of recency in training. Many
differences stand side by side, and their intervals are those of each alone. It prints JSON, and the table to the
terminal besides.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from hydra import compose, initialize_config_dir
from jaxtyping import Float32
from rich.console import Console
from scipy.sparse import csr_array

from benchmarks.machine import describe
from experiments.data import load_data, load_tables
from experiments.knobs import CONF
from experiments.progress import WorkBar
from experiments.report.intervals import Estimate
from experiments.tables import markdown_table
from urep_jax.baselines.histories import Signs, histories, latest_events, signs_of
from urep_jax.baselines.item_counts import training_counts
from urep_jax.baselines.logistic_factors import ItemFactors, factors_scorer, fit_factors
from urep_jax.core.types import SECONDS_PER_DAY, Feedback
from urep_jax.data.cases import Cases, Split
from urep_jax.data.item_words import item_words
from urep_jax.data.log import EventLog
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.item_popularity import BUCKETS, popularity_buckets
from urep_jax.evaluation.paired import paired_difference
from urep_jax.evaluation.pairs import pair_accuracy

_TINY = 1e-30


class Variant(NamedTuple):
    """What is otherwise than in the plain factorisation.

    Attributes:
        content: whether items begin as their content says.
        ridge: penalty on the factors.
        train_days: days in which an event of the training loses all but 1/e of its weight; None: it loses nothing.
        known_days: the same of what is known of a listener who is asked.
    """

    content: bool = False
    ridge: float = 8.0
    train_days: float | None = None
    known_days: float | None = None


PLAIN = "logistic factors"
VARIANTS = {
    PLAIN: Variant(),
    "content": Variant(content=True),
    "penalty of 16": Variant(ridge=16.0),
    "content, penalty of 16": Variant(content=True, ridge=16.0),
    "content, recency in training, 300 days": Variant(content=True, train_days=300),
    "recency in training, 300 days": Variant(train_days=300),
    "recency in training, 90 days": Variant(train_days=90),
    "recency of what is known, 300 days": Variant(known_days=300),
    "recency of what is known, 30 days": Variant(known_days=30),
}


class Known(NamedTuple):
    """What is known of some listeners.

    Attributes:
        labels: as `histories` has them, a row for each listener.
        age_days: of each label's event.
    """

    labels: csr_array
    age_days: Float32[np.ndarray, "N"]

    def weights(self, days: float | None) -> Float32[np.ndarray, "N"]:
        """How much each label counts: 1 in the mean over a listener."""
        weight_N = np.exp(-self.age_days / (days or np.inf))
        events_U = np.diff(self.labels.indptr)
        row_N = np.repeat(np.arange(len(events_U)), events_U)
        mean_U = np.bincount(row_N, weight_N, len(events_U)) / np.maximum(events_U, 1)
        return (weight_N / np.maximum(mean_U[row_N], _TINY)).astype(np.float32)


def known_of(log: EventLog, cases: Cases, signs: Signs) -> Known:
    """What is known of the listeners who are asked, and how old it is at each one's latest event."""
    latest = latest_events(log, cases.start, cases.stop, signs)
    end_N = np.repeat(log.timestamp[np.maximum(cases.stop, 1) - 1], np.diff(latest.indptr))
    age_days = np.maximum(end_N - log.timestamp[latest.data], 0) / SECONDS_PER_DAY
    return Known(histories(log, cases.start, cases.stop, signs), age_days.astype(np.float32))


def seen(
    log: EventLog, split: Split, genres: Float32[np.ndarray, "V K"], seeds: Sequence[int], console: Console
) -> dict[str, dict[str, ByUser]]:
    """By variant, the results of each metric, means over the seeds."""
    signs = {Feedback.SKIP: 0.0, **signs_of(log, split)}
    asked = {"validation": split.validation, "test": split.test}
    known = {name: known_of(log, cases, signs) for name, cases in asked.items()}
    bucket_V = popularity_buckets(training_counts(log, split)[Feedback.UP])
    found: dict[str, dict[str, list[ByUser]]] = {}
    fitted: dict[tuple[Variant, int], ItemFactors] = {}
    with WorkBar(console, "factorisations", len(VARIANTS) * len(seeds)) as bar:
        for name, variant in VARIANTS.items():
            settings: dict[str, Any] = {"skips": True, "ridge": variant.ridge, "days": variant.train_days}
            settings["content"] = genres if variant.content else None
            of = found.setdefault(name, {})
            for seed in seeds:
                key = (variant._replace(known_days=None), seed)
                if key not in fitted:
                    fitted[key] = fit_factors(log, split, seed=seed, **settings)
                for which in asked if variant.train_days is None else ["test"]:
                    told, cases = known[which], asked[which]
                    scorer = factors_scorer(fitted[key], told.labels, told.weights(variant.known_days))
                    # A pair is of the tail if its up is.
                    tail_N = (bucket_V[cases.item] == BUCKETS.index("tail")) | (cases.feedback != Feedback.UP)
                    of.setdefault(which, []).append(pair_accuracy(scorer, cases))
                    of.setdefault(f"{which}, tail", []).append(pair_accuracy(scorer, cases, where=tail_N))
                bar.advance(said=name)
    return {name: {metric: _mean(results) for metric, results in of.items()} for name, of in found.items()}


def _mean(results: Sequence[ByUser]) -> ByUser:
    return ByUser(results[0].user, np.mean([one.values for one in results], axis=0))


def over_plain(found: Mapping[str, Mapping[str, ByUser]]) -> dict[str, dict[str, Estimate]]:
    """What each variant has over the plain factorisation, by users."""

    def over(one: ByUser, plain: ByUser) -> Estimate:
        told = paired_difference(one, plain)
        return Estimate(told.mean, told.ci95, told.num_users)

    others = {name: own for name, own in found.items() if name != PLAIN}
    return {name: {key: over(one, found[PLAIN][key]) for key, one in own.items()} for name, own in others.items()}


def page(found: Mapping[str, Mapping[str, ByUser]], over: Mapping[str, Mapping[str, Estimate]]) -> str:
    """Pair accuracy of each variant, and its difference to the plain one."""
    metrics = list(found[PLAIN])
    rows = [["", *(told for metric in metrics for told in (metric, f"over {PLAIN}"))]]
    for name, own in found.items():
        row = [name]
        for metric in metrics:
            gain = over.get(name, {}).get(metric)
            row.append(Estimate(own[metric].value, float("nan"), 1).told(3) if metric in own else "")
            row.append(gain.told(3, sign=True) if gain else "")
        rows.append(row)
    return markdown_table(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the numbers as JSON, and the table on the standard error."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.content_and_recency", description=__doc__, formatter_class=form
    )
    parser.add_argument("knobs", nargs="+", help="as of experiments.run")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="(default: 0 1 2)")
    given = parser.parse_args(arguments)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=["experiment=negative_feedback", *given.knobs])
    console = Console(stderr=True)
    log, split = load_data(cfg, console)
    try:
        genres = item_words(log, load_tables(cfg).get("items"), ["genres"])
    except ValueError as error:
        parser.error(str(error))
    found = seen(log, split, genres, given.seeds, console)
    over = over_plain(found)
    numbers = {name: {metric: one.value for metric, one in own.items()} for name, own in found.items()}
    gains = {name: {metric: one.plain() for metric, one in own.items()} for name, own in over.items()}
    about = {"log": log.name, "seeds": given.seeds, "variants": {name: one._asdict() for name, one in VARIANTS.items()}}
    told = {"machine": describe(), "about": about, "pair_accuracy": numbers, "over_plain": gains}
    print(json.dumps(told, indent=1))
    console.print(page(found, over), soft_wrap=True, markup=False)


if __name__ == "__main__":
    main()
