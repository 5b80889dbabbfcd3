"""Directions in the space of style, and how taste turns from one to another."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float32, Int32

from urep_jax.core.types import SECONDS_PER_DAY

SECONDS_PER_YEAR = 365 * SECONDS_PER_DAY


def unit(x: Float32[Array, "*B D"]) -> Float32[Array, "*B D"]:
    """Vectors brought to length 1."""
    found: jax.Array = x / jnp.linalg.norm(x, axis=-1, keepdims=True)
    return found


def turned(
    taste: Float32[Array, "D"], turn: Float32[Array, "D"], drift: float, seconds: Int32[Array, ""]
) -> Float32[Array, "D"]:
    """Taste at a moment, a unit vector: `cos(wt) taste + sin(wt) turn`, `w = drift` a year.

    Args:
        taste: where it points to at the start of the window, a unit vector.
        turn: the direction that it turns to, a unit vector at a right angle to `taste`.
        drift: radians a year.
        seconds: time since the start of the window.
    """
    angle = drift * seconds / SECONDS_PER_YEAR
    return jnp.cos(angle) * taste + jnp.sin(angle) * turn
