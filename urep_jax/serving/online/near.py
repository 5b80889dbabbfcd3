"""Who is near to whom, and what to what: exactly among few, through an index of faiss among many."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32

from urep_jax.data.user_features.modality import Modality
from urep_jax.serving.http.backend import NotReady
from urep_jax.serving.online.parts import Store, StoredVector

_EXACT = 100_000
"""Vectors up to which every one is looked at: a few milliseconds."""

_PAUSE = 10.0
"""Seconds at least between two readings of all vectors."""

_SHARE = 0.1
"""Of the time, at most so much is spent on reading them and on building an index."""

_PATIENCE = 2.0
"""Seconds from the beginning of a reading for which those wait who can't be answered before its end."""

_PORTION = 4096
"""Vectors that are put into an index at once; in between it can be told to stop."""

_log = logging.getLogger(__name__)


class _Built(NamedTuple):
    """All users' vectors of a space, as they were when they were read.

    Attributes:
        space_id: the space.
        ids: of the users.
        units: their vectors, of length 1.
        index: of faiss; None where every one is looked at.
        due: when they may be read anew.
        old: when they would have been, had anybody asked; whoever asks later waits for them rather.
    """

    space_id: str
    ids: list[str]
    units: Float32[np.ndarray, "N Z"]
    index: Any
    due: float
    old: float


class UserIndex:
    """Users by their vectors, as a store had them some seconds ago. Thread-safe.

    A thread of its own reads all vectors once somebody asks, and whoever asks meanwhile is answered from those that
    were read before. The longer that takes the rarer it is done: at most every ten seconds, for a tenth of the time.

    Args:
        store: that has the vectors.
        clock: seconds.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._changed = threading.Condition()
        self._built: _Built | None = None
        self._thread: threading.Thread | None = None
        self._begun = -np.inf
        self._failed: Exception | None = None
        self._closed = False
        self._forgotten: dict[str, float] = {}

    def nearest(self, own: StoredVector, k: int) -> list[tuple[str, float]]:
        """Users with the largest cosines with a user's vector, the largest first, less that one.

        Args:
            own: the user's.
            k: how many at most.

        Raises:
            NotReady: if the vectors of that space are being read for the first time, and it takes longer.
            Exception: what came as they were read, if there are none from before.
        """
        with self._changed:
            _, ids, units, index, *_ = self._there(own.space_id)
            forgotten = frozenset(self._forgotten)
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
        with self._changed:
            self._forgotten[user_id] = self._clock()

    def close(self) -> None:
        """Stop reading; nothing is found afterwards."""
        with self._changed:
            self._closed, thread = True, self._thread
            self._changed.notify_all()
        if thread is not None:
            thread.join()

    def _there(self, space_id: str) -> _Built:
        """What is to be looked through."""
        now, was = self._clock(), self._built
        mine = was if was is not None and was.space_id == space_id else None
        if self._thread is None and not self._closed and (mine is None or now >= mine.due):
            self._begun, self._failed = now, None
            self._thread = threading.Thread(target=self._build, args=(space_id, now), name="neighbours", daemon=True)
            self._thread.start()
        if mine is None or now > mine.old:
            while self._thread is not None and self._built is was and (left := self._patience()) > 0:
                self._changed.wait(left)
        if self._built is not None and self._built.space_id == space_id:
            return self._built
        if self._failed is not None:
            raise self._failed
        raise NotReady("all users' vectors are being read for the first time")

    def _patience(self) -> float:
        return self._begun + _PATIENCE - self._clock()

    def _build(self, space_id: str, begun: float) -> None:
        built, failed = None, None
        try:
            built = self._read(space_id, begun)
        except Exception as error:
            failed = error
            _log.warning("neighbours are told from what was read before: %s", type(error).__name__)
        with self._changed:
            self._thread, self._failed = None, failed
            if built is not None:
                self._built = built
                self._forgotten = {user: when for user, when in self._forgotten.items() if when >= begun}
            elif self._built is not None:
                self._built = self._built._replace(due=self._clock() + _PAUSE)
            self._changed.notify_all()

    def _read(self, space_id: str, begun: float) -> _Built | None:
        """All vectors of a space, and an index of many; None if told to stop."""
        ids: list[str] = []
        portions: list[Float32[np.ndarray, "N Z"]] = []
        for portion in self._store.scan(space_id):
            if self._closed:
                return None
            ids.extend(vector.user_id for vector in portion)
            portions.append(np.stack([vector.values for vector in portion]))
        values = np.concatenate(portions) if portions else np.zeros((0, 1), np.float32)
        length = np.linalg.norm(values, axis=1, keepdims=True)
        units = (values / np.maximum(length, 1e-12)).astype(np.float32)
        index = _faiss_index(units.shape[1]) if len(ids) > _EXACT else None
        if index is not None:
            for first in range(0, len(units), _PORTION):
                if self._closed:
                    return None
                index.add(units[first : first + _PORTION])
        ended = self._clock()
        pause = max(_PAUSE, (ended - begun) * (1 / _SHARE - 1))
        return _Built(space_id, ids, units, index, ended + pause, ended + 2 * pause + 2 * (ended - begun))


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


def _faiss_index(width: int) -> Any:
    """An index of faiss, empty; None without the package, and every vector is looked at."""
    try:
        import faiss
    except ImportError:
        return None
    return faiss.index_factory(width, "HNSW32", faiss.METRIC_INNER_PRODUCT)
