"""What downstream models read of items, or of artists: vectors, and how often they were played until then."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Int64
from scipy.sparse import csr_array

from urep_jax.data.plays_over_time import PlaysOverTime
from urep_jax.data.user_features.modality import Aligned


@dataclasses.dataclass(frozen=True, eq=False)
class Items:
    """Items as downstream models know them.

    Attributes:
        vectors: of all modalities side by side, each with a column that says which items have one.
        known: which items have any vector.
        plays: how often they were played until when. Only what was known when somebody is asked is read: who counts
            later plays as well learns that what was played is played.
    """

    vectors: Float32[np.ndarray, "V I"]
    known: Bool[np.ndarray, "V"]
    plays: PlaysOverTime

    @property
    def width(self) -> int:
        """Numbers of an item."""
        return self.vectors.shape[1] + len(self._scale[0])

    def at(self, time: int) -> Float32[np.ndarray, "V _"]:
        """All items, as they were known at a time."""
        every_V = np.arange(len(self.vectors))
        return self._joined(np.full(len(every_V), time), every_V)

    def asked(self, time: Int64[np.ndarray, "N"]) -> Callable[[np.ndarray, np.ndarray], Float32[np.ndarray, "B _"]]:
        """A function of rows and items: the items as they were known at the rows' times."""
        return lambda row, item: self._joined(time[row], item)

    def by(self, owner: Int[np.ndarray, "V"], num_owners: int) -> "Items":
        """The same of whoever owns items: the mean over their items that have a vector, and the plays of all of them.

        Args:
            owner: of each item, such as its artist; -1 for none.
            num_owners: how many there are.
        """
        has_V = np.flatnonzero(self.known & (owner >= 0))
        shape = (num_owners, len(owner))
        by_item = csr_array((np.ones(len(has_V), np.float32), (owner[has_V], has_V)), shape=shape)
        items_A = by_item.sum(axis=1)
        vectors = np.asarray(by_item @ self.vectors / np.maximum(items_A, 1.0)[:, None], np.float32)
        owned_V = np.flatnonzero(owner >= 0)
        every = csr_array((np.ones(len(owned_V), np.int64), (owned_V, owner[owned_V])), shape=shape[::-1])
        return Items(vectors, items_A > 0, dataclasses.replace(self.plays, plays=self.plays.plays @ every))

    @functools.cached_property
    def _scale(self) -> tuple[Float32[np.ndarray, "2"], Float32[np.ndarray, "2"]]:
        """Mean and spread of the plays, as they are known at the last moment."""
        every_V = np.arange(len(self.vectors))
        last = self.plays.before(np.full(len(every_V), self.plays.time[-1]), every_V)
        return last.mean(axis=0), np.maximum(last.std(axis=0), 1e-6)

    def _joined(self, time_N: np.ndarray, item_N: np.ndarray) -> Float32[np.ndarray, "N _"]:
        mean, spread = self._scale
        return np.concatenate([self.vectors[item_N], (self.plays.before(time_N, item_N) - mean) / spread], axis=1)


def scaled(
    vectors: Float[np.ndarray, "N D"], rows: Int[np.ndarray, "M"] | slice = slice(None)
) -> Float32[np.ndarray, "N D"]:
    """Vectors moved to a mean of 0 and brought to a mean variance of 1, as they have them among `rows`."""
    mean, spread = scale_of(vectors, rows)
    return ((vectors - mean) / spread).astype(np.float32)


def scale_of(
    vectors: Float[np.ndarray, "N D"], rows: Int[np.ndarray, "M"] | slice = slice(None)
) -> tuple[Float64[np.ndarray, "D"], float]:
    """What `scaled` takes away, and what it divides by."""
    known = vectors[rows].astype(np.float64)
    return known.mean(axis=0), max(float(np.sqrt(known.var(axis=0).mean())), 1e-6)


def side_by_side(modalities: tuple[Aligned, ...], plays: PlaysOverTime) -> Items:
    """Items with vectors of these modalities, each brought to one scale."""
    columns = []
    for one in modalities:
        vectors = scaled(one.vectors, np.flatnonzero(one.known))
        columns += [np.where(one.known[:, None], vectors, 0), one.known[:, None]]
    vectors_VxI = np.concatenate(columns, axis=1).astype(np.float32)
    return Items(vectors_VxI, np.any([one.known for one in modalities], axis=0), plays)
