"""Several runs side by side: `python -m experiments.report FOLDER...` reads every run below the folders.

Runs that differ in nothing but their seed (or simulated world) are one row, with a 95 % interval by seeds. Where two
rows have seeds in common, their difference is taken seed by seed.
"""

import argparse
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from rich.console import Console
from rich.markdown import Markdown
from scipy import stats

from experiments.figures import pair_accuracies
from experiments.folder import flatten, write_whole
from experiments.tables import markdown_table, short

_REPEATS = ("seed", "data.source.world")
_NO_SETTING = ("workspace", "baselines", "data.path", "data.stats")
_COLUMNS = {
    "pair_accuracy": ("pair accuracy", 3),
    "random_pair_accuracy": ("random pairs", 3),
    "mrr_up": ("MRR up", 4),
    "mrr_down": ("MRR down", 4),
    "recall_up@10": ("recall@10 up", 4),
    "recall_down@10": ("recall@10 down", 4),
    "epochs_to_convergence": ("epochs", 1),
}

Repeat = tuple[object, ...]
"""Which repetition a run is: its seed, and its world if it has one."""


class Row(NamedTuple):
    """Runs that are repetitions of one setting.

    Attributes:
        name: what tells the row from the others.
        metrics: what each repetition's `metrics.json` holds.
    """

    name: str
    metrics: dict[Repeat, Mapping[str, float]]

    def values(self, metric: str) -> dict[Repeat, float]:
        """One metric by repetition, of those that have it."""
        return {repeat: found[metric] for repeat, found in self.metrics.items() if metric in found}


def read_rows(folders: Sequence[Path]) -> list[Row]:
    """All runs that have ended, below the folders, by setting; a run's baselines are rows of their own.

    Raises:
        ValueError: if there are none, or two runs repeat each other to the seed.
    """
    runs = [path.parent for folder in folders for path in sorted(folder.rglob("metrics.json"))]
    if not runs:
        raise ValueError(f"no run has ended below {', '.join(map(str, folders))}; a run that has holds a metrics.json")
    configs = [flatten(yaml.safe_load((run / "config.yaml").read_text())) for run in runs]
    settings = [{k: str(v) for k, v in c.items() if k not in (*_REPEATS, *_NO_SETTING)} for c in configs]
    keys = dict.fromkeys(itertools.chain(*settings))
    varied = [key for key in keys if len({setting.get(key) for setting in settings}) > 1]
    rows: dict[str, dict[Repeat, Mapping[str, float]]] = {}
    baselines: dict[str, dict[str, dict[Repeat, Mapping[str, float]]]] = {}
    for run, config, setting in zip(runs, configs, settings, strict=True):
        told = " ".join(f"{key}={setting[key]}" for key in varied if key in setting)
        model = told or "model"
        repeat = tuple(config.get(key) for key in _REPEATS)
        found = json.loads((run / "metrics.json").read_text())
        if repeat in rows.get(model, {}):
            raise ValueError(f"{run} repeats another run of {model} with the same seed; name only one of them")
        rows.setdefault(model, {})[repeat] = found
        for baseline in dict.fromkeys(key.rsplit("/", 1)[0] for key in found if key.endswith("/pair_accuracy")):
            own = {key.removeprefix(f"{baseline}/"): v for key, v in found.items() if key.startswith(f"{baseline}/")}
            baselines.setdefault(baseline.replace("_", " "), {}).setdefault(told, {})[repeat] = own
    return [Row(name, metrics) for name, metrics in (rows | _baseline_rows(baselines)).items()]


def _baseline_rows(
    baselines: Mapping[str, Mapping[str, dict[Repeat, Mapping[str, float]]]],
) -> dict[str, dict[Repeat, Mapping[str, float]]]:
    """One row for each baseline where the settings agree on it, else one for each of its settings.

    Most settings are none of a baseline's: popularity doesn't know of `p_hard`. What a baseline does depend on shows in
    its results.
    """
    rows: dict[str, dict[Repeat, Mapping[str, float]]] = {}
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


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and half of its 95 % interval by Student's t; NaN for a single value."""
    if len(values) < 2:
        return float(np.mean(values)), float("nan")
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5
    return float(np.mean(values)), float(stats.t.ppf(0.975, len(values) - 1)) * error


def table_of(rows: Sequence[Row]) -> list[list[str]]:
    """Means and intervals, one line for each row."""
    table = [["", "runs", *(title for title, _ in _COLUMNS.values())]]
    for row in rows:
        line = [row.name, str(len(row.metrics))]
        for metric, (_, digits) in _COLUMNS.items():
            line.append(_cell(list(row.values(metric).values()), digits))
        table.append(line)
    return table


def differences(rows: Sequence[Row], metric: str = "pair_accuracy") -> list[list[str]]:
    """The difference of each two rows, taken repetition by repetition."""
    table = [[f"difference in {metric.replace('_', ' ')}", "pairs", "mean"]]
    for one, other in itertools.combinations(rows, 2):
        a, b = one.values(metric), other.values(metric)
        common = sorted(set(a) & set(b), key=str)
        if len(common) > 1:
            gains = [a[repeat] - b[repeat] for repeat in common]
            table.append([f"{one.name} − {other.name}", str(len(common)), _cell(gains, 3, sign=True)])
    return table


def _cell(values: Sequence[float], digits: int, sign: bool = False) -> str:
    if not values:
        return "–"
    mean, half = interval(values)
    told = ("+" if sign and mean > 0 else "") + short(mean, digits)
    return told if np.isnan(half) else f"{told} ±{short(half, digits)}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, and write them with `--out`."""
    parser = argparse.ArgumentParser(prog="python -m experiments.report", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="run folders, or folders of them")
    parser.add_argument("--out", type=Path, help="Markdown file to write the tables to")
    parser.add_argument("--figure", type=Path, help="PNG or SVG file to draw the pair accuracies to")
    given = parser.parse_args(arguments)
    try:
        rows = read_rows(given.folders)
    except (ValueError, FileNotFoundError) as error:
        parser.exit(1, f"error: {error}\n")
    tables = [markdown_table(table) for table in (table_of(rows), differences(rows))]
    text = "\n\n".join([*tables, "± is half a 95 % interval, by seeds.\n"])
    console = Console()
    # A pipe or a file has no width of its own: tables keep theirs.
    Console(width=console.width if console.is_terminal else max(map(len, text.splitlines()))).print(Markdown(text))
    if given.out is not None:
        write_whole(given.out, text)
    if given.figure is not None:
        accuracies = {row.name: interval(list(row.values("pair_accuracy").values())) for row in rows}
        pair_accuracies(accuracies, given.figure)


if __name__ == "__main__":
    main()
