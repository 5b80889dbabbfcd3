"""Softmax cross-entropy over the whole catalogue, or over sampled candidates with the sampling undone."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def sampled_softmax(
    positive: Float[Array, "*N"],
    negatives: Float[Array, "*N K"],
    log_expected: Float[Array, "*N K"],
    *,
    where: Bool[Array, "*N K"] | None = None,
) -> Float[Array, "*N"]:
    r"""Cross-entropy of the target against sampled candidates, corrected for how they were sampled (logQ).

    .. math:: -s^+ + \log\bigl(e^{s^+} + \sum_k e^{s^-_k - \log E_k}\bigr)

    With :math:`E_k` the expected number of times that candidate k is drawn, the sum is an unbiased estimate of the sum
    over all items but the target. A candidate that is there for certain, such as a hard negative, has
    :math:`\log E = 0`.

    Args:
        positive: score of the target.
        negatives: scores of the K candidates.
        log_expected: log of how often each candidate is expected in K draws.
        where: which candidates count; those equal to the target must not.

    Source:
        Bengio and Senécal 2008; Wu et al. 2023.
    """
    corrected = negatives - log_expected
    if where is not None:
        corrected = jnp.where(where, corrected, -jnp.inf)
    everything = jnp.concatenate([positive[..., None], corrected], axis=-1)
    return jax.nn.logsumexp(everything, axis=-1) - positive


def full_softmax(hidden: Float[Array, "N D"], items: Float[Array, "V D"], target: Int[Array, "N"]) -> Float[Array, "N"]:
    r"""Cross-entropy of the target against the whole catalogue.

    .. math:: -s_t + \log\sum_v e^{s_v}, \quad s_v = h \cdot e_v

    Args:
        hidden: vectors at the task positions.
        items: embeddings of all items that may be recommended.
        target: index of each target among `items`.
    """
    scores_NxV = hidden @ items.T
    positive_N = jnp.take_along_axis(scores_NxV, target[:, None], axis=1)[:, 0]
    return jax.nn.logsumexp(scores_NxV, axis=1) - positive_N
