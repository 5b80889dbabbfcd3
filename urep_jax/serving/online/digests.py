"""`DigestIndex`: from the digests that a store keeps back to the ids that a model knows."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Int32, Int64, UInt64

from urep_jax.serving.online.messages import digests


@dataclasses.dataclass(frozen=True, eq=False)
class DigestIndex:
    """Finds ids by their digests; `index_of` makes one.

    Attributes:
        ids: the ids, and one null that stands for all others.
        sorted: their digests, ascending.
        row_of: the row of each of these.
    """

    ids: pa.StringArray
    sorted: UInt64[np.ndarray, "V"]
    row_of: Int64[np.ndarray, "V"]

    def rows(self, digest: UInt64[np.ndarray, "E"], missing: int | None = None) -> Int32[np.ndarray, "E"]:
        """The row of each digest; `missing`, or the last one, for those that are none's."""
        other = len(self.ids) - 1 if missing is None else missing
        if not len(self.sorted):
            return np.full(len(digest), other, np.int32)
        place = np.minimum(np.searchsorted(self.sorted, digest), len(self.sorted) - 1)
        return np.where(self.sorted[place] == digest, self.row_of[place], other).astype(np.int32)

    def names(self, digest: UInt64[np.ndarray, "E"]) -> list[str | None]:
        """The id of each digest; None for those that are none's."""
        return self.ids.take(pa.array(self.rows(digest))).to_pylist()


def index_of(*ids: pa.StringArray) -> DigestIndex:
    """An index of all ids of some lists; one that is in several is there once, where it was first."""
    every = pa.concat_arrays([pa.array([], pa.string()), *ids]).unique()
    found = digests(_texts(every))
    order = np.argsort(found)
    return DigestIndex(pa.concat_arrays([every, pa.array([None], pa.string())]), found[order], order)


def _texts(ids: pa.StringArray) -> Sequence[str]:
    texts: Sequence[str] = ids.to_pylist()
    return texts
