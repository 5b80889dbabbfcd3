"""The runs below some folders, and which of them repeat each other, or differ in one knob only."""

import functools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import yaml

from experiments.folder import flatten
from experiments.tables import AGREEMENT, COMPARED_BY, FUTURE, PPO

REPEATS = ("seed", "data.source.world")
"""Knobs in which the repetitions of a setting differ."""

_MOMENT = "evaluation.now"
"""When users are asked about: the same setting at another moment repeats it."""

_HOW = ("workspace", "profile", "distributed", "baselines", "metrics", "data.path", "data.stats")
"""Knobs that decide no result of the model."""

_NO_SETTING = (*REPEATS, _MOMENT, *_HOW)

Repeat = tuple[object, ...]
"""Which repetition a run is: its seed, its world if it has one, and the moment that users are asked about."""

Setting = Mapping[str, str]
"""The knobs that decide a model's results, but for the repetition."""


class Run:
    """One run that has ended, as its folder tells of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config: dict[str, Any] = flatten(yaml.safe_load((folder / "config.yaml").read_text()))
        found: dict[str, float] = json.loads((folder / "metrics.json").read_text())
        # NaN says that there was nothing to measure, such as an interval of one user.
        self.metrics = {name: value for name, value in found.items() if not math.isnan(value)}

    @property
    def data(self) -> str:
        """Name of its data set; user representations, agents and learned worlds, which are tested otherwise, say so."""
        kinds = {FUTURE: "-users", PPO: "-agents", AGREEMENT: "-learned"}
        kind = next((kind for metric, kind in kinds.items() if metric in self.metrics), "")
        return f"{self.config['data.name']}{kind}"

    @property
    def repeat(self) -> Repeat:
        """Which repetition of its setting it is."""
        moment = self.config.get(_MOMENT)
        return (*(self.config.get(key) for key in REPEATS), *(() if moment is None else (moment,)))

    @functools.cached_property
    def setting(self) -> Setting:
        """All that decides its results but for the repetition."""
        return {key: _told(value) for key, value in self.config.items() if key not in _NO_SETTING}

    @functools.cached_property
    def users(self) -> dict[str, np.ndarray]:
        """Each tested user's results (`users.parquet`), by column; NaN where there is none."""
        table = pq.read_table(self.folder / "users.parquet")
        return {name: table[name].to_numpy() for name in table.column_names}

    @functools.cached_property
    def user_ids(self) -> np.ndarray:
        """Who the tested users are; those of another simulated world are others, whatever they are called."""
        return np.char.add(f"{self.config.get('data.source.world', '')}/", self.users["user_id"].astype(str))

    def figure_table(self, name: str) -> np.ndarray:
        """The numbers behind one of its figures."""
        return np.loadtxt(self.folder / "figures" / name, delimiter=",", skiprows=1, ndmin=2)

    def json(self, name: str) -> Any:
        """One of its JSON files."""
        return json.loads((self.folder / name).read_text())


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """All runs that have ended, below the folders.

    Raises:
        ValueError: if there are none.
    """
    ended = [Run(path.parent) for folder in folders for path in sorted(folder.rglob("metrics.json"))]
    # What recommends or ranks has no result that could be compared.
    runs = [run for run in ended if any(metric in run.metrics for metric in COMPARED_BY)]
    if not runs:
        where = ", ".join(map(str, folders))
        if ended:
            raise ValueError(f"none of the {len(ended)} runs below {where} has what runs are compared by; name others")
        raise ValueError(f"no run has ended below {where}; a run that has holds a metrics.json")
    return runs


def by_data(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """The runs of each data set, in the order in which the sets are met."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.data, []).append(run)
    return groups


def sweep_of(runs: Sequence[Run], knob: str, **fixed: str) -> dict[str, dict[Repeat, Run]]:
    """The runs that differ in one knob only, by its value and repetition.

    Of several such families, the one with most values is taken, and of these the one with most runs.

    Args:
        runs: of one data set.
        knob: the knob that differs.
        fixed: values that other knobs must have.

    Returns:
        In the order of the values, numbers by size; empty if no two runs differ in it.
    """
    families: dict[frozenset[tuple[str, str]], dict[str, dict[Repeat, Run]]] = {}
    for run in runs:
        if knob in run.setting and all(run.setting.get(key) == value for key, value in fixed.items()):
            others = frozenset((key, value) for key, value in run.setting.items() if key != knob)
            families.setdefault(others, {}).setdefault(run.setting[knob], {}).setdefault(run.repeat, run)
    best = max(families.values(), key=lambda f: (len(f), sum(map(len, f.values()))), default={})
    return dict(sorted(best.items(), key=lambda item: _place(item[0]))) if len(best) > 1 else {}


def _told(value: object) -> str:
    """A value as it is compared and told: 1 and 1.0 are the same."""
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _place(value: str) -> tuple[float, str]:
    try:
        return float(value), ""
    except ValueError:
        return float("inf"), value
