"""Softmax cross-entropy over sampled candidates, with the sampling undone."""

from functools import reduce

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def sampled_softmax(
    positive: Float[Array, "*N"],
    negatives: Float[Array, "*N K"],
    log_expected: Float[Array, "*#N K"],
    *,
    where: Bool[Array, "*N K"] | None = None,
    hard: Float[Array, "*N"] | None = None,
) -> Float[Array, "*N"]:
    r"""Cross-entropy of the target against sampled candidates, corrected for how they were sampled (logQ).

    .. math:: -s^+ + \log\bigl(e^{s^+} + e^{s^h} + \sum_k e^{s^-_k - \log E_k}\bigr)

    With :math:`E_k` the expected number of times that candidate k is drawn, the sum over k is an unbiased estimate of
    the sum over all items but the target. A hard negative h is there for certain and needs no correction.

    Args:
        positive: score of the target.
        negatives: scores of the K candidates.
        log_expected: log of how often each candidate is expected in K draws.
        where: which candidates count; those equal to the target or the hard negative must not.
        hard: score of the hard negative, minus infinity where there is none.

    Source:
        Bengio and Senécal 2008; Wu et al. 2023.
    """
    corrected = negatives - log_expected
    if where is not None:
        corrected = jnp.where(where, corrected, -jnp.inf)
    # The target and the hard negative are not put beside the candidates: that would copy what is large.
    certain = [positive] if hard is None else [positive, hard]
    largest = jax.lax.stop_gradient(reduce(jnp.maximum, certain, corrected.max(axis=-1, initial=-jnp.inf)))
    partition = jnp.sum(jnp.exp(corrected - largest[..., None]), axis=-1)
    partition += sum(jnp.exp(score - largest) for score in certain)
    return jnp.log(partition) + largest - positive
