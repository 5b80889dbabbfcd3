"""Whether what films are, and how long ago something was said, makes pairs any clearer: no transformer is trained.

    python -m benchmarks.content_and_recency data=movielens_1m data.path=FOLDER

A logistic factorisation of ups and downs (`baselines.logistic_factors`) is what the extensions past the paper begin
with. Here it is fitted with one thing more at a time:

- content: what an item is without any event isn't zero, but a linear function of its genres and the years it came out
  in, which is fitted to the other items in turn with them;
- recency in training: an event counts `exp(-age / days)`, by its age when training ends;
- recency of what is known: the same in the regression that folds a listener in, by its age at the listener's latest
  event.

Arguments are those of `experiments.run`. Told are validation and test, means over the seeds, and differences to the
plain factorisation by users, of each user's mean over the seeds; `tail` is the test's ups of the least popular items.
It prints JSON, and the table to the terminal besides.
"""

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from hydra import compose, initialize_config_dir
from jaxtyping import Float32
from rich.console import Console
from scipy.sparse import csr_array

from benchmarks.machine import describe
from experiments.data import load_data, load_tables
from experiments.knobs import CONF
from experiments.progress import WorkBar
from experiments.tables import markdown_table
from urep_jax.baselines.histories import Signs, latest_events, signs_of
from urep_jax.baselines.item_counts import training_counts
from urep_jax.baselines.logistic_factors import regress
from urep_jax.core.streams import numpy_stream
from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases, Split
from urep_jax.data.log import EventLog
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.item_popularity import BUCKETS, popularity_buckets
from urep_jax.evaluation.paired import paired_difference
from urep_jax.evaluation.pairs import pair_accuracy
from urep_jax.evaluation.scorer import Scorer, catalogue_scorer

WIDTH, BIAS_RIDGE, SWEEPS = 16, 1.0, 10
_DAY = 86_400.0
_ENOUGH = 10.0
"""Events after which an item counts half as much as one with many, where content is fitted."""


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
    "recency in training, 300 days": Variant(train_days=300),
    "recency in training, 90 days": Variant(train_days=90),
    "recency of what is known, 300 days": Variant(known_days=300),
    "recency of what is known, 30 days": Variant(known_days=30),
}


def content_matrix(log: EventLog, items: pa.Table) -> Float32[np.ndarray, "V K"]:
    """A one for each genre of an item, for the three years that it came out in, and for being an item."""
    words: dict[str, list[str]] = {}
    told = [name for name in ("item_id", "genres", "title") if name in items.column_names]
    for one in items.select(told).to_pylist():
        year = re.search(r"\((\d{4})\)\s*$", one.get("title") or "")
        words[one["item_id"]] = [*(one.get("genres") or []), *([f"from {int(year[1]) // 3 * 3}"] if year else [])]
    column = {word: n for n, word in enumerate(sorted({word for own in words.values() for word in own}))}
    content_VxK = np.zeros((log.num_items, len(column) + 1), np.float32)
    content_VxK[:, -1] = 1
    for v, item_id in enumerate(log.item_ids.to_pylist()):
        content_VxK[v, [column[word] for word in words.get(item_id, [])]] = 1
    return content_VxK


class Known(NamedTuple):
    """What is known of some listeners."""

    labels: csr_array
    age_days: Float32[np.ndarray, "N"]

    def weights(self, days: float | None) -> Float32[np.ndarray, "N"]:
        """How much each label counts."""
        return np.exp(-self.age_days / (days or np.inf)).astype(np.float32)


def known_of(log: EventLog, start: np.ndarray, stop: np.ndarray, signs: Signs, *, now: float | None = None) -> Known:
    """What ranges of events say, and how old it is at `now`, or at the end of each range."""
    latest = latest_events(log, start, stop, signs)
    values = np.array([signs[Feedback(code)] for code in log.feedback[latest.data]], np.float32)
    labels = csr_array((values, latest.indices, latest.indptr), shape=latest.shape)
    ends = log.timestamp[np.maximum(stop, 1) - 1] if now is None else np.full(len(start), now)
    age = np.repeat(ends, np.diff(latest.indptr)) - log.timestamp[latest.data]
    return Known(labels, (np.maximum(age, 0) / _DAY).astype(np.float32))


class Factors(NamedTuple):
    """A fitted factorisation: see `baselines.logistic_factors.ItemFactors`."""

    items: Float32[np.ndarray, "V F"]
    prior: float
    penalty: Float32[np.ndarray, "F"]

    def bind(self, log: EventLog, cases: Cases, signs: Signs, known_days: float | None) -> Scorer:
        """The factorisation, with the listeners of some questions folded in."""
        known = known_of(log, cases.start, cases.stop, signs)
        users_CxF = regress(known.labels, self.items, self.prior, self.penalty, weights=known.weights(known_days))

        def catalogue(rows_B: np.ndarray, items: slice) -> np.ndarray:
            scores_BxC = users_CxF[rows_B, :-1] @ self.items[items, :-1].T + self.items[items, -1]
            return np.asarray(scores_BxC + users_CxF[rows_B, -1:] + self.prior)

        return catalogue_scorer(catalogue)


def fit(known: Known, content: Float32[np.ndarray, "V K"], variant: Variant, seed: int) -> Factors:
    """Users, items and what content says of these, in turn."""
    weights, by_user = known.weights(variant.train_days), known.labels
    # The numbers of the entries, turned as these are turned.
    numbers = csr_array((1 + np.arange(by_user.nnz), by_user.indices, by_user.indptr), shape=by_user.shape)
    turned = csr_array(numbers.T)
    entry = turned.data - 1
    by_item = csr_array((by_user.data[entry], turned.indices, turned.indptr), shape=turned.shape)
    ups = float((1 + by_user.data).mean() / 2)
    prior = float(np.log(ups / (1 - ups)))
    penalty_F = np.array([*[variant.ridge] * WIDTH, BIAS_RIDGE], np.float32)
    events_V = np.diff(by_item.indptr)
    trust_Vx1 = (events_V / (events_V + _ENOUGH))[:, None]
    start_VxD = 0.1 * numpy_stream(seed, "factors").normal(size=(len(content), WIDTH))
    items_VxF = np.append(start_VxD, np.zeros((len(content), 1)), 1).astype(np.float32)
    centres_VxF = np.zeros_like(items_VxF)
    for _ in range(SWEEPS):
        users_UxF = regress(by_user, items_VxF, prior, penalty_F, weights=weights)
        items_VxF = regress(by_item, users_UxF, prior, penalty_F, weights=weights[entry], centres=centres_VxF)
        if variant.content:
            moment_KxK = content.T @ (trust_Vx1 * content) + np.eye(content.shape[1])
            centres_VxF = content @ np.linalg.solve(moment_KxK, content.T @ (trust_Vx1 * items_VxF))
            centres_VxF = centres_VxF.astype(np.float32)
    return Factors(items_VxF, prior, penalty_F)


def seen(
    log: EventLog, split: Split, items: pa.Table, seeds: Sequence[int], console: Console
) -> dict[str, dict[str, ByUser]]:
    """By variant, the results of each metric, means over the seeds."""
    signs = {Feedback.SKIP: 0.0, **signs_of(log, split)}
    start, stop = split.start[split.train], split.stop[split.train]
    now = float(log.timestamp[stop[stop > start] - 1].max())
    known, content = known_of(log, start, stop, signs, now=now), content_matrix(log, items)
    bucket_V = popularity_buckets(training_counts(log, split)[Feedback.UP])
    is_tail_N = bucket_V[split.test.item] == BUCKETS.index("tail")
    tail_N = is_tail_N | (split.test.feedback != Feedback.UP)
    found: dict[str, dict[str, list[ByUser]]] = {}
    fitted: dict[tuple[Variant, int], Factors] = {}
    with WorkBar(console, "factorisations", len(VARIANTS) * len(seeds)) as bar:
        for name, variant in VARIANTS.items():
            for seed in seeds:
                key = (variant._replace(known_days=None), seed)
                if key not in fitted:
                    fitted[key] = fit(known, content, variant, seed)
                validation, test = (
                    fitted[key].bind(log, cases, signs, variant.known_days) for cases in (split.validation, split.test)
                )
                results = {
                    "validation": pair_accuracy(validation, split.validation),
                    "test": pair_accuracy(test, split.test),
                    "tail": pair_accuracy(test, split.test, where=tail_N),
                }
                for metric, result in results.items():
                    found.setdefault(name, {}).setdefault(metric, []).append(result)
                bar.advance(said=name)
    return {name: {metric: _mean(of) for metric, of in metrics.items()} for name, metrics in found.items()}


def _mean(results: Sequence[ByUser]) -> ByUser:
    return ByUser(results[0].user, np.mean([one.values for one in results], axis=0))


def page(found: Mapping[str, Mapping[str, ByUser]]) -> str:
    """Pair accuracy of each variant, and its difference to the plain one."""
    metrics = list(found[PLAIN])
    rows = [["", *metrics, *(f"{metric}, over {PLAIN}" for metric in metrics)]]
    for name, own in found.items():
        row = [name, *(f"{own[metric].value:.3f}".lstrip("0") for metric in metrics)]
        for metric in metrics if name != PLAIN else ():
            told = paired_difference(own[metric], found[PLAIN][metric])
            row.append(f"{told.mean:+.3f} ±{told.ci95:.3f}".replace("0.", ".").replace("-", "−"))
        rows.append([*row, *[""] * (len(rows[0]) - len(row))])
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
    tables = load_tables(cfg)
    if "items" not in tables:
        parser.error(f"{log.name} has no table of items; take data that has one, such as data=movielens_1m")
    found = seen(log, split, tables["items"], given.seeds, console)
    numbers = {name: {metric: one.value for metric, one in own.items()} for name, own in found.items()}
    print(
        json.dumps(
            {"machine": describe(), "about": {"log": log.name, "seeds": given.seeds}, "pairs": numbers}, indent=1
        )
    )
    console.print(page(found), soft_wrap=True, markup=False)


if __name__ == "__main__":
    main()
