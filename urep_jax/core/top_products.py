"""The best rows of a table for some vectors, by their products, in memory that doesn't grow with the table."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

_BLOCK_SCORES = 1 << 24
"""Products that exist at a time."""


def top_products(
    vectors: Float[Array, "B D"],
    table: Float[Array, "R D"],
    k: int,
    out: Callable[[Int[Array, "C"]], Bool[Array, "*#B C"]],
) -> tuple[Float[Array, "B k"], Int[Array, "B k"]]:
    """The k rows of a table with the largest products with each vector; of equal ones, the first.

    The table is gone through in blocks, and of each the k best are set against the k best so far.

    Args:
        vectors: what is asked for.
        table: what is found.
        k: how many, at most R.
        out: tells, given some rows' numbers, which of them are not to be found.

    Returns:
        Products, descending, and row numbers; where nothing is left the product is -inf.

    Example:
        >>> products, rows = top_products(jnp.ones((1, 1)), jnp.array([[1.0], [3.0], [2.0]]), 2, lambda row: row == 1)
        >>> products.tolist(), rows.tolist()
        ([[2.0, 1.0]], [[2, 0]])
    """
    size = max(k, min(len(table), _BLOCK_SCORES // max(1, len(vectors))))
    count = -(-len(table) // size)

    def block(number: Int[Array, ""] | int) -> tuple[Array, Array]:
        wanted = number * size
        # The last block begins earlier, so that all have one size, and leaves out what the one before has told.
        first = jnp.minimum(wanted, len(table) - size)
        row_C = first + jnp.arange(size)
        scores_BxC = vectors @ jax.lax.dynamic_slice_in_dim(table, first, size).T
        scores_Bxk, column_Bxk = jax.lax.top_k(jnp.where(out(row_C) | (row_C < wanted), -jnp.inf, scores_BxC), k)
        return scores_Bxk, row_C[column_Bxk]

    def better(number: Int[Array, ""] | int, best: tuple[Array, Array]) -> tuple[Array, Array]:
        scores_BxK, row_BxK = (jnp.concatenate(pair, axis=1) for pair in zip(best, block(number), strict=True))
        scores_Bxk, place_Bxk = jax.lax.top_k(scores_BxK, k)
        return scores_Bxk, jnp.take_along_axis(row_BxK, place_Bxk, axis=1)

    return jax.lax.fori_loop(1, count, better, block(0))


def named(number: Int[Any, "B X"], row: Int[Array, "C"]) -> Bool[Array, "B C"]:
    """Which rows of a run B lists name, for `out` of `top_products`.

    Args:
        number: numbers of rows; any that isn't in the run names none.
        row: numbers of the run's rows, one after the other.
    """
    column_BxX = jnp.where(number >= row[0], number - row[0], len(row))
    nothing_BxC = jnp.zeros((len(number), len(row)), bool)
    return nothing_BxC.at[jnp.arange(len(number))[:, None], column_BxX].set(True, mode="drop")
