"""Pairwise losses: the order of a liked song and another, and nothing else."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def bpr(
    positive: Float[Array, "*N"], negative: Float[Array, "*N"], *, where: Bool[Array, "*N"] | None = None
) -> Float[Array, "*N"]:
    r"""Bayesian personalised ranking: how surely the positive is above the negative.

    .. math:: -\log\sigma(s^+ - s^-)

    With a listener's own dislikes as negatives it is a smooth bound of what pair accuracy counts: how easily a listener
    likes anything falls out of the difference.

    Args:
        positive: score of the target.
        negative: score of its negative.
        where: which examples have a negative; the others are 0.

    Source:
        Rendle et al. 2009.
    """
    loss = jax.nn.softplus(negative - positive)
    return loss if where is None else jnp.where(where, loss, 0.0)
