"""Whether two judges put policies in the same order: a learned world and the true one, or two learned ones."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from urep_jax.evaluation.satisfaction_ranks import spearman

DRAWS = 2_000
"""Of policies, for an interval."""


class Agreement(NamedTuple):
    """How far two judges agree.

    Attributes:
        correlation: Spearman's, -1 to 1, the mean of several worlds.
        low: where a 95 % interval of it begins.
        high: where it ends.
    """

    correlation: float
    low: float
    high: float


def agreement(
    one: Float[np.ndarray, "S A"], other: Float[np.ndarray, "S A"], rng: np.random.Generator, draws: int = DRAWS
) -> Agreement:
    """Spearman's rank correlation of what two judges say of `A` policies in each of `S` worlds.

    The interval is of other policies than these, by the bootstrap: policies are drawn with replacement, the same ones
    in all worlds (Efron 1979). Draws of a single policy rank nothing and are left out.

    Args:
        one: what a judge says of each policy in each world.
        other: what the other says.
        rng: draws policies.
        draws: how often.

    Raises:
        ValueError: if there are fewer than 3 policies.
    """
    if one.shape[1] < 3:
        raise ValueError(f"one tells of {one.shape[1]} policies, but an order takes at least 3; judge more of them")
    picked_DxA = rng.integers(0, one.shape[1], (draws, one.shape[1]))
    picked_DxA = picked_DxA[(picked_DxA != picked_DxA[:, :1]).any(1)]
    drawn_D = [_mean(one[:, picked_A], other[:, picked_A]) for picked_A in picked_DxA]
    low, high = np.quantile(drawn_D, (0.025, 0.975))
    return Agreement(_mean(one, other), float(low), float(high))


def _mean(one_SxA: np.ndarray, other_SxA: np.ndarray) -> float:
    return float(np.mean([spearman(x_A, y_A) for x_A, y_A in zip(one_SxA, other_SxA, strict=True)]))
