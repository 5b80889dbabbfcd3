"""Whether a score ranks satisfaction as it is: listeners among each other, and one listener's moments."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import rankdata

from urep_jax.evaluation.by_user import ByUser
from urep_jax.metrics.mean import Z_95

LEAST_MOMENTS = 5
"""Moments of a listener from which on ranks say something."""


class Between(NamedTuple):
    """How listeners are ranked.

    Attributes:
        correlation: Spearman's, of the listeners' means.
        listeners: how many they are.
    """

    correlation: float
    listeners: int

    @property
    def ci95(self) -> float:
        """Half-width of its 95 % interval; NaN for fewer than four listeners.

        Source: Fieller, Hartley and Pearson 1957: `atanh` of it has a variance of `1.06 / (n - 3)`.
        """
        return mean_of([self])[1]


def spearman(x: Float[np.ndarray, "N"], y: Float[np.ndarray, "N"]) -> float:
    """Spearman's rank correlation, -1 to 1; 0 where either is constant, and so ranks nothing."""
    x_N, y_N = rankdata(x) - (len(x) + 1) / 2, rankdata(y) - (len(y) + 1) / 2
    size = math.sqrt(float(x_N @ x_N) * float(y_N @ y_N))
    return float(x_N @ y_N) / size if size else 0.0


def between_listeners(
    score: Float[np.ndarray, "N"], satisfaction: Float[np.ndarray, "N"], listener: Int[np.ndarray, "N"]
) -> Between:
    """The rank correlation of listeners' mean scores with their mean satisfaction.

    Args:
        score: at each moment.
        satisfaction: then.
        listener: whose moment it is; who has fewer than `LEAST_MOMENTS` is left out.
    """
    _, group_N, count_U = np.unique(listener, return_inverse=True, return_counts=True)
    is_in_U = count_U >= LEAST_MOMENTS
    # From the first on, so that sums of a constant don't differ by what is rounded.
    means = [(np.bincount(group_N, weights=x - x[:1]) / count_U)[is_in_U] for x in (score, satisfaction)]
    return Between(spearman(*means), int(is_in_U.sum()))


def within_listeners(
    score: Float[np.ndarray, "N"], satisfaction: Float[np.ndarray, "N"], listener: Int[np.ndarray, "N"]
) -> ByUser:
    """The rank correlation over the moments of each listener; arguments as of `between_listeners`."""
    users, count_U = np.unique(listener, return_counts=True)
    users = users[count_U >= LEAST_MOMENTS]
    found = [spearman(score[listener == user], satisfaction[listener == user]) for user in users]
    return ByUser(users, np.array(found, np.float64))


def mean_of(several: Sequence[Between]) -> tuple[float, float]:
    """The mean correlation of several worlds, and half of its 95 % interval (see `Between.ci95`)."""
    mean = float(np.mean([one.correlation for one in several]))
    variances = [
        1.06 / (one.listeners - 3) * (1 - one.correlation**2) ** 2 if one.listeners > 3 else math.nan for one in several
    ]
    return mean, Z_95 * math.sqrt(sum(variances)) / len(several)
