"""Sums of later rewards: discounted by the time that passes, cut where an episode ends."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float32

from urep_jax.simulation.satisfaction.mechanisms import HOURS_PER_DAY


def discounts(hours: Float32[Array, "*B"], horizon_days: float) -> Float32[Array, "*B"]:
    """What a reward is worth after so many hours: `exp(-hours / (24 horizon_days))`; nothing with no horizon.

    A listener who stays away for a week makes what follows worth less than one who is back within the hour: a
    semi-Markov decision process (Sutton, Precup and Singh 1999).
    """
    if horizon_days == 0:
        return jnp.zeros_like(hours)
    return jnp.exp(-hours / (HOURS_PER_DAY * horizon_days))


def lambda_returns(
    reward: Float32[Array, "T B"],
    discount: Float32[Array, "T B"],
    value_after: Float32[Array, "T B"],
    is_end: Bool[Array, "T B"],
    trace: float,
) -> Float32[Array, "T B"]:
    """`G_t = r_t + discount_t ((1 - trace) v_t+1 + trace G_t+1)`, with `v_t+1` alone where an episode or the time ends.

    Args:
        reward: r.
        discount: 0 where the listener left for good.
        value_after: v_t+1, of the state that the step leads to.
        is_end: whether the next step is of another episode, or isn't there.
        trace: share of the return that is sampled, 0 to 1: TD(lambda)'s lambda.

    Source: Sutton and Barto (2018), chapter 12.
    """

    def back(after_B: jax.Array, step: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        reward_B, discount_B, value_B, is_end_B = step
        follows_B = jnp.where(is_end_B, value_B, (1 - trace) * value_B + trace * after_B)
        here_B = reward_B + discount_B * follows_B
        return here_B, here_B

    _, returns_TxB = jax.lax.scan(back, value_after[-1], (reward, discount, value_after, is_end), reverse=True)
    return returns_TxB
