"""Sets of `RECORD`s, kept as bytes that were added one after the other."""

from collections.abc import Sequence

import numpy as np

from urep_jax.serving.online.parts import RECORD


def packed(records: np.ndarray) -> bytes:
    """Records as bytes.

    Raises:
        ValueError: if they are not one row of `RECORD`.
    """
    if records.dtype != RECORD or records.ndim != 1:
        raise ValueError(
            f"the records are an array of {records.dtype} and shape {records.shape}; they must be one row of `RECORD`"
        )
    return records.tobytes()


def union(pieces: Sequence[bytes]) -> np.ndarray:
    """All records of several pieces: sorted by time, then key; each key once.

    Of different records with one key the latest stays, and of those of one time the one whose bytes are the lesser. So
    the order of pieces changes nothing, and whether one that is too old to matter is there or not changes nothing of
    what is later.

    Args:
        pieces: what `packed` gave, any number of them.
    """
    records = np.frombuffer(b"".join(pieces), RECORD)
    keys = np.sort(records["key"])
    if (keys[1:] == keys[:-1]).any():
        records = np.sort(records.view(f"S{RECORD.itemsize}")).view(RECORD)
        # Stable: of one key the latest come first, the least of them before all. `~time` falls as the time grows.
        records = records[np.lexsort((~records["time"], records["key"]))]
        records = records[np.concatenate([[True], records["key"][1:] != records["key"][:-1]])]
    elif (records["time"][1:] > records["time"][:-1]).all():
        return records
    return records[np.lexsort((records["key"], records["time"]))]


def wasteful(stored: int, known: int) -> bool:
    """Whether so many records are stored twice that it is time to write them anew."""
    return stored - known > max(16, known // 4)


def first_to_join(sizes: Sequence[int]) -> int:
    """From which piece on pieces are joined to one, where there are too many.

    A piece waits until what came after it is half as large, so that a record is written anew only a few times, as often
    as its user's records double.

    Args:
        sizes: of the pieces, two or more.

    Example:
        >>> first_to_join([5000, 1, 1, 1]), first_to_join([5000, 16, 8, 1]), first_to_join([5000, 2600, 1])
        (1, 1, 0)
    """
    after = sum(sizes)
    for place, size in enumerate(sizes[:-1]):
        after -= size
        if size <= 2 * after:
            return place
    return len(sizes) - 2
