"""Ids of vector spaces: vectors may be compared only with others of the same space.

Source: Generalized User Representations for Transfer Learning, §4.4 ("batch identification").
"""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np


def space_id(name: str, arrays: Iterable[np.ndarray], parents: Sequence[str] = ()) -> str:
    """The id of the space that an encoder maps into: its name, and a digest of all that decides what comes out.

    The same encoder has the same id wherever it lies, and another one has another.

    Args:
        name: of the encoder, such as `users`.
        arrays: its parameters, in an order of their own.
        parents: ids of the spaces that it reads vectors of.

    Example:
        >>> space_id("users", [np.zeros(2)]) == space_id("users", [np.zeros(2)])
        True
        >>> space_id("users", [np.zeros(2)], ["audio-1"]) == space_id("users", [np.zeros(2)])
        False
    """
    told = hashlib.sha256()
    for parent in parents:
        told.update(f"{len(parent)}:{parent};".encode())
    for array in arrays:
        told.update(f"{array.dtype.str}{array.shape};".encode())
        told.update(np.ascontiguousarray(array).tobytes())
    return f"{name}-{told.hexdigest()[:16]}"
