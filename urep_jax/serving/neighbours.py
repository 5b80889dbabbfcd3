"""The items nearest to users by dot product: exactly, or through an index of faiss."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int, Int32, Int64
from scipy.sparse import csr_array

from urep_jax.core.top_products import named, top_products
from urep_jax.serving.questions import power_of_two

NONE = -1
"""The number of an item that isn't there."""


class Neighbours(NamedTuple):
    """The nearest items of each user, nearest first.

    Attributes:
        item: their numbers; `NONE` where none is left.
        score: their dot products with the user, descending; -inf where none is left.
    """

    item: Int64[np.ndarray, "N k"]
    score: Float32[np.ndarray, "N k"]


Search = Callable[[Float32[np.ndarray, "N D"], int], Neighbours]
"""`search(users, k)`: the k nearest items of each."""


def exact_neighbours(
    users: Float32[np.ndarray, "N D"],
    items: Float32[np.ndarray, "V D"],
    k: int,
    *,
    without: csr_array | None = None,
    portion: int = 512,
) -> Neighbours:
    """The k items with the largest dot products: every one is looked at, in blocks, and no scores are kept.

    Args:
        users: vectors of users.
        items: vectors of items.
        k: how many, at least 1.
        without: N x V, not 0 where an item is out of the question for a user.
        portion: users who are looked at once, at least 1; it changes no result.

    Raises:
        ValueError: if a number is out of range, or a vector holds what is no number.
    """
    _check(users, items, k)
    if portion < 1:
        raise ValueError(f"portion is {portion}, but must be at least 1")
    most, portion = min(k, len(items)), min(portion, max(len(users), 1))
    found = Neighbours(np.full((len(users), k), NONE, np.int64), np.full((len(users), k), -np.inf, np.float32))
    if not most:
        return found
    items_VxD = jnp.asarray(items)
    for first in range(0, len(users), portion):
        own = slice(first, min(first + portion, len(users)))
        count = own.stop - own.start
        # The last portion is filled up, so that one program serves them all, or one for each width of lists.
        users_BxD = np.pad(users[own], ((0, portion - count), (0, 0)))
        out_BxX = np.zeros((portion, 0), np.int32) if without is None else _listed(without[own], portion)
        score_Bxk, item_Bxk = jax.device_get(_nearest(users_BxD, items_VxD, out_BxX, k=most))
        found.score[own, :most] = score_Bxk[:count]
        found.item[own, :most] = np.where(np.isneginf(score_Bxk[:count]), NONE, item_Bxk[:count])
    return found


def faiss_search(items: Float32[np.ndarray, "V D"], description: str) -> Search:
    """An index of items that finds the nearest without looking at every one, unless it is `Flat`.

    Args:
        items: vectors of items, of length 1 if the index is to know near from far (`two_tower.item_vectors` are).
        description: as faiss's index factory reads it: `Flat`, `HNSW32`, `IVF64,Flat`, ...

    Returns:
        A search. Among equal scores its order is faiss's own.

    Source: Douze et al. 2024 (faiss); Malkov and Yashunin 2018 (HNSW).

    Raises:
        ImportError: without the package `faiss-cpu`, which `pip install -e '.[neighbours]'` brings.
        ValueError: if faiss can't read the description, or there are too few items for it.
    """
    index, vectors_VxD = _empty_index(description, items.shape[1]), np.ascontiguousarray(items)
    try:
        if not index.is_trained:
            index.train(vectors_VxD)
        index.add(vectors_VxD)
    except RuntimeError as error:
        raise ValueError(
            f"index is {description!r}, but there are {len(items)} vectors, too few for it; take Flat or HNSW32"
        ) from error

    def search(users: Float32[np.ndarray, "N D"], k: int) -> Neighbours:
        _check(users, items, k)
        score_Nxk, item_Nxk = index.search(np.ascontiguousarray(users), k)
        return Neighbours(item_Nxk, np.where(item_Nxk == NONE, np.float32(-np.inf), score_Nxk))

    return search


def check_index(description: str, width: int) -> None:
    """Refuse an index that can't be made, before there are vectors of that width.

    Raises:
        ImportError: without the package `faiss-cpu`, which `pip install -e '.[neighbours]'` brings.
        ValueError: if faiss can't read the description.
    """
    _empty_index(description, width)


def _empty_index(description: str, width: int) -> Any:
    try:
        # An extra: whoever asks for it has it, and nobody else pays for its import.
        import faiss
    except ImportError as error:
        raise ImportError(
            f"the index {description!r} needs faiss; pip install -e '.[neighbours]' brings it, or leave the index null"
        ) from error
    try:
        return faiss.index_factory(width, description, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        raise ValueError(
            f"index is {description!r}, but must be what faiss can make of {width} numbers a vector, such as Flat, "
            "HNSW32 or IVF64,Flat"
        ) from error


def _check(users: np.ndarray, items: np.ndarray, k: int) -> None:
    if k < 1:
        raise ValueError(f"k is {k}, but must be at least 1")
    # By sums, which take no room: those of float32 are never past what a float64 holds.
    if not all(np.isfinite(np.sum(np.asarray(of), dtype=np.float64)) for of in (users, items)):
        raise ValueError("some vectors hold what is no number; nothing is near to them")


@partial(jax.jit, static_argnames="k")
def _nearest(
    users: Float[Any, "B D"], items: Float[Array, "V D"], out: Int[Any, "B X"], *, k: int
) -> tuple[Float[Array, "B k"], Int[Array, "B k"]]:
    return top_products(users, items, k, partial(named, out))


def _listed(without: csr_array, rows: int) -> Int32[np.ndarray, "B X"]:
    """Numbers of the columns that aren't 0, in so many rows, as wide as a power of two; what is over is past the last.

    Of widths that are powers of two there are few, and so are the programs that are compiled.
    """
    row, column = without.nonzero()
    count_B = np.bincount(row, minlength=rows)
    listed_BxX = np.full((rows, power_of_two(int(count_B.max(initial=0)))), without.shape[1], np.int32)
    listed_BxX[row, np.arange(len(row)) - (np.cumsum(count_B) - count_B)[row]] = column
    return listed_BxX
