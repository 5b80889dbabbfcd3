"""Linear models of rewards, for the doubly robust estimators of `off_policy`.

Rewards are linear in the numbers of a choice, so that the mean over what a policy chooses is that of the mean numbers.
Each half of the listeners, every other row, is told by a model that was fitted to the other half (cross-fitting), so
that the model's error has nothing to do with the rewards that correct it.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64

from urep_jax.evaluation.off_policy_choices import Choices

PENALTY = 10.0
"""Events' worth of the belief that numbers tell nothing, in ridge regression on numbers of variance 1."""


class Expected(NamedTuple):
    """What a model expects at each event; 0 where no event is.

    Attributes:
        q: after what was chosen.
        v: mean over what the policy that is asked about chooses.
    """

    q: Float64[np.ndarray, "U T"]
    v: Float64[np.ndarray, "U T"]


def expected_rewards(
    rewards: Float[np.ndarray, "U T"], choices: Choices, is_there: Bool[np.ndarray, "U T"]
) -> Expected:
    """The reward of the event: ridge regression on all events of the other half of the listeners.

    Args:
        rewards: of each event.
        choices: of the policy that is asked about.
        is_there: which events there are.

    Raises:
        ValueError: if a half has no events.
    """
    found = Expected(np.zeros(is_there.shape), np.zeros(is_there.shape))
    for here, other in _halves(is_there):
        fit = _ridge(choices.taken[other][is_there[other]], rewards[other][is_there[other]])
        _tell(found, here, is_there, fit(choices.taken[here]), fit(choices.expected[here]), slice(None))
    return found


def expected_sums(rewards: Float[np.ndarray, "U T"], choices: Choices, is_there: Bool[np.ndarray, "U T"]) -> Expected:
    """The sum of the rewards from the event to the last of `T`: fitted Q evaluation on the other half of the listeners.

    With k steps to go, and all events of which the next step is known, whichever step they are,

        q_k = ridge regression of r + v_{k-1}(next), v_0 = 0, v_k = mean of q_k over what the policy chooses,

    which takes what is seen at an event for all that matters afterwards, and so is only as right as that.

    Args:
        rewards: of each event.
        choices: of the policy that is asked about.
        is_there: which events there are; who is there no more before the last of `T` gets nothing more.

    Raises:
        ValueError: if a half has no events.

    Source: Le, Voloshin and Yue (2019), "Batch policy learning under constraints", algorithm 3.
    """
    steps = is_there.shape[1]
    found = Expected(np.zeros(is_there.shape), np.zeros(is_there.shape))
    for here, other in _halves(is_there):
        there, taken, expected = is_there[other], choices.taken[other], choices.expected[other]
        is_known = there.copy()
        later = np.zeros(there.shape)
        for to_go in range(1, steps + 1):
            fit = _ridge(taken[is_known], (rewards[other] + later)[is_known])
            at = slice(steps - to_go, steps - to_go + 1)
            q_UxT, v_UxT = fit(choices.taken[here][:, at]), fit(choices.expected[here][:, at])
            _tell(found, here, is_there, q_UxT, v_UxT, at)
            later[:, :-1] = np.where(there, fit(expected), 0.0)[:, 1:]
            # Of what follows the last step nothing is known.
            is_known[:, -1] = False
    return found


def _halves(is_there_UxT: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of a half, and of the other one."""
    is_odd_U = np.arange(len(is_there_UxT)) % 2 == 1
    for here_U in (is_odd_U, ~is_odd_U):
        if not is_there_UxT[here_U].any():
            raise ValueError(
                f"{len(is_there_UxT)} listeners have no events in every other row, but each half needs some; log more"
            )
    yield is_odd_U, ~is_odd_U
    yield ~is_odd_U, is_odd_U


def _ridge(numbers_ExM: np.ndarray, wanted_E: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A linear function of numbers, brought to mean 0 and variance 1; what is constant is left out."""
    mean_M, spread_M = numbers_ExM.mean(0, dtype=np.float64), numbers_ExM.std(0, dtype=np.float64)
    scale_M = np.divide(1.0, spread_M, out=np.zeros_like(spread_M), where=spread_M > 1e-6)
    x_ExM, mean = (numbers_ExM - mean_M) * scale_M, float(wanted_E.mean())
    slope_M = scale_M * np.linalg.solve(x_ExM.T @ x_ExM + PENALTY * np.eye(len(mean_M)), x_ExM.T @ (wanted_E - mean))
    return lambda of: (of - mean_M) @ slope_M + mean


def _tell(
    found: Expected, here_U: np.ndarray, is_there_UxT: np.ndarray, q: np.ndarray, v: np.ndarray, steps: slice
) -> None:
    """Write down what is expected of these listeners at these steps."""
    there = is_there_UxT[here_U][:, steps]
    for of_UxT, told in ((found.q, q), (found.v, v)):
        of_UxT[here_U, steps] = np.where(there, told, 0.0)
