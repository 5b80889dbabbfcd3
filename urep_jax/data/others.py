"""Items that a user doesn't have: found by number without listing them, and drawn beside those that a user has."""

import numpy as np
from jaxtyping import Bool, Int, Int64

from urep_jax.data.labelled_pairs import LabelledPairs
from urep_jax.data.ragged import offsets_of


def nth_other(
    row: Int[np.ndarray, "P"],
    item: Int[np.ndarray, "P"],
    asked: Int[np.ndarray, "*Q"],
    n: Int[np.ndarray, "*Q"],
    num_rows: int,
    num_items: int,
) -> Int64[np.ndarray, "*Q"]:
    """The item that comes `n`-th, from 0, among those that a row doesn't have, in order of their numbers.

    Args:
        row: of each item that a row has, sorted.
        item: the items, sorted within a row and different there, from 0 to `num_items - 1`.
        asked: rows that are asked about.
        n: which of their other items, from 0; past the last of them what comes back is no item.
        num_rows: how many rows there are.
        num_items: how many items there are.

    Example:
        >>> nth_other(np.array([0, 0]), np.array([0, 2]), np.array([0, 0]), np.array([0, 1]), 1, 4)
        array([1, 3])
    """
    first_N = offsets_of(np.bincount(row, minlength=num_rows))[:-1]
    # It is n, and one more for each own item that has at most n others before it.
    others_before_P = item - (np.arange(len(item)) - first_N[row])
    below = np.searchsorted(row * (num_items + 1) + others_before_P, asked * (num_items + 1) + n, side="right")
    found: Int64[np.ndarray, "*Q"] = n + below - first_N[asked]
    return found


def with_others(
    row: Int[np.ndarray, "P"],
    item: Int[np.ndarray, "P"],
    num_rows: int,
    rng: np.random.Generator,
    *,
    most: int,
    asked: Bool[np.ndarray, "P"] | None = None,
) -> LabelledPairs:
    """Pairs of users and items that they have, and as many of items that they don't have.

    Negatives are drawn uniformly from the items that any user is asked about, other than the user's own; a user who has
    all of them has no pairs.

    Args:
        row: a user's row for each item that they have; an item may be told several times.
        item: those items, at least 0.
        num_rows: how many rows there are.
        rng: draws negatives, and items of users who have more than `most`.
        most: items of a user that are asked about, at least 1.
        asked: which of them may be asked about; all of them by default. An item is if any of its tellings is.

    Raises:
        ValueError: if `most` is below 1.
    """
    if most < 1:
        raise ValueError(f"most is {most}, but must be at least 1")
    asked = np.ones(len(row), bool) if asked is None else asked
    pool = np.unique(item[asked]).astype(np.int64)
    # Within the pool, each pair once, and whether it is asked about.
    inside = np.isin(item, pool)
    width = max(len(pool), 1)
    key = row[inside].astype(np.int64) * width + np.searchsorted(pool, item[inside])
    key_P = np.unique(key)
    row_P, place_P = np.divmod(key_P, width)
    is_asked_P = np.isin(key_P, key[asked[inside]])
    chosen = _at_most(row_P, np.flatnonzero(is_asked_P), num_rows, most, rng)
    row_Q = row_P[chosen]
    free_Q = len(pool) - np.bincount(row_P, minlength=num_rows)[row_Q]
    n_Q = (rng.random(len(row_Q)) * free_Q).astype(np.int64)
    has = free_Q > 0
    negative_Q = nth_other(row_P, place_P, row_Q[has], n_Q[has], num_rows, len(pool))
    positive_Q, row_Q = pool[place_P[chosen[has]]], row_Q[has]
    is_positive = np.arange(2 * len(row_Q)) < len(row_Q)
    return LabelledPairs(np.tile(row_Q, 2), np.append(positive_Q, pool[negative_Q]), is_positive)


def _at_most(
    row_P: np.ndarray, place: np.ndarray, num_rows: int, most: int, rng: np.random.Generator
) -> Int64[np.ndarray, "Q"]:
    """Of places in sorted rows at most `most` of each row, chosen at random, in order."""
    row = row_P[place]
    order = np.lexsort((rng.random(len(place)), row))
    first_N = offsets_of(np.bincount(row, minlength=num_rows))[:-1]
    return place[np.sort(order[np.arange(len(place)) - first_N[row] < most])]
