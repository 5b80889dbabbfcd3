"""Skip-gram with negative sampling: contexts of one centre, whose negatives they share."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def sgns(
    positive: Float[Array, "*N C"],
    negatives: Float[Array, "*N K"],
    *,
    where: Bool[Array, "*N C"],
    weights: Float[Array, "*N K"],
) -> Float[Array, "*N"]:
    r"""Each centre's loss, summed over its pairs: a pair is a context that it has, against K negatives.

    .. math:: -\sum_c \log\sigma(s^+_c) - \sum_k w_k \log(1 - \sigma(s^-_k))

    With `weights` the number of a centre's contexts for which draw k is a negative, it is the sum of the pairs' own
    losses, each with K negatives: equal terms are only taken once.

    Args:
        positive: scores of the centre with its contexts.
        negatives: scores of the centre with the negatives that its contexts share.
        where: which contexts count.
        weights: for how many of these each negative counts.

    Source:
        Mikolov et al. 2013, Eq. 4; for items of one set, Barkan and Koenigstein 2016.
    """
    for_it = jnp.where(where, jax.nn.softplus(-positive), 0.0)
    return jnp.sum(for_it, axis=-1) + jnp.sum(weights * jax.nn.softplus(negatives), axis=-1)
