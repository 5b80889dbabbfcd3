"""Times until something happens, by a hazard that is constant on each of some pieces of time.

    P(time > t) = exp(-sum_k hazard_k |[0, t] in piece k|)

The pieces lie between `edges`, which begin at 0; what happens past the last of them counts as not happening.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def time_in_pieces(time: Float[Array, "*N"], edges: tuple[float, ...]) -> Float[Array, "*N K"]:
    """How much of `[0, time]` lies in each piece.

    Example:
        >>> time_in_pieces(jnp.array(3.0), (0.0, 1.0, 5.0)).tolist()
        [1.0, 2.0]
    """
    edge_E = jnp.array(edges)
    return jnp.clip(time[..., None] - edge_E[:-1], 0.0, jnp.diff(edge_E))


def chance_within(log_hazard: Float[Array, "*N K"], time: float, edges: tuple[float, ...]) -> Float[Array, "*N"]:
    """The chance that it happens within this time."""
    return -jnp.expm1(-jnp.sum(jnp.exp(log_hazard) * time_in_pieces(jnp.array(time), edges), axis=-1))


def time_of(
    log_hazard: Float[Array, "*N K"], exponential: Float[Array, "*N"], edges: tuple[float, ...]
) -> Float[Array, "*N"]:
    """The time at which the summed hazard reaches this, infinity if it never does.

    With `exponential` drawn from the exponential distribution of mean 1 it is a draw of the time until it happens.

    Args:
        log_hazard: log of each piece's hazard.
        exponential: at least 0.
        edges: between pieces.
    """
    hazard = jnp.exp(log_hazard)
    until = jnp.cumsum(hazard * jnp.diff(jnp.array(edges)), axis=-1)
    before = until - hazard * jnp.diff(jnp.array(edges))
    piece = jnp.sum(until < exponential[..., None], axis=-1)
    inside = jnp.minimum(piece, log_hazard.shape[-1] - 1)

    def at(x: jax.Array) -> jax.Array:
        return jnp.take_along_axis(x, inside[..., None], axis=-1)[..., 0]

    time = jnp.array(edges)[inside] + (exponential - at(before)) / at(hazard)
    return jnp.where(piece < log_hazard.shape[-1], time, jnp.inf)
