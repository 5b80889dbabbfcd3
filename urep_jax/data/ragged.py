"""Ranges of flat arrays, many at a time."""

import numpy as np
from jaxtyping import Bool, Int, Int64
from scipy.sparse import csr_array


def ranges(start: Int[np.ndarray, "R"], stop: Int[np.ndarray, "R"]) -> Int64[np.ndarray, "N"]:
    """The flat indices of `start[r]:stop[r]` for every `r`, one after the other.

    Example:
        >>> ranges(np.array([3, 10]), np.array([5, 11]))
        array([ 3,  4, 10])
    """
    lengths_R = np.asarray(stop, np.int64) - start
    flat = np.repeat(start - offsets_of(lengths_R)[:-1], lengths_R)
    flat += np.arange(len(flat))
    return flat


def offsets_of(lengths: Int[np.ndarray, "R"]) -> Int64[np.ndarray, "R+1"]:
    """Where rows of these lengths start in a flat array, and where the last one ends.

    Example:
        >>> offsets_of(np.array([2, 0, 1]))
        array([0, 2, 2, 3])
    """
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def running_count(mask: Bool[np.ndarray, "E"]) -> Int64[np.ndarray, "E+1"]:
    """How many entries before each position are true: `mask[a:b]` holds `count[b] - count[a]` of them."""
    return offsets_of(mask.view(np.int8))


def lists_as_matrix(
    offsets: Int64[np.ndarray, "_"],
    codes: Int[np.ndarray, "_"],
    row: Int[np.ndarray, "N"],
    width: int,
    where: Bool[np.ndarray, "N"] | None = None,
) -> csr_array:
    """Some lists of codes as rows of a matrix: how often each holds each code.

    Args:
        offsets: where each list starts in `codes`, and where the last one ends.
        codes: from 0 to `width - 1`.
        row: which lists.
        width: codes that there are.
        where: lists that count; the others are empty. All count by default.

    Returns:
        N x width, float32.

    Example:
        >>> lists_as_matrix(np.array([0, 2, 3]), np.array([1, 2, 0]), np.array([1, 0]), 3).toarray()
        array([[1., 0., 0.],
               [0., 1., 1.]], dtype=float32)
    """
    start, stop = offsets[row], offsets[row + 1]
    if where is not None:
        stop = np.where(where, stop, start)
    listed = codes[ranges(start, stop)]
    ones = np.ones(len(listed), np.float32)
    return csr_array((ones, listed, offsets_of(stop - start)), shape=(len(row), width))
