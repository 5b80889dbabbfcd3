"""`Modality`: what an encoder makes of items, or of the artists whose items they are."""

import dataclasses
import functools

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float32

from urep_jax.core.spaces import Space, text_arrays, trained_space
from urep_jax.data.user_features.profiles import NOT_KNOWN


@dataclasses.dataclass(frozen=True, eq=False)
class Modality:
    """Vectors of items, or of artists, in one space. Items may be added to it: the space stays what it is.

    Attributes:
        space: that they lie in, called by the modality: `collaborative` or `audio`.
        item_ids: the items that have a vector.
        vectors: theirs.

    Raises:
        ValueError: if there are not as many vectors as ids, or a vector has something in it that is no number.
    """

    space: Space
    item_ids: pa.StringArray
    vectors: Float32[np.ndarray, "N D"]

    @classmethod
    def trained(cls, name: str, item_ids: pa.StringArray, vectors: Float32[np.ndarray, "N D"]) -> "Modality":
        """Vectors that are all that there is of an encoder: their space is told by what they are."""
        return cls(trained_space(name, [vectors, *text_arrays(item_ids.to_pylist())]), item_ids, vectors)

    @property
    def name(self) -> str:
        """Of the modality."""
        return self.space.name

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.item_ids):
            raise ValueError(
                f"vectors of {self.name!r} have the shape {self.vectors.shape} for {len(self.item_ids)} items; there "
                "must be one row for each"
            )
        if not np.isfinite(self.vectors).all():
            raise ValueError(f"vectors of {self.name!r} hold what is no number; leave those items out")

    @property
    def width(self) -> int:
        """D."""
        return self.vectors.shape[1]

    def grown(self, item_ids: pa.StringArray, vectors: Float32[np.ndarray, "N D"]) -> "Modality":
        """The same with more items, in the same space; what was there stays as it is, and comes first.

        Args:
            item_ids: of items that have no vector yet.
            vectors: theirs, which the encoder of the space has made.

        Raises:
            ValueError: if an item has a vector already, or is named twice; or vectors are of another width.
        """
        again = pc.is_in(item_ids, value_set=self.item_ids).to_numpy(zero_copy_only=False)
        if again.any() or len(item_ids.unique()) < len(item_ids):
            raise ValueError(
                f"{int(again.sum())} of {len(item_ids)} new items have a vector in {self.space.id} already, and "
                f"{len(item_ids) - len(item_ids.unique())} are named twice; vectors are only added: leave these out"
            )
        if vectors.shape[1:] != self.vectors.shape[1:]:
            raise ValueError(
                f"new vectors of {self.name!r} have the shape {vectors.shape}, but those of {self.space.id} are "
                f"{self.width} wide; encode with the encoder of the space"
            )
        ids = pa.concat_arrays([self.item_ids, item_ids.cast(self.item_ids.type)])
        return Modality(self.space, ids, np.concatenate([self.vectors, vectors]))

    def of(self, item_ids: pa.StringArray) -> "Aligned":
        """The vectors of these items, in their order."""
        row = pc.fill_null(pc.index_in(item_ids, value_set=self.item_ids), NOT_KNOWN).to_numpy(zero_copy_only=False)
        known_V = row != NOT_KNOWN
        vectors_VxD = np.zeros((len(item_ids), self.width), np.float32)
        vectors_VxD[known_V] = self.vectors[row[known_V]]
        return Aligned(self.name, vectors_VxD, known_V)

    def by_artist(self, items: pa.Table | None) -> "Modality":
        """The mean vector of each artist's items, of all that have one: no log plays a role.

        Args:
            items: as in `ingest.schema.ITEMS`; without an `artist_id` there are no artists.
        """
        artist_N = pa.nulls(len(self.item_ids), pa.string())
        if items is not None and "artist_id" in items.column_names:
            row = pc.index_in(self.item_ids, value_set=items["item_id"].combine_chunks())
            artist_N = items["artist_id"].combine_chunks().take(row)
        coded = artist_N.dictionary_encode()
        known = np.flatnonzero(coded.indices.is_valid())
        own = coded.indices.drop_null().to_numpy()
        sums_AxD = np.zeros((len(coded.dictionary), self.width), np.float64)
        np.add.at(sums_AxD, own, self.vectors[known])
        items_A = np.bincount(own, minlength=len(sums_AxD))
        return Modality(self.space, coded.dictionary, (sums_AxD / items_A[:, None]).astype(np.float32))


@dataclasses.dataclass(frozen=True, eq=False)
class Aligned:
    """Vectors in the order of a log's items.

    Attributes:
        name: of the modality.
        vectors: zeros where an item has none.
        known: which items have one.
    """

    name: str
    vectors: Float32[np.ndarray, "V D"]
    known: Bool[np.ndarray, "V"]

    @property
    def width(self) -> int:
        """D."""
        return self.vectors.shape[1]

    @functools.cached_property
    def summable(self) -> Float32[np.ndarray, "V _"]:
        """Vectors, and a last column of 1 where there is one: what sums and their weights are taken of at once."""
        return np.concatenate([self.vectors, self.known[:, None]], axis=1, dtype=np.float32)
