"""What another policy would bring, estimated from what the logging policy did.

Listeners are independent of each other, a listener's events aren't: intervals are by listener, with the delta method
where an estimate is a ratio. Nothing here knows a simulator; arrays are listeners by events, each listener's first.

Two questions, each with estimators that trade bias for variance:

| | the next item | the sum over a session, or over so many steps |
|---|---|---|
| target | mean reward of an event, in the situations that the logging policy came to | mean sum of a listener |
| weights | `event_weights` | `path_weights` |
| plain, unbiased | `ips` | `per_decision` |
| self-normalised: bounded, a little biased | `snips` | `weighted_per_decision` |
| with a model of rewards, unbiased | `dr` | `sequential_dr` |
| with a model, self-normalised | | `weighted_sequential_dr` |
| the model alone, as wrong as it is | `by_model` | `by_model` of the first event |

Intervals are by the normal approximation. Where a few weights are most of the sum they are too short, and what they
leave out is most often above: the largest weights are those that were not met. `Estimate.effective` warns of it.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64

from urep_jax.metrics.mean import Z_95


class Estimate(NamedTuple):
    """What a policy would bring.

    Attributes:
        value: mean reward of an event, or mean sum of a listener.
        standard_error: by listener; NaN for fewer than two listeners, or where no weight is above 0.
        effective: how many events (of the next item) or listeners (of sums, by their last weights) would tell as much
            if all weighed the same: `(sum w)^2 / sum w^2`; 0 where no weight is above 0. Source: Kish (1965).
    """

    value: float
    standard_error: float
    effective: float

    def ci95(self) -> float:
        """Half-width of the 95 % interval by the normal approximation."""
        return Z_95 * self.standard_error


def event_weights(
    target: Float[np.ndarray, "U T"],
    logging: Float[np.ndarray, "U T"],
    is_there: Bool[np.ndarray, "U T"],
    most: float = math.inf,
) -> Float64[np.ndarray, "U T"]:
    """Importance weights of events: `min(target / logging, most)`.

    Cutting trades variance for bias, of which no interval knows: an estimate is then off by the mean of
    `(min(w, most) - w) (r - q)`. Without a model q is 0, and where rewards are above 0 the estimate is too low; with a
    perfect one it is right. Source: Ionides (2008), "Truncated importance sampling".

    Args:
        target: probability with which the policy that is asked about chooses what was chosen.
        logging: probability with which it was chosen.
        is_there: which events there are.
        most: the largest weight, above 0.

    Returns:
        The weights; 0 where no event is.

    Raises:
        ValueError: if a probability is out of range, or `most` isn't above 0.
    """
    _require_most(most)
    return np.minimum(_ratios(target, logging, is_there, 0.0), most)


def path_weights(
    target: Float[np.ndarray, "U T"],
    logging: Float[np.ndarray, "U T"],
    is_there: Bool[np.ndarray, "U T"],
    most: float = math.inf,
) -> Float64[np.ndarray, "U T"]:
    """Importance weights of all that was chosen so far: `rho_t = min(prod_{s <= t} target_s / logging_s, most)`.

    Cutting makes an estimate off by the mean of the sum over t of `(min(rho_t, most) - rho_t) (r_t + v_{t+1} - q_t)`:
    much without a model, whose q and v are 0, and nothing with a perfect one. Of self-normalised estimates that holds
    as far as they are unbiased.

    Args:
        target: probability with which the policy that is asked about chooses what was chosen.
        logging: probability with which it was chosen.
        is_there: which events there are.
        most: the largest weight, above 0.

    Returns:
        The weights; after a listener's last event they stay as they are.

    Raises:
        ValueError: if a probability is out of range, `most` isn't above 0, or a weight is beyond all numbers.
    """
    _require_most(most)
    with np.errstate(divide="ignore"):
        log_UxT = np.log(_ratios(target, logging, is_there, 1.0))
    sum_UxT = np.minimum(np.cumsum(log_UxT, axis=1), math.log(most))
    beyond_UxT = sum_UxT > math.log(np.finfo(np.float64).max)
    if beyond_UxT.any():
        listener, event = np.argwhere(beyond_UxT)[0]
        raise ValueError(
            f"the weight of listener {listener} at event {event} is e^{sum_UxT[listener, event]:.0f}, but must be a "
            "number; ask about fewer steps, or set most"
        )
    return np.exp(sum_UxT)


def ips(
    rewards: Float[np.ndarray, "U T"], weights: Float[np.ndarray, "U T"], is_there: Bool[np.ndarray, "U T"]
) -> Estimate:
    """Inverse propensity score: `sum w r / number of events`.

    Args:
        rewards: of each event.
        weights: from `event_weights`.
        is_there: which events there are.

    Source: Horvitz and Thompson (1952); for policies, Dudik, Langford and Li (2011).
    """
    w_UxT, r_UxT = _there(is_there, weights, rewards)
    return _ratio((w_UxT * r_UxT).sum(1), _counts(is_there), _kish(w_UxT))


def snips(
    rewards: Float[np.ndarray, "U T"], weights: Float[np.ndarray, "U T"], is_there: Bool[np.ndarray, "U T"]
) -> Estimate:
    """Self-normalised inverse propensity score: `sum w r / sum w`, within the range of the rewards.

    Args:
        rewards: of each event.
        weights: from `event_weights`.
        is_there: which events there are.

    Source: Swaminathan and Joachims (2015), "The self-normalized estimator for counterfactual learning".
    """
    w_UxT, r_UxT = _there(is_there, weights, rewards)
    return _ratio((w_UxT * r_UxT).sum(1), w_UxT.sum(1), _kish(w_UxT))


def dr(
    rewards: Float[np.ndarray, "U T"],
    weights: Float[np.ndarray, "U T"],
    q: Float[np.ndarray, "U T"],
    v: Float[np.ndarray, "U T"],
    is_there: Bool[np.ndarray, "U T"],
) -> Estimate:
    """Doubly robust: `sum (v + w (r - q)) / number of events`. Unbiased if the probabilities are right or the model is.

    Args:
        rewards: of each event.
        weights: from `event_weights`.
        q: the reward that a model expects of what was chosen; it must not have been fitted to the same listener.
        v: its mean over what the policy that is asked about chooses.
        is_there: which events there are.

    Source: Dudik, Langford and Li (2011), "Doubly robust policy evaluation and learning", section 3.
    """
    w_UxT, r_UxT, q_UxT, v_UxT = _there(is_there, weights, rewards, q, v)
    return _ratio((v_UxT + w_UxT * (r_UxT - q_UxT)).sum(1), _counts(is_there), _kish(w_UxT))


def by_model(v: Float[np.ndarray, "U T"], is_there: Bool[np.ndarray, "U T"]) -> Estimate:
    """What a model says, by itself: `sum v / number of events`. No interval knows how wrong the model is.

    Args:
        v: what the model expects, under the policy that is asked about: of a reward, or of a sum from there on, with
            the first event alone.
        is_there: which events there are.
    """
    (v_UxT,) = _there(is_there, v)
    return _ratio(v_UxT.sum(1), _counts(is_there), float(is_there.sum()))


def per_decision(
    rewards: Float[np.ndarray, "U T"], weights: Float[np.ndarray, "U T"], is_there: Bool[np.ndarray, "U T"]
) -> Estimate:
    """Per-decision importance sampling: the mean over listeners of `sum_t rho_t r_t`.

    Its variance grows as a power of the number of steps. Rewards may be discounted, `gamma^t r_t`, here and below, if
    `q` and `v` are.

    Args:
        rewards: of each event.
        weights: from `path_weights`.
        is_there: which events there are.

    Source: Precup, Sutton and Singh (2000), "Eligibility traces for off-policy policy evaluation", section 3.
    """
    (r_UxT,) = _there(is_there, rewards)
    return _mean((weights * r_UxT).sum(1), _kish(weights[:, -1]))


def weighted_per_decision(
    rewards: Float[np.ndarray, "U T"], weights: Float[np.ndarray, "U T"], is_there: Bool[np.ndarray, "U T"]
) -> Estimate:
    """Its self-normalised form: `sum_t (sum_u rho_ut r_ut) / (sum_u rho_ut)`.

    NaN where from some step on no weight is above 0: nobody was offered what the policy would have.

    Args:
        rewards: of each event.
        weights: from `path_weights`; listeners whose events are over stay in the sums below, with a reward of 0.
        is_there: which events there are.

    Source: Thomas (2015), "Safe reinforcement learning", section 3.7.
    """
    (r_UxT,) = _there(is_there, rewards)
    return _weighted([(weights, r_UxT)], _kish(weights[:, -1]))


def sequential_dr(
    rewards: Float[np.ndarray, "U T"],
    weights: Float[np.ndarray, "U T"],
    q: Float[np.ndarray, "U T"],
    v: Float[np.ndarray, "U T"],
    is_there: Bool[np.ndarray, "U T"],
) -> Estimate:
    """Doubly robust over steps: the mean over listeners of `sum_t rho_t (r_t - q_t) + rho_{t-1} v_t`, `rho_{-1} = 1`.

    Args:
        rewards: of each event.
        weights: from `path_weights`.
        q: what a model expects of this reward and later ones, after what was chosen; it must not have been fitted to
            the same listener.
        v: its mean over what the policy that is asked about chooses.
        is_there: which events there are.

    Source: Jiang and Li (2016), "Doubly robust off-policy value evaluation for reinforcement learning", section 4,
    unrolled.
    """
    r_UxT, q_UxT, v_UxT = _there(is_there, rewards, q, v)
    sums_U = (weights * (r_UxT - q_UxT) + _before(weights) * v_UxT).sum(1)
    return _mean(sums_U, _kish(weights[:, -1]))


def weighted_sequential_dr(
    rewards: Float[np.ndarray, "U T"],
    weights: Float[np.ndarray, "U T"],
    q: Float[np.ndarray, "U T"],
    v: Float[np.ndarray, "U T"],
    is_there: Bool[np.ndarray, "U T"],
) -> Estimate:
    """The same, with weights that sum to 1 at each step: `sum_t sum_u w_ut (r_ut - q_ut) + w_u,t-1 v_ut`.

    `w_ut = rho_ut / sum_u rho_ut`. NaN where from some step on no weight is above 0.

    Args:
        rewards: of each event.
        weights: from `path_weights`.
        q: as for `sequential_dr`.
        v: as for `sequential_dr`.
        is_there: which events there are.

    Source: Thomas and Brunskill (2016), "Data-efficient off-policy policy evaluation for reinforcement learning",
    section 4.
    """
    r_UxT, q_UxT, v_UxT = _there(is_there, rewards, q, v)
    return _weighted([(weights, r_UxT - q_UxT), (_before(weights), v_UxT)], _kish(weights[:, -1]))


def _require_most(most: float) -> None:
    if not most > 0:
        raise ValueError(f"most is {most}, but the largest weight must be above 0; raise it")


def _ratios(target_UxT: np.ndarray, logging_UxT: np.ndarray, is_there_UxT: np.ndarray, elsewhere: float) -> np.ndarray:
    """Target over logging, in float64, where there are events."""
    for name, of_UxT, least in (("target", target_UxT, "0"), ("logging", logging_UxT, "above 0")):
        # Softmax in float32 may be a little above 1.
        is_right_UxT = (of_UxT >= 0) & (of_UxT <= 1 + 1e-5) & ((least == "0") | (of_UxT > 0))
        wrong = np.argwhere(is_there_UxT & ~is_right_UxT)
        if len(wrong):
            listener, event = wrong[0]
            raise ValueError(
                f"{name} is {of_UxT[listener, event]} for listener {listener} at event {event}, but what was chosen "
                f"there has a probability from {least} to 1; log the probability of each choice when it is made"
            )
    ratio_UxT = np.full(is_there_UxT.shape, elsewhere)
    np.divide(target_UxT, logging_UxT, out=ratio_UxT, where=is_there_UxT, dtype=np.float64)
    return ratio_UxT


def _there(is_there_UxT: np.ndarray, *of: np.ndarray) -> list[np.ndarray]:
    """Arrays in float64, with 0 where no event is, whatever lies there."""
    return [np.where(is_there_UxT, x_UxT, 0.0).astype(np.float64) for x_UxT in of]


def _counts(is_there_UxT: np.ndarray) -> np.ndarray:
    return is_there_UxT.sum(1).astype(np.float64)


def _before(rho_UxT: np.ndarray) -> np.ndarray:
    return np.concatenate([np.ones((len(rho_UxT), 1)), rho_UxT[:, :-1]], axis=1)


def _kish(weights: np.ndarray) -> float:
    # Squares of large weights are beyond all numbers sooner than the weights.
    largest = float(weights.max(initial=0.0))
    return float((weights / largest).sum() ** 2 / ((weights / largest) ** 2).sum()) if largest > 0 else 0.0


def _estimate(value: float, influence_U: np.ndarray, effective: float) -> Estimate:
    """A value whose error is the mean of independent influences of listeners, of mean 0."""
    count = len(influence_U)
    is_known = count > 1 and effective > 0
    error = math.sqrt(float((influence_U**2).sum()) / (count - 1) / count) if is_known else math.nan
    return Estimate(value, error, effective)


def _mean(sums_U: np.ndarray, effective: float) -> Estimate:
    value = float(sums_U.mean())
    return _estimate(value, sums_U - value, effective)


def _ratio(above_U: np.ndarray, below_U: np.ndarray, effective: float) -> Estimate:
    below = below_U.mean()
    if not below > 0:
        return Estimate(math.nan, math.nan, effective)
    value = float(above_U.mean() / below)
    return _estimate(value, (above_U - value * below_U) / below, effective)


def _weighted(parts: list[tuple[np.ndarray, np.ndarray]], effective: float) -> Estimate:
    """The sum over steps and parts of means over listeners, each with its weights."""
    value, influence_U = 0.0, np.zeros(len(parts[0][0]))
    for weights_UxT, of_UxT in parts:
        total_T = weights_UxT.mean(0)
        if not (total_T > 0).all():
            return Estimate(math.nan, math.nan, effective)
        mean_T = (weights_UxT * of_UxT).mean(0) / total_T
        value += float(mean_T.sum())
        influence_U += (weights_UxT / total_T * (of_UxT - mean_T)).sum(1)
    return _estimate(value, influence_U, effective)
