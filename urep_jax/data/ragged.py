"""Ranges of flat arrays, many at a time."""

import numpy as np
from jaxtyping import Bool, Int, Int64


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
