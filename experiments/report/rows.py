"""Runs side by side: a row for each setting, with intervals by its repetitions."""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from experiments.report.intervals import Plain, difference, difference_by_user, estimate, told_gain
from experiments.report.runs import Repeat, Run
from experiments.tables import (
    AGREEMENT,
    AGREEMENTS,
    COMPARED_BY,
    FUTURE,
    LONG_TERM,
    MAIN,
    RECALL,
    REPRESENTATION,
    TITLES,
    digits,
    model_title,
)

COLUMNS = (*MAIN, *RECALL, "epochs_to_convergence", *REPRESENTATION, *LONG_TERM, *AGREEMENTS)
_ALL_PAIRS = 6
"""Rows of which each two are compared; more of them would be a wall of numbers."""

Metrics = Mapping[str, float]


class Row(NamedTuple):
    """Runs that are repetitions of one setting.

    Attributes:
        name: what tells the row from the others.
        runs: by repetition.
        model: which of the models that these runs tell of: `model`, their own, or a baseline.
    """

    name: str
    runs: Mapping[Repeat, Run]
    model: str = "model"

    @property
    def metrics(self) -> dict[Repeat, Metrics]:
        """What each repetition's `metrics.json` holds of the row's model."""
        return {repeat: metrics_of(run.metrics, self.model) for repeat, run in self.runs.items()}

    def column(self, metric: str) -> str:
        """Where `users.parquet` has a metric of each user."""
        return metric if metric == FUTURE else f"{self.model}/{metric}"

    def values(self, metric: str) -> dict[Repeat, float]:
        """One metric by repetition, of those that have it."""
        return {repeat: found[metric] for repeat, found in self.metrics.items() if metric in found}


def rows_of(runs: Sequence[Run]) -> list[Row]:
    """The runs of one data set by setting; a run's baselines are rows of their own.

    Raises:
        ValueError: if two runs repeat each other to the seed, and don't agree.
    """
    told_keys = _telling(runs)
    rows: dict[str, dict[Repeat, Run]] = {}
    baselines: dict[str, dict[str, dict[Repeat, Run]]] = {}
    for run in runs:
        own = {key: run.setting[key] for key in told_keys if key in run.setting}
        # That nothing was taken out goes without saying.
        told = " ".join(f"{key}={value}" for key, value in own.items() if (key, value) != ("ablation", "none"))
        name = told or "model"
        before, found = rows.setdefault(name, {}).setdefault(run.repeat, run).metrics, run.metrics
        # Baselines are compared below, and seconds hang on the machine.
        own_keys = [
            key
            for key in before.keys() & found.keys()
            if key.split("/")[0] not in baselines_of(found) and not key.endswith("/seconds")
        ]
        if any(before[key] != found[key] for key in own_keys):
            raise ValueError(
                f"{run.folder} repeats another run of {name} with the same seed, with other results; name only one"
            )
        for baseline in baselines_of(found):
            baselines.setdefault(baseline, {}).setdefault(told, {})[run.repeat] = run
    models = [Row(name, repeats) for name, repeats in rows.items()]
    return models + [row for name, by_setting in baselines.items() for row in _baseline_rows(name, by_setting)]


def _telling(runs: Sequence[Run]) -> list[str]:
    """The knobs whose values tell the settings from each other: what a recipe decides is told by its name."""
    keys = dict.fromkeys(itertools.chain(*(run.setting for run in runs)))
    varied = [key for key in keys if len({run.setting.get(key) for run in runs}) > 1]
    if "recipe" not in varied:
        return varied
    values: dict[str, dict[str, set[str | None]]] = {}
    for run, key in itertools.product(runs, varied):
        values.setdefault(key, {}).setdefault(run.setting.get("recipe", ""), set()).add(run.setting.get(key))
    free = [key for key in varied if any(len(own) > 1 for own in values[key].values())]
    return ["recipe", *free]


def baselines_of(metrics: Metrics) -> list[str]:
    """Names of the baselines that a `metrics.json` tells of: those that have what its own model is compared by."""
    main = next((name for name in COMPARED_BY if name in metrics), None)
    return [key.removesuffix(f"/{main}") for key in metrics if main is not None and key.endswith(f"/{main}")]


def metrics_of(metrics: Metrics, model: str) -> Metrics:
    """What a `metrics.json` holds of one model: of its run's own, everything."""
    if model == "model":
        return metrics
    return {key.removeprefix(f"{model}/"): value for key, value in metrics.items() if key.startswith(f"{model}/")}


def _baseline_rows(baseline: str, by_setting: Mapping[str, Mapping[Repeat, Run]]) -> list[Row]:
    """One row where the settings agree on a baseline, else one for each of them.

    Most settings are none of a baseline's: popularity doesn't know of `p_hard`. What a baseline does depend on shows in
    its results.
    """
    title = model_title(baseline)
    rows = [Row(f"{title} {told}".strip(), runs, baseline) for told, runs in by_setting.items()]
    together: dict[Repeat, Metrics] = {}
    agree = all(together.setdefault(repeat, found) == found for row in rows for repeat, found in row.metrics.items())
    if agree and len({frozenset(row.runs) for row in rows}) == 1:
        return [rows[0]._replace(name=title)]
    return rows


def table_of(rows: Mapping[str, Sequence[Metrics]], columns: Sequence[str] = COLUMNS) -> list[list[str]]:
    """Means and intervals, one line for each row, of the columns that some row has.

    Args:
        rows: each repetition's metrics, by the row's name.
        columns: metrics.
    """
    there = [metric for metric in columns if any(metric in found for row in rows.values() for found in row)]
    table = [["", "runs", *(TITLES[metric] for metric in there)]]
    for name, row in rows.items():
        values = ([found[metric] for found in row if metric in found] for metric in there)
        cells = (estimate(v).told(digits(m)) if v else "–" for m, v in zip(there, values, strict=True))
        table.append([name, str(len(row)), *cells])
    return table


class Difference(NamedTuple):
    """What one row has over another.

    Attributes:
        of: name of the row.
        over: name of the other.
        runs: how many repetitions both have.
        by_runs: repetition by repetition; None if they have fewer than two in common.
        by_users: user by user; None if no user can be compared.
    """

    of: str
    over: str
    runs: int
    by_runs: Plain | None
    by_users: Plain | None


def differences(rows: Sequence[Row], metric: str, against: str | None = None) -> list[Difference]:
    """The differences of rows, taken repetition by repetition, and user by user.

    Args:
        rows: of one data set.
        metric: what is compared.
        against: name of the row that all others are compared with; None compares each two, unless they are many.

    Returns:
        Of the rows that have repetitions in common.

    Raises:
        ValueError: if no row has this name.
    """
    names = [row.name for row in rows]
    if against is not None and against not in names:
        raise ValueError(f"there is no row {against!r} to compare with; the rows are {', '.join(names)}")
    if against is not None:
        (base,) = (row for row in rows if row.name == against)
        pairs = [(row, base) for row in rows if row is not base]
    else:
        pairs = list(itertools.combinations(rows if len(rows) <= _ALL_PAIRS else [], 2))
    found = []
    for one, other in pairs:
        common = len(one.runs.keys() & other.runs.keys())
        if common:
            # How far policies' order agrees is no user's.
            by_users = (
                None
                if metric == AGREEMENT
                else difference_by_user(one.runs, other.runs, one.column(metric), other.column(metric))
            )
            gains = (difference(one.values(metric), other.values(metric)), by_users)
            found.append(Difference(one.name, other.name, common, *(gain.plain() if gain else None for gain in gains)))
    return found


def difference_table(found: Sequence[Difference], metric: str) -> list[list[str]]:
    """One line for each difference."""
    table = [[f"difference in {TITLES[metric]}", "pairs", "by runs", "by users"]]
    for each in found:
        told = told_gain((each.by_runs, each.by_users), digits(metric))
        table.append([f"{each.of} − {each.over}", str(each.runs), *told])
    return table
