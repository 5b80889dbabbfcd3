"""Purity of neighbours: do tracks that lie close share an artist, or a genre?"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int

from urep_jax.metrics.mean import Mean

_SCORES = 1 << 24
"""Cosines that exist at a time."""


class Purity(NamedTuple):
    """One number for each track that takes part.

    Attributes:
        share: of its nearest tracks, how many have its label, 0 to 1.
        chance: the share that tracks drawn at random would have.
    """

    share: Float64[np.ndarray, "N"]
    chance: Float64[np.ndarray, "N"]

    def means(self) -> tuple[Mean, Mean]:
        """The state of the mean over tracks, of `share` and of `chance`."""
        return Mean.from_batch(self.share), Mean.from_batch(self.chance)


def neighbour_purity(vectors: Float32[np.ndarray, "V D"], label: Int[np.ndarray, "V"], *, k: int = 10) -> Purity:
    r"""The share of a track's `k` nearest tracks, by cosine, that have the same label.

    .. math:: \frac{1}{k} |\{w \in N_k(v) : l_w = l_v\}|, \quad \text{by chance}\ \frac{n_{l_v} - 1}{N - 1}

    Only tracks that have a vector and a label take part, as those that ask and as neighbours, n of them with a label.
    A track whose label no other has is left in: chance is 0 there as well.

    Args:
        vectors: of length 1, or zeros for a track without one.
        label: such as the number of the track's artist; negative where unknown.
        k: neighbours, at least 1, and fewer than the tracks that take part.

    Raises:
        ValueError: if `k` is out of range.
    """
    part = np.flatnonzero((label >= 0) & vectors.any(axis=1))
    N = len(part)
    if not 1 <= k < N:
        raise ValueError(f"k is {k}, but must be at least 1 and below the tracks with a vector and a label, {N}")
    vectors_NxD, label_N = vectors[part], label[part]
    share_N = np.empty(N)
    rows = max(1, _SCORES // N)
    for first in range(0, N, rows):
        asking = np.arange(first, min(first + rows, N))
        cosines_BxN = vectors_NxD[asking] @ vectors_NxD.T
        cosines_BxN[np.arange(len(asking)), asking] = -np.inf
        nearest_Bxk = np.argpartition(-cosines_BxN, k - 1, axis=1)[:, :k]
        share_N[asking] = (label_N[nearest_Bxk] == label_N[asking, None]).mean(axis=1)
    count_L = np.bincount(label_N)
    return Purity(share_N, (count_L[label_N] - 1) / (N - 1))
