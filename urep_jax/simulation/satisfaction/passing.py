"""What a step takes of a listener's time, whether it ends the episode, and what it is worth to a service."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float32, Int32

from urep_jax.core.types import Feedback
from urep_jax.simulation.satisfaction.mechanisms import DAYS_PER_WEEK, HOURS_PER_DAY
from urep_jax.simulation.satisfaction.params import SatisfactionParams


class Passed(NamedTuple):
    """What has passed in a step.

    Attributes:
        here: hours that the item was heard.
        hours: that the step took, those away among them.
        within: of these, those that count: within the episode, and none away for who left for good.
        truncated: whether the episode was cut.
        comes_back: whether the listener begins another session within the episode.
        reward: `reward_minutes minutes + reward_up ([up] - [down]) + reward_return 2^(-days / reward_return_days)
            [comes back]`.
    """

    here: Float32[Array, "*B"]
    hours: Float32[Array, "*B"]
    within: Float32[Array, "*B"]
    truncated: Bool[Array, "*B"]
    comes_back: Bool[Array, "*B"]
    reward: Float32[Array, "*B"]


def passed(
    params: SatisfactionParams,
    *,
    hours: Float32[Array, "*B"],
    items: Int32[Array, "*B"],
    heard: Float32[Array, "*B"],
    minutes: Float32[Array, "*B"],
    feedback: Int32[Array, "*B"],
    is_over: Bool[Array, "*B"],
    days: Float32[Array, "*B"],
    terminated: Bool[Array, "*B"],
) -> Passed:
    """What has passed in a step.

    Args:
        params: the world's parameters: `weeks`, `most_items` and those of the reward are read.
        hours: since the beginning of the episode, before the step.
        items: that were heard before it.
        heard: minutes that the item was heard.
        minutes: that it engaged.
        feedback: code of `core.types.Feedback`.
        is_over: whether the session ended.
        days: until the next session; 0 if this one goes on.
        terminated: whether the listener left for good.
    """
    here, end = heard / 60, HOURS_PER_DAY * DAYS_PER_WEEK * params.weeks
    took = here + HOURS_PER_DAY * days
    now = hours + took
    comes_back = is_over & ~terminated & (now < end)
    thumb = (feedback == Feedback.UP).astype(jnp.float32) - (feedback == Feedback.DOWN)
    back = 2.0 ** (-days / params.reward_return_days)
    # Who stands still may be past the end already.
    within = jnp.minimum(took, jnp.maximum(end - hours, 0.0))
    return Passed(
        here=here,
        hours=took,
        within=jnp.where(terminated, here, within),
        truncated=~terminated & ((now >= end) | (items + 1 >= params.most_items)),
        comes_back=comes_back,
        reward=params.reward_minutes * minutes
        + params.reward_up * thumb
        + params.reward_return * jnp.where(comes_back, back, 0.0),
    )
