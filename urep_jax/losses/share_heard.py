"""The likelihood of the share of an item that was heard before it was left."""

import jax.numpy as jnp
from jaxtyping import Array, Float

LEAST, MOST = 1e-4, 0.999
"""Shares below or above these count as these. What is always heard to its end has no likeliest power else."""


def share_heard(log_power: Float[Array, "*N"], share: Float[Array, "*N"]) -> Float[Array, "*N"]:
    r"""Minus the log likelihood of a share under a power law on 0 to 1: :math:`P(\text{share} < x) = x^a`.

    .. math:: -\log a - (a - 1) \log x

    Its mean is :math:`a / (1 + a)`, and :math:`u^{1/a}` is a draw of it, with u drawn evenly from 0 to 1.

    Args:
        log_power: log of a.
        share: x, 0 to 1.
    """
    return -log_power - jnp.expm1(log_power) * jnp.log(jnp.clip(share, LEAST, MOST))
