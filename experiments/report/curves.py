"""What claims are made of: the runs of the model as it is, gains, and metrics over the values of a knob."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.report.charts import Series
from experiments.report.intervals import (
    Estimate,
    Plain,
    difference,
    difference_by_user,
    estimate,
    mean_by_user,
    told_gain,
    values_of,
)
from experiments.report.runs import Repeat, Run, sweep_of
from experiments.tables import TITLES, digits, markdown_table

_KINDS = ("ups", "downs", "skips")
"""Of what is known of a user: columns of `users.parquet`."""


def whole(runs: Sequence[Run]) -> Mapping[Repeat, Run]:
    """The runs of the model as it is: of the sweeps that hold it, or those with `p_hard=1`, or all, of one setting."""
    for knob, value in (("p_hard", "1"), ("ablation", "none")):
        found = sweep_of(runs, knob).get(value)
        if found:
            return found
    runs = [run for run in runs if run.setting.get("p_hard") == "1"] or runs
    one = len({frozenset(run.setting.items()) for run in runs}) == 1
    return {run.repeat: run for run in runs} if one else {}


def by_share(runs: Sequence[Run]) -> tuple[np.ndarray, np.ndarray]:
    """Share of ups, and pair accuracy, of each tested user of whom something is known; of several runs, the mean."""
    accuracy, counts = _by_user(runs)
    total = counts.sum(0)
    return counts[0, total > 0] / total[total > 0], accuracy[total > 0]


def accuracy_of_those_with_only(kind: str, runs: Sequence[Run]) -> np.ndarray:
    """Pair accuracy of each tested user of whom only `ups`, `downs` or `skips` are known; of several runs, the mean."""
    accuracy, counts = _by_user(runs)
    own = counts[_KINDS.index(kind)]
    return accuracy[(own > 0) & (own == counts.sum(0))]


def _by_user(runs: Sequence[Run]) -> tuple[np.ndarray, np.ndarray]:
    """Pair accuracy of each tested user, and what is known of them, by kind: of several runs, the means."""
    runs = [run for run in runs if "model/pair_accuracy" in run.users]
    if not runs:
        return np.zeros(0), np.zeros((len(_KINDS), 0))
    ids = np.concatenate([run.user_ids for run in runs])
    accuracy, *counts = (
        mean_by_user(ids, np.concatenate([run.users[key] for run in runs]).astype(np.float64))
        for key in ("model/pair_accuracy", *_KINDS)
    )
    known = ~np.isnan(accuracy)
    return accuracy[known], np.stack(counts)[:, known]


def gain(runs: Mapping[Repeat, Run], base: Mapping[Repeat, Run]) -> list[Plain | None]:
    """What some runs gain over others in pair accuracy: by repetitions, and by users; None where it can't be said."""
    metric = "pair_accuracy"
    gains = (
        difference(values_of(runs, metric), values_of(base, metric)),
        difference_by_user(runs, base, f"model/{metric}"),
    )
    return [gain.plain() if gain else None for gain in gains]


def gains_over(runs: Sequence[Run], knob: str, base: str, **fixed: str) -> dict[str, list[Plain | None]]:
    """What each value of a sweep's knob gains over one of them: see `gain`. Empty where that one was not run."""
    sweep = sweep_of(runs, knob, **fixed)
    if base not in sweep:
        return {}
    return {value: gain(repeats, sweep[base]) for value, repeats in sweep.items() if value != base}


def gains_table(seen: Mapping[str, Mapping[str, Any]], knob: str, base: str) -> str:
    """One row for each data set and value of what `gains_over` found, under `gains`, in Markdown."""
    table = [["", knob, f"over {base}", "by users"]]
    table += [[name, value, *told_gain(both, 3)] for name, own in seen.items() for value, both in own["gains"].items()]
    return markdown_table(table)


def mean_by_repeat(runs: Sequence[Run], metric: str) -> list[float]:
    """The mean of a metric over the runs of each repetition that have it."""
    values: dict[Repeat, list[float]] = {}
    for run in runs:
        if metric in run.metrics:
            values.setdefault(run.repeat, []).append(run.metrics[metric])
    return [float(np.mean(own)) for own in values.values()]


Curve = Mapping[str, Mapping[str, Plain]]
"""One data set's estimates, by metric and value of the knob."""


def curve(runs: Sequence[Run], knob: str, metrics: Sequence[str], **fixed: str) -> Curve:
    """What a sweep over `knob` found, if there is one: see `sweep_of`."""
    found: dict[str, dict[str, Plain]] = {}
    for value, repeats in sweep_of(runs, knob, **fixed).items():
        for metric in metrics:
            values = list(values_of(repeats, metric).values())
            if values:
                found.setdefault(metric, {})[value] = estimate(values).plain()
    return found


def curve_table(curves: Mapping[str, Curve], knob: str) -> str:
    """One row for each data set and value, in Markdown."""
    metrics = list(dict.fromkeys(metric for own in curves.values() for metric in own))
    table = [["", knob, "runs", *(TITLES[metric] for metric in metrics)]]
    for name, own in curves.items():
        for value, first in next(iter(own.values())).items():
            cells = (Estimate.of(own[m][value]).told(digits(m)) if value in own.get(m, {}) else "–" for m in metrics)
            table.append([name, value, str(Estimate.of(first).number), *cells])
    return markdown_table(table)


def series(curves: Mapping[str, Curve], metric: str) -> Series:
    """One metric's curves, to be drawn."""
    return {
        name: [(float(value), *Estimate.of(found)[:2]) for value, found in own[metric].items()]
        for name, own in curves.items()
        if metric in own
    }


def mean_where_known(tables: Sequence[np.ndarray]) -> np.ndarray:
    """The mean over tables (or rows), entry by entry, of those that know it; NaN where none does."""
    stacked = np.stack(tables)
    known = ~np.isnan(stacked)
    total, count = np.where(known, stacked, 0).sum(0), known.sum(0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def plain(values: np.ndarray) -> list[float | None]:
    """Numbers as JSON knows them: it has no NaN."""
    return [None if np.isnan(value) else float(value) for value in values]
