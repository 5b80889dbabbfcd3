"""What is random in a step, from one call of the generator: compiling and running cost by the call, not by the size."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Float32, Int32


class Draws(NamedTuple):
    """Uniform numbers on (0, 1), each for one purpose.

    Attributes:
        choice: which item of a slate is taken.
        mood: what else the next session wants.
        feedback: what the listener does.
        ratio: how much of an item is heard that is left.
        engaged: noise of the minutes that it engages.
        exposure: noise of net exposure.
        end: whether the session ends by itself.
        away: how long the listener stays away.
        leave: whether that is for good.
        hour: at which the next session begins.
        is_main: whether it is on the main device.
        device: which it is otherwise.
        intent: what it is for.
        pool: where its candidates come from.
        listener: who it is, where that isn't said.
    """

    choice: Float32[Array, "S"]
    mood: Float32[Array, "D"]
    feedback: Float32[Array, ""]
    ratio: Float32[Array, ""]
    engaged: Float32[Array, ""]
    exposure: Float32[Array, ""]
    end: Float32[Array, ""]
    away: Float32[Array, ""]
    leave: Float32[Array, ""]
    hour: Float32[Array, ""]
    is_main: Float32[Array, ""]
    device: Float32[Array, ""]
    intent: Float32[Array, ""]
    pool: Float32[Array, ""]
    listener: Float32[Array, ""]


SMALLEST = 2.0**-24
"""Half the distance of two neighbours among the numbers that the generator makes."""


def draw(key: jax.Array, num_offered: int, dim: int) -> Draws:
    """All that a step draws.

    Args:
        key: consumed.
        num_offered: items of a slate.
        dim: dimensions of style.
    """
    scalars = len(Draws._fields) - 2
    # In the middle between neighbours: neither 0 nor 1 comes up.
    u = jax.random.uniform(key, (num_offered + dim + scalars,)) + SMALLEST
    return Draws(u[:num_offered], u[num_offered : num_offered + dim], *u[num_offered + dim :])


def normal(u: Float[Array, "*B"]) -> Float[Array, "*B"]:
    """Standard normal numbers, by the inverse of their distribution."""
    return jax.scipy.special.ndtri(u)


def exponential(u: Float[Array, "*B"]) -> Float[Array, "*B"]:
    """Exponential numbers of mean 1."""
    return -jnp.log1p(-u)


def whole(u: Float[Array, "*B"], count: int) -> Int32[Array, "*B"]:
    """Whole numbers from 0 to `count - 1`, each as likely."""
    return jnp.minimum(u * count, count - 1).astype(jnp.int32)


def gumbel(u: Float[Array, "*B"]) -> Float[Array, "*B"]:
    """Numbers whose largest, added to logits, falls on each with the chance that the logits give it."""
    return -jnp.log(-jnp.log(u))


def category(u: Float[Array, ""], logits: Float[Array, "C"]) -> Int32[Array, ""]:
    """A category with the chance that logits give it, by the inverse of the cumulative distribution."""
    cumulative_C = jnp.cumsum(jax.nn.softmax(logits))
    return (u * cumulative_C[-1] >= cumulative_C[:-1]).sum().astype(jnp.int32)
