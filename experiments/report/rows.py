"""Runs side by side: a row for each setting, with intervals by its repetitions."""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from experiments.report.intervals import difference, estimate
from experiments.report.runs import Repeat, Run
from experiments.tables import COMPARED_BY, MAIN, RECALL, TITLES, digits

COLUMNS = (*MAIN, *RECALL, "epochs_to_convergence")
_ALL_PAIRS = 6
"""Rows of which each two are compared; more of them would be a wall of numbers."""

Metrics = Mapping[Repeat, Mapping[str, float]]


class Row(NamedTuple):
    """Runs that are repetitions of one setting.

    Attributes:
        name: what tells the row from the others.
        metrics: what each repetition's `metrics.json` holds.
    """

    name: str
    metrics: Metrics

    def values(self, metric: str) -> dict[Repeat, float]:
        """One metric by repetition, of those that have it."""
        return {repeat: found[metric] for repeat, found in self.metrics.items() if metric in found}


def rows_of(runs: Sequence[Run]) -> list[Row]:
    """The runs of one data set by setting; a run's baselines are rows of their own.

    Raises:
        ValueError: if two runs repeat each other to the seed, and don't agree.
    """
    keys = dict.fromkeys(itertools.chain(*(run.setting for run in runs)))
    varied = [key for key in keys if len({run.setting.get(key) for run in runs}) > 1]
    rows: dict[str, dict[Repeat, Mapping[str, float]]] = {}
    baselines: dict[str, dict[str, dict[Repeat, Mapping[str, float]]]] = {}
    for run in runs:
        told = " ".join(f"{key}={run.setting[key]}" for key in varied if key in run.setting)
        model = told or "model"
        found = run.metrics
        before = rows.setdefault(model, {}).setdefault(run.repeat, found)
        # Baselines are compared below.
        own_keys = [key for key in before.keys() & found.keys() if key.split("/")[0] not in baselines_of(found)]
        if any(before[key] != found[key] for key in own_keys):
            raise ValueError(
                f"{run.folder} repeats another run of {model} with the same seed, with other results; name only one"
            )
        for baseline in baselines_of(found):
            own = {key.removeprefix(f"{baseline}/"): v for key, v in found.items() if key.startswith(f"{baseline}/")}
            baselines.setdefault(baseline.replace("_", " "), {}).setdefault(told, {})[run.repeat] = own
    return [Row(name, metrics) for name, metrics in (rows | _baseline_rows(baselines)).items()]


def baselines_of(metrics: Mapping[str, float]) -> list[str]:
    """Names of the baselines that a `metrics.json` tells of."""
    return [key.rsplit("/", 1)[0] for key in metrics for name in COMPARED_BY if key.endswith(f"/{name}")]


def _baseline_rows(baselines: Mapping[str, Mapping[str, Metrics]]) -> dict[str, Metrics]:
    """One row for each baseline where the settings agree on it, else one for each of its settings.

    Most settings are none of a baseline's: popularity doesn't know of `p_hard`. What a baseline does depend on shows in
    its results.
    """
    rows: dict[str, Metrics] = {}
    for baseline, by_setting in baselines.items():
        together: dict[Repeat, Mapping[str, float]] = {}
        agree = all(
            together.setdefault(repeat, found) == found
            for metrics in by_setting.values()
            for repeat, found in metrics.items()
        )
        if agree and len({frozenset(metrics) for metrics in by_setting.values()}) == 1:
            rows[baseline] = together
        else:
            rows |= {f"{baseline} {told}".strip(): metrics for told, metrics in by_setting.items()}
    return rows


def table_of(rows: Sequence[Row], columns: Sequence[str] = COLUMNS) -> list[list[str]]:
    """Means and intervals, one line for each row, of the columns that some row has."""
    there = [metric for metric in columns if any(row.values(metric) for row in rows)]
    table = [["", "runs", *(TITLES[metric] for metric in there)]]
    for row in rows:
        values = (list(row.values(metric).values()) for metric in there)
        cells = (estimate(v).told(digits(m)) if v else "–" for m, v in zip(there, values, strict=True))
        table.append([row.name, str(len(row.metrics)), *cells])
    return table


def differences(rows: Sequence[Row], metric: str) -> list[list[str]]:
    """The difference of each two rows, taken repetition by repetition; none of many rows."""
    table = [[f"difference in {TITLES[metric]}", "pairs", "mean"]]
    for one, other in itertools.combinations(rows if len(rows) <= _ALL_PAIRS else [], 2):
        gain = difference(one.values(metric), other.values(metric))
        if gain is not None:
            table.append([f"{one.name} − {other.name}", str(gain.number), gain.told(digits(metric), sign=True)])
    return table
