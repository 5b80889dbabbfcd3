"""Means over repetitions with their intervals, and differences that are taken within a repetition, or within a user."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from experiments.report.runs import Repeat, Run
from experiments.tables import short
from urep_jax.metrics.mean import Mean

Plain = list[float | None]
"""An estimate as JSON knows it: mean, half of its interval, number."""


class Estimate(NamedTuple):
    """A mean.

    Attributes:
        mean: over `number` repetitions, or users.
        half: half of its 95 % interval; NaN for a single value.
        number: of what it is the mean.
    """

    mean: float
    half: float
    number: int

    def plain(self) -> Plain:
        """As JSON knows it: it has no NaN."""
        return [None if math.isnan(value) else value for value in self]

    @classmethod
    def of(cls, plain: Sequence[float | None]) -> "Estimate":
        """The estimate that `plain` gave."""
        mean, half, number = (math.nan if value is None else value for value in plain)
        return cls(mean, half, int(number))

    def told(self, digits: int, *, sign: bool = False, scale: float = 1.0) -> str:
        """As a table tells it."""
        mean, half = scale * self.mean, scale * self.half
        text = ("+" if sign and mean > 0 else "") + short(mean, digits)
        return text if np.isnan(half) else f"{text} ±{short(half, digits)}"


def estimate(values: Sequence[float]) -> Estimate:
    """Mean of repetitions, with Student's interval."""
    if len(values) < 2:
        return Estimate(float(np.mean(values)), float("nan"), len(values))
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5
    half = float(stats.t.ppf(0.975, len(values) - 1)) * error
    return Estimate(float(np.mean(values)), half, len(values))


def told_gain(gains: Sequence[Plain | None], digits: int, scale: float = 1.0) -> list[str]:
    """A gain as a table tells it."""
    return [Estimate.of(gain).told(digits, sign=True, scale=scale) if gain else "–" for gain in gains]


def values_of(runs: Mapping[Repeat, Run], metric: str) -> dict[Repeat, float]:
    """One metric by repetition, of those that have it."""
    return {repeat: run.metrics[metric] for repeat, run in runs.items() if metric in run.metrics}


def difference(a: Mapping[Repeat, float], b: Mapping[Repeat, float]) -> Estimate | None:
    """`a - b`, repetition by repetition; None if fewer than two are common."""
    common = sorted(set(a) & set(b), key=str)
    return estimate([a[repeat] - b[repeat] for repeat in common]) if len(common) > 1 else None


def difference_by_user(
    a: Mapping[Repeat, Run], b: Mapping[Repeat, Run], column: str, column_of_b: str | None = None
) -> Estimate | None:
    """`a - b`, user by user: each user's mean difference over the common repetitions, with an interval by users.

    It says whether the same trainings would differ on other users of the kind, where `difference` says whether other
    trainings would.

    Args:
        a: runs by repetition.
        b: the others.
        column: of `users.parquet`, such as `model/pair_accuracy`.
        column_of_b: that of the others, if it is another.

    Returns:
        None if no repetition is common, or nobody has both.
    """
    column_of_b = column_of_b or column
    ids, gains = [], []
    for repeat in sorted(set(a) & set(b), key=str):
        _, in_a, in_b = np.intersect1d(a[repeat].user_ids, b[repeat].user_ids, return_indices=True)
        ids.append(a[repeat].user_ids[in_a])
        gains.append(a[repeat].users[column][in_a].astype(np.float64) - b[repeat].users[column_of_b][in_b])
    if not ids:
        return None
    found = by_users(mean_by_user(np.concatenate(ids), np.concatenate(gains)))
    return found if found.number else None


def mean_by_user(ids: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The mean of each user's values, in the order of the ids, of those that aren't NaN; NaN for a user without one.

    Where users are split anew for each seed, a user is tested in some of the repetitions.
    """
    _, user = np.unique(ids, return_inverse=True)
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.bincount(user, np.where(known, values, 0.0)) / np.bincount(user, known)


def by_users(values: np.ndarray) -> Estimate:
    """The mean of users' values, with an interval by users; NaN stands for a user without one."""
    known = ~np.isnan(values)
    mean = Mean.from_batch(values, known)
    return Estimate(mean.compute(), mean.ci95(), int(known.sum()))
