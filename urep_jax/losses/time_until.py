"""The likelihood of times until something happens, where some were only watched for a while."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from urep_jax.core.hazards import time_in_pieces


def time_until(
    log_hazard: Float[Array, "*N K"], time: Float[Array, "*N"], happened: Bool[Array, "*N"], edges: tuple[float, ...]
) -> Float[Array, "*N"]:
    r"""Minus the log likelihood of a time under a hazard that is constant on each piece of time.

    .. math:: \sum_k \lambda_k\, |[0, t] \cap I_k| - [\text{happened}] \log \lambda_{k(t)}

    What hadn't happened when it was last looked at (right-censoring) has the first term alone, and so has what happened
    past the last edge. It is unbiased, if who is watched how long has nothing to do with when it would happen.

    Args:
        log_hazard: log of each piece's hazard.
        time: until it happened, or until it was last looked at; at least 0.
        happened: whether it did.
        edges: between pieces.

    Source:
        Friedman 1982 (piecewise exponential models); with a network, Kvamme and Borgan 2021 (PC-Hazard).
    """
    waited = jnp.sum(jnp.exp(log_hazard) * time_in_pieces(time, edges), axis=-1)
    edge_E = jnp.array(edges)
    is_here = (time[..., None] >= edge_E[:-1]) & (time[..., None] < edge_E[1:])
    return waited - happened * jnp.sum(log_hazard * is_here, axis=-1)
