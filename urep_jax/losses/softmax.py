"""Softmax cross-entropy over the whole catalogue, or over sampled candidates with the sampling undone."""

from functools import reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

_BLOCK_SCORES = 1 << 22
"""Scores of the full softmax that exist at a time, if one position of each row is not more."""


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


class Heard(NamedTuple):
    """Which items of the sequence a model sees at a task, and so aren't set against its target.

    Attributes:
        since: place of the sequence from which on each item counts as heard; past its end where it isn't in it.
        place: of each task.
    """

    since: Int[Array, "B V"]
    place: Int[Array, "B T"]


def full_softmax_sum(
    hidden: Float[Array, "B T D"],
    items: Float[Array, "V D"],
    target: Int[Array, "B T"],
    where: Bool[Array, "B T"],
    heard: Heard | None = None,
) -> Float[Array, ""]:
    r"""Cross-entropy of each target against the whole catalogue, summed over the tasks that count.

    .. math:: \sum_i -s_{i t_i} + \log\sum_v e^{s_{iv}}, \quad s_{iv} = h_i \cdot e_v

    Scores never exist all at once. A sum's gradient is known as soon as the scores are, so it is taken with them, block
    by block: three matrix products in place of four, and memory for one block.

    Args:
        hidden: vectors at the task positions.
        items: embeddings of all items that may be recommended.
        target: index of each target among `items`.
        where: which tasks count.
        heard: what is left out of the sum over v; a target itself never is.
    """
    positive_BxT = jnp.sum(hidden * items[target], axis=-1)
    return _log_partition(hidden, items, target, where, heard) - jnp.sum(jnp.where(where, positive_BxT, 0.0))


@jax.custom_vjp
def _log_partition(
    hidden: Float[Array, "B T D"],
    items: Float[Array, "V D"],
    target: Int[Array, "B T"],
    where: Bool[Array, "B T"],
    heard: Heard | None,
) -> Float[Array, ""]:
    return _log_partition_and_gradient(hidden, items, target, where, heard)[0]


def _log_partition_and_gradient(
    hidden: Float[Array, "B T D"],
    items: Float[Array, "V D"],
    target: Int[Array, "B T"],
    where: Bool[Array, "B T"],
    heard: Heard | None,
) -> tuple[Float[Array, ""], tuple[Float[Array, "B T D"], Float[Array, "V D"]]]:
    B, T, D = hidden.shape
    blocks = max(1, min(T, -(-B * T * len(items) // _BLOCK_SCORES)))

    # Blocks are cut along T: B may be spread over devices.
    def cut(x_BxTx: Array) -> Array:
        padded = jnp.pad(x_BxTx, ((0, 0), (0, -T % blocks), *((0, 0) for _ in x_BxTx.shape[2:])))
        return jnp.moveaxis(padded.reshape(B, blocks, -1, *x_BxTx.shape[2:]), 1, 0)

    def one(carry: tuple[Array, Array], block: tuple[Array, ...]) -> tuple[tuple[Array, Array], Array]:
        total, items_grad_VxD = carry
        hidden_BxTxD, where_BxT, target_BxT, *place_BxT = block
        hidden_NxD, where_N1 = hidden_BxTxD.reshape(-1, D), where_BxT.reshape(-1, 1)
        scores_NxV = hidden_NxD @ items.T
        if heard is not None:
            heard_NxV = (heard.since[:, None] <= place_BxT[0][..., None]).reshape(scores_NxV.shape)
            heard_NxV &= jnp.arange(len(items)) != target_BxT.reshape(-1, 1)
            scores_NxV = jnp.where(heard_NxV, -jnp.inf, scores_NxV)
        largest_N1 = scores_NxV.max(axis=1, keepdims=True)
        exp_NxV = jnp.exp(scores_NxV - largest_N1)
        partition_N1 = exp_NxV.sum(axis=1, keepdims=True)
        weight_N1 = where_N1 / partition_N1
        total += jnp.sum(jnp.where(where_N1, jnp.log(partition_N1) + largest_N1, 0.0))
        items_grad_VxD += exp_NxV.T @ (hidden_NxD * weight_N1)
        return (total, items_grad_VxD), ((exp_NxV @ items) * weight_N1).reshape(hidden_BxTxD.shape)

    nothing = (jnp.zeros((), hidden.dtype), jnp.zeros_like(items))
    by_task = (hidden, where, target) if heard is None else (hidden, where, target, heard.place)
    (total, items_grad_VxD), grad = jax.lax.scan(one, nothing, tuple(map(cut, by_task)))
    return total, (jnp.moveaxis(grad, 0, 1).reshape(B, -1, D)[:, :T], items_grad_VxD)


def _log_partition_backward(gradient: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array, None, None, None]:
    hidden_grad_BxTxD, items_grad_VxD = gradient
    return cotangent * hidden_grad_BxTxD, cotangent * items_grad_VxD, None, None, None


_log_partition.defvjp(_log_partition_and_gradient, _log_partition_backward)
