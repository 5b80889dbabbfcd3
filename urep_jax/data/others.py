"""Items that a user doesn't have, by number: the r-th of them without listing them."""

import numpy as np
from jaxtyping import Int, Int64

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
