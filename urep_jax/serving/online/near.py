"""Who is near to whom, and what to what: exactly among few, through an index of faiss among many."""

import threading
import time
from typing import Any

import numpy as np
from jaxtyping import Float32

from urep_jax.data.user_features.modality import Modality
from urep_jax.serving.online.parts import Store, StoredVector

_EXACT = 100_000
"""Vectors up to which every one is looked at: a few milliseconds."""

_KEPT = 10.0
"""Seconds for which users' vectors are kept in memory before they are read anew."""


class UserIndex:
    """Users by their vectors, as a store has them; what is found may be some seconds old. Thread-safe.

    Args:
        store: that has the vectors.
    """

    def __init__(self, store: Store) -> None:
        self._store, self._reading = store, threading.Lock()
        self._read_at = -np.inf
        self._space_id = ""
        self._ids: list[str] = []
        self._units = np.zeros((0, 0), np.float32)
        self._index: Any = None
        self._forgotten: set[str] = set()

    def nearest(self, own: StoredVector, k: int) -> list[tuple[str, float]]:
        """Users with the largest cosines with a user's vector, the largest first, less that one.

        Args:
            own: the user's.
            k: how many at most.
        """
        with self._reading:
            self._refresh(own.space_id)
            ids, units, index, forgotten = self._ids, self._units, self._index, self._forgotten
        if not ids:
            return []
        unit_Z = own.values / max(float(np.linalg.norm(own.values)), 1e-12)
        most = min(len(ids), k + 1 + len(forgotten))
        if index is None:
            scores = units @ unit_Z
            best = np.argpartition(-scores, most - 1)[:most]
            best = best[np.argsort(-scores[best], kind="stable")]
            scores = scores[best]
        else:
            found, rows = index.search(np.ascontiguousarray(unit_Z[None]), most)
            scores, best = found[0], rows[0]
        pairs = [(ids[row], float(score)) for row, score in zip(best, scores, strict=True) if row >= 0]
        return [pair for pair in pairs if pair[0] != own.user_id and pair[0] not in forgotten][:k]

    def forget(self, user_id: str) -> None:
        """Never tell of a user again, unless there is a new vector."""
        with self._reading:
            self._forgotten = self._forgotten | {user_id}
            self._read_at = -np.inf

    def _refresh(self, space_id: str) -> None:
        if space_id == self._space_id and time.monotonic() - self._read_at < _KEPT:
            return
        ids: list[str] = []
        portions: list[Float32[np.ndarray, "N Z"]] = []
        for portion in self._store.scan(space_id):
            ids.extend(vector.user_id for vector in portion)
            portions.append(np.stack([vector.values for vector in portion]))
        values = np.concatenate(portions) if portions else np.zeros((0, 1), np.float32)
        length = np.linalg.norm(values, axis=1, keepdims=True)
        self._ids, self._units = ids, (values / np.maximum(length, 1e-12)).astype(np.float32)
        self._index = _faiss_index(self._units) if len(ids) > _EXACT else None
        self._space_id, self._read_at, self._forgotten = space_id, time.monotonic(), set()


def nearest_items(modality: Modality, item_id: str, k: int) -> list[tuple[str, float]] | None:
    """Items with the largest cosines with an item's vector, less that one; None if it has none."""
    row = modality.item_ids.index(item_id).as_py()
    if row < 0:
        return None
    return [found for found in nearest_to(modality, modality.vectors[row], k + 1) if found[0] != item_id][:k]


def nearest_to(modality: Modality, vector: Float32[np.ndarray, "D"], k: int) -> list[tuple[str, float]]:
    """Items, or artists, with the largest cosines with a vector of the same space, the largest first."""
    length = np.linalg.norm(modality.vectors, axis=1) * np.linalg.norm(vector)
    scores = modality.vectors @ vector / np.maximum(length, 1e-12)
    best = np.argsort(-scores, kind="stable")[:k]
    return [(modality.item_ids[int(one)].as_py(), float(scores[one])) for one in best]


def _faiss_index(units: Float32[np.ndarray, "N Z"]) -> Any:
    """An index of faiss; None without the package, and every vector is looked at."""
    try:
        import faiss
    except ImportError:
        return None
    index = faiss.index_factory(units.shape[1], "HNSW32", faiss.METRIC_INNER_PRODUCT)
    index.add(units)
    return index
