"""Softmax cross-entropy over the whole catalogue, in memory that doesn't grow with scores."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from urep_jax.core.precision import Compute, product, transposed_product

_BLOCK_SCORES = 1 << 22
"""Scores that exist at a time, if one position, or one item, of each row is not more."""


class Heard(NamedTuple):
    """Which items of the sequence a model sees at a task, and so aren't set against its target.

    Attributes:
        item: index of each position's item; past the catalogue's end where there is none.
        since: the first place at which a model sees that position.
        place: of each task.
    """

    item: Int[Array, "B L"]
    since: Int[Array, "B L"]
    place: Int[Array, "B T"]


def full_softmax_sum(
    hidden: Float[Array, "B T D"],
    items: Float[Array, "V D"],
    target: Int[Array, "B T"],
    where: Bool[Array, "B T"],
    heard: Heard | None = None,
    compute: Compute = "float32",
) -> Float[Array, ""]:
    r"""Cross-entropy of each target against the whole catalogue, summed over the tasks that count.

    .. math:: \sum_i -s_{i t_i} + \log\sum_v e^{s_{iv}}, \quad s_{iv} = h_i \cdot e_v

    Scores never exist all at once. Where those of one position in each row fit into a block, blocks are cut along the
    positions: each sees the whole catalogue, so the gradient is taken with the sum, in three matrix products in place
    of four. A larger catalogue is cut along the items: once for the sums, and once more for the gradient.

    Args:
        hidden: vectors at the task positions.
        items: embeddings of all items that may be recommended.
        target: index of each target among `items`.
        where: which tasks count.
        heard: what is left out of the sum over v; a target itself never is.
        compute: what the operands of products are rounded to.
    """
    positive_BxT = jnp.sum(hidden * items[target], axis=-1)
    by_items = len(hidden) * len(items) > _BLOCK_SCORES
    log_partition = _log_partition_by_items if by_items else _log_partition_by_positions
    return log_partition(compute, hidden, items, target, where, heard) - jnp.sum(jnp.where(where, positive_BxT, 0.0))


def _seen_since(heard: Heard, first: int | Array, count: int) -> Int[Array, "B C"]:
    """From which place on each of `count` items, from `first` on, is seen; past all tasks where it never is."""
    never = 1 + heard.place.max()

    # Row by row: as one scatter, rows that are spread over devices would be gathered on each of them.
    def row(item_L: Array, since_L: Array) -> Array:
        # A negative index would count from the end.
        within_L = jnp.where(item_L >= first, item_L - first, count)
        return jnp.full(count, never).at[within_L].min(since_L, mode="drop")

    return jax.vmap(row)(heard.item, heard.since)


def _out_of_contest(
    since_BxC: Int[Array, "B C"], place_BxT: Int[Array, "B T"], target_BxT: Int[Array, "B T"], first: int | Array
) -> Bool[Array, "B T C"]:
    """Which of these items are heard at a task, and not its target."""
    is_target_BxTxC = target_BxT[..., None] == first + jnp.arange(since_BxC.shape[1])
    return (since_BxC[:, None] <= place_BxT[..., None]) & ~is_target_BxTxC


def _by_positions(
    compute: Compute,
    hidden: Float[Array, "B T D"],
    items: Float[Array, "V D"],
    target: Int[Array, "B T"],
    where: Bool[Array, "B T"],
    heard: Heard | None,
) -> tuple[Float[Array, ""], tuple[Float[Array, "B T D"], Float[Array, "V D"]]]:
    B, T, D = hidden.shape
    blocks = max(1, min(T, -(-B * T * len(items) // _BLOCK_SCORES)))
    since_BxV = None if heard is None else _seen_since(heard, 0, len(items))

    # Blocks are cut along T: B may be spread over devices.
    def cut(x_BxTx: Array) -> Array:
        padded = jnp.pad(x_BxTx, ((0, 0), (0, -T % blocks), *((0, 0) for _ in x_BxTx.shape[2:])))
        return jnp.moveaxis(padded.reshape(B, blocks, -1, *x_BxTx.shape[2:]), 1, 0)

    def one(carry: tuple[Array, Array], block: tuple[Array, ...]) -> tuple[tuple[Array, Array], Array]:
        total, items_grad_DxV = carry
        hidden_BxTxD, where_BxT, target_BxT, *place_BxT = block
        hidden_NxD, where_N1 = hidden_BxTxD.reshape(-1, D), where_BxT.reshape(-1, 1)
        scores_NxV = product(hidden_NxD, items.T, compute)
        if since_BxV is not None:
            out_BxTxV = _out_of_contest(since_BxV, place_BxT[0], target_BxT, 0)
            scores_NxV = jnp.where(out_BxTxV.reshape(scores_NxV.shape), -jnp.inf, scores_NxV)
        largest_N1 = scores_NxV.max(axis=1, keepdims=True)
        exp_NxV = jnp.exp(scores_NxV - largest_N1)
        partition_N1 = exp_NxV.sum(axis=1, keepdims=True)
        weight_N1 = where_N1 / partition_N1
        total += jnp.sum(jnp.where(where_N1, jnp.log(partition_N1) + largest_N1, 0.0))
        items_grad_DxV += transposed_product(hidden_NxD * weight_N1, exp_NxV, compute)
        hidden_grad_NxD = product(exp_NxV, items, compute) * weight_N1
        return (total, items_grad_DxV), hidden_grad_NxD.reshape(hidden_BxTxD.shape)

    nothing = (jnp.zeros((), hidden.dtype), jnp.zeros_like(items.T))
    by_task = (hidden, where, target) if heard is None else (hidden, where, target, heard.place)
    (total, items_grad_DxV), grad = jax.lax.scan(one, nothing, tuple(map(cut, by_task)))
    return total, (jnp.moveaxis(grad, 0, 1).reshape(B, -1, D)[:, :T], items_grad_DxV.T)


def _by_positions_backward(
    _: Compute, gradient: tuple[Array, Array], cotangent: Array
) -> tuple[Array, Array, None, None, None]:
    hidden_grad_BxTxD, items_grad_VxD = gradient
    return cotangent * hidden_grad_BxTxD, cotangent * items_grad_VxD, None, None, None


_log_partition_by_positions = jax.custom_vjp(lambda *given: _by_positions(*given)[0], nondiff_argnums=(0,))
_log_partition_by_positions.defvjp(_by_positions, _by_positions_backward)


class _Blocks(NamedTuple):
    """The catalogue in blocks of one size; the last begins earlier, and doesn't count what the one before has counted.

    A block's scores are those of the items `first` to `first + size`.
    """

    first: Int[Array, "N"]
    counted: Int[Array, "N"]
    size: int


def _blocks(num_items: int, num_tasks: int) -> _Blocks:
    size = max(1, min(num_items, _BLOCK_SCORES // num_tasks))
    wanted = jnp.arange(-(-num_items // size)) * size
    first = jnp.minimum(wanted, num_items - size)
    return _Blocks(first, wanted - first, size)


def _block_scores(
    compute: Compute,
    hidden: Float[Array, "B T D"],
    items_CxD: Float[Array, "C D"],
    target: Int[Array, "B T"],
    heard: Heard | None,
    first: Int[Array, ""],
    counted: Int[Array, ""],
) -> Float[Array, "B T C"]:
    scores_BxTxC = product(hidden.reshape(-1, hidden.shape[-1]), items_CxD.T, compute).reshape(*target.shape, -1)
    out_C = jnp.arange(len(items_CxD)) < counted
    if heard is not None:
        out_C = out_C | _out_of_contest(_seen_since(heard, first, len(items_CxD)), heard.place, target, first)
    return jnp.where(out_C, -jnp.inf, scores_BxTxC)


def _by_items(
    compute: Compute,
    hidden: Float[Array, "B T D"],
    items: Float[Array, "V D"],
    target: Int[Array, "B T"],
    where: Bool[Array, "B T"],
    heard: Heard | None,
) -> tuple[Float[Array, ""], tuple[Any, ...]]:
    blocks = _blocks(len(items), where.size)

    def one(carry: tuple[Array, Array], block: tuple[Array, Array]) -> tuple[tuple[Array, Array], None]:
        largest_BxT, partition_BxT = carry
        items_CxD = jax.lax.dynamic_slice_in_dim(items, block[0], blocks.size)
        scores_BxTxC = _block_scores(compute, hidden, items_CxD, target, heard, *block)
        new_BxT = jnp.maximum(largest_BxT, scores_BxTxC.max(axis=-1))
        partition_BxT *= jnp.exp(largest_BxT - new_BxT)
        return (new_BxT, partition_BxT + jnp.exp(scores_BxTxC - new_BxT[..., None]).sum(axis=-1)), None

    # The target's own score, which is never out, is where the running maximum begins: it is never -inf.
    begin_BxT = jnp.sum(hidden * items[target], axis=-1)
    blocks_of = (blocks.first, blocks.counted)
    (largest_BxT, partition_BxT), _ = jax.lax.scan(one, (begin_BxT, jnp.zeros_like(begin_BxT)), blocks_of)
    log_partition_BxT = largest_BxT + jnp.log(partition_BxT)
    total = jnp.sum(jnp.where(where, log_partition_BxT, 0.0))
    return total, (hidden, items, target, where, heard, log_partition_BxT)


def _by_items_backward(
    compute: Compute, kept: tuple[Any, ...], cotangent: Array
) -> tuple[Array, Array, None, None, None]:
    hidden, items, target, where, heard, log_partition_BxT = kept
    blocks = _blocks(len(items), where.size)
    weight_BxT = jnp.where(where, cotangent, 0.0)
    hidden_NxD = hidden.reshape(-1, hidden.shape[-1])

    def one(carry: tuple[Array, Array], block: tuple[Array, Array]) -> tuple[tuple[Array, Array], None]:
        hidden_grad_NxD, items_grad_VxD = carry
        at = partial(jax.lax.dynamic_slice_in_dim, start_index=block[0], slice_size=blocks.size)
        items_CxD = at(items)
        scores_BxTxC = _block_scores(compute, hidden, items_CxD, target, heard, *block)
        share_BxTxC = jnp.exp(scores_BxTxC - log_partition_BxT[..., None]) * weight_BxT[..., None]
        share_NxC = share_BxTxC.reshape(-1, blocks.size)
        hidden_grad_NxD += product(share_NxC, items_CxD, compute)
        block_grad_CxD = at(items_grad_VxD) + transposed_product(share_NxC, hidden_NxD, compute)
        items_grad_VxD = jax.lax.dynamic_update_slice_in_dim(items_grad_VxD, block_grad_CxD, block[0], 0)
        return (hidden_grad_NxD, items_grad_VxD), None

    nothing = (jnp.zeros_like(hidden_NxD), jnp.zeros_like(items))
    (hidden_grad_NxD, items_grad_VxD), _ = jax.lax.scan(one, nothing, (blocks.first, blocks.counted))
    return hidden_grad_NxD.reshape(hidden.shape), items_grad_VxD, None, None, None


_log_partition_by_items = jax.custom_vjp(lambda *given: _by_items(*given)[0], nondiff_argnums=(0,))
_log_partition_by_items.defvjp(_by_items, _by_items_backward)
