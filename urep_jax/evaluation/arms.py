"""Randomised tests of two arms: who is in which, how far they are apart, and how often they are told apart.

Each user belongs to an arm by a hash, is shown what that arm shows, and follows some of it or nothing. Where the truth
is known such a test can be repeated as often as one likes: with the same arm twice (an A/A test) it must tell them
apart in about one of twenty.
"""

import hashlib
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int8
from scipy import stats

from urep_jax.metrics.mean import Z_95

Z_80 = 0.841621
"""80 % quantile of the normal distribution: the power that tests are planned for."""


class ArmDifference(NamedTuple):
    """How much greater the mean of one arm is than that of another.

    Attributes:
        mean: of the first arm, less that of the second.
        standard_error: of this difference.
        ci95: half-width of its 95 % interval.
    """

    mean: float
    standard_error: float
    ci95: float

    @property
    def told_apart(self) -> bool:
        """Whether the interval leaves out 0."""
        return abs(self.mean) > self.ci95


class Share(NamedTuple):
    """A share of repeated tests.

    Attributes:
        value: from 0 to 1.
        ci95: half-width of its 95 % interval, by tests.
    """

    value: float
    ci95: float


def hashed_arms(user_ids: Sequence[str], salt: str) -> Int8[np.ndarray, "U"]:
    """The arm, 0 or 1, that each user belongs to: the lowest bit of a hash of the salt and the user's id.

    A user stays in their arm whoever else is there; another salt divides the same users anew.

    Args:
        user_ids: the source's ids.
        salt: name of the test.

    Example:
        >>> hashed_arms(["ann", "bob", "cy"], "test 1")
        array([0, 1, 1], dtype=int8)
    """
    digests = (hashlib.blake2b(f"{salt}\0{one}".encode(), digest_size=1).digest() for one in user_ids)
    return np.array([digest[0] & 1 for digest in digests], np.int8)


def difference_of_arms(a: Float[np.ndarray, "_"], b: Float[np.ndarray, "_"]) -> ArmDifference:
    r"""The difference of two arms' means, with Welch's interval.

    .. math:: \bar a - \bar b \pm t_{.975, \nu} s, \quad s^2 = \frac{s_a^2}{n_a} + \frac{s_b^2}{n_b}, \quad
        \nu = \frac{s^4}{(s_a^2 / n_a)^2 / (n_a - 1) + (s_b^2 / n_b)^2 / (n_b - 1)}

    Args:
        a: a value of each user of the first arm.
        b: of each user of the second.

    Source:
        Welch 1947, The generalization of "Student's" problem when several different population variances are involved.

    Raises:
        ValueError: if an arm has fewer than two users.
    """
    if min(len(a), len(b)) < 2:
        raise ValueError(f"the arms have {len(a)} and {len(b)} users, but must have at least 2 each; take more users")
    squared = [float(np.var(arm, ddof=1)) / len(arm) for arm in (a, b)]
    mean, error = float(np.mean(a) - np.mean(b)), math.sqrt(sum(squared))
    if not error:
        return ArmDifference(mean, 0.0, 0.0)
    degrees = error**4 / sum(part**2 / (len(arm) - 1) for part, arm in zip(squared, (a, b), strict=True))
    return ArmDifference(mean, error, float(stats.t.ppf(0.975, degrees)) * error)


def drawn_test(
    a: Float[np.ndarray, "U K"],
    b: Float[np.ndarray, "U K"],
    user_ids: Sequence[str],
    salt: str,
    rng: np.random.Generator,
) -> tuple[Float64[np.ndarray, "_"], Float64[np.ndarray, "_"]]:
    """One test as a service would run it: each user is shown what their arm shows, and follows some of it.

    Args:
        a: the chance that each user follows each of the K that the first arm would show them.
        b: the same of the second arm.
        user_ids: the source's ids of the users.
        salt: name of the test.
        rng: draws what is followed.

    Returns:
        How many each user of the first arm follows, and each of the second.
    """
    is_b_U = hashed_arms(user_ids, salt) == 1
    follows_U = (rng.random(a.shape) < np.where(is_b_U[:, None], b, a)).sum(axis=1).astype(np.float64)
    return follows_U[~is_b_U], follows_U[is_b_U]


def share_told_apart(
    a: Float[np.ndarray, "U K"],
    b: Float[np.ndarray, "U K"],
    user_ids: Sequence[str],
    tests: int,
    name: str,
    rng: np.random.Generator,
) -> Share:
    """In which share of tests, each with users divided and follows drawn anew, the arms are told apart.

    With `a` in both arms that is the share of false alarms, and should be .05; otherwise it is the power.

    Args:
        a: the chance that each user follows each of the K that the first arm would show them.
        b: the same of the second arm.
        user_ids: the source's ids of the users.
        tests: how many, at least 1.
        name: of the tests: their salts are made of it.
        rng: draws what is followed.

    Raises:
        ValueError: if there is no test, or an arm has fewer than two users.
    """
    if tests < 1:
        raise ValueError(f"tests is {tests}, but must be at least 1")
    drawn = (drawn_test(a, b, user_ids, f"{name}/{n}", rng) for n in range(tests))
    value = sum(difference_of_arms(*arms).told_apart for arms in drawn) / tests
    return Share(value, Z_95 * math.sqrt(value * (1 - value) / tests))


def power(difference: float, standard_error: float) -> float:
    r"""The chance that a test with this standard error tells such a difference from none, by the normal approximation.

    .. math:: \Phi(|d| / s - 1.96) + \Phi(-|d| / s - 1.96)

    Args:
        difference: the true one.
        standard_error: above 0.

    Raises:
        ValueError: if the standard error isn't above 0.
    """
    if not standard_error > 0:
        raise ValueError(f"standard_error is {standard_error}, but must be above 0")
    away = abs(difference) / standard_error
    return float(stats.norm.cdf(away - Z_95) + stats.norm.cdf(-away - Z_95))


def detectable(standard_error: float) -> float:
    """The difference that a test with this standard error tells from none in four of five cases: `(1.96 + .84) s`.

    Args:
        standard_error: of the difference.
    """
    return (Z_95 + Z_80) * standard_error
