"""Softmax over the other rows of a block: what each row goes with, against what the others go with."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def in_batch_softmax(
    scores: Float[Array, "*B M M"],
    item: Int[Array, "*B M"],
    log_q: Float[Array, "*B M"],
    *,
    where: Bool[Array, "*B M"],
) -> Float[Array, "*B M"]:
    r"""Cross-entropy of each row's item against those of all rows of its block, corrected for how often they come.

    .. math:: -s_{ii} + \log q_i + \log\sum_j e^{s_{ij} - \log q_j}

    An item is met as a negative as often as it is met at all; less :math:`\log q` the softmax goes over the catalogue
    as if all items came alike. Another row with the same item is no negative.

    Args:
        scores: of row i's user with row j's item.
        item: which item each row has.
        log_q: log of the share of all rows that the item has.
        where: which rows count, as examples and as negatives.

    Returns:
        The loss of each row; 0 for those that don't count.

    Source:
        Yi et al. 2019, §4.1 (the correction); for two towers, Covington et al. 2016.
    """
    corrected = scores - log_q[..., None, :]
    own = jnp.eye(scores.shape[-1], dtype=bool)
    same = (item[..., :, None] == item[..., None, :]) & ~own
    counts = (where[..., None, :] | own) & ~same
    partition = jax.nn.logsumexp(jnp.where(counts, corrected, -jnp.inf), axis=-1)
    loss = partition - jnp.diagonal(corrected, axis1=-2, axis2=-1)
    return jnp.where(where, loss, 0.0)
