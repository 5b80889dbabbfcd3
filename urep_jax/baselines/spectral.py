"""Spectral vectors of items: what a singular value decomposition makes of who was up for them."""

import numpy as np
from jaxtyping import Float32
from scipy.sparse import diags_array
from scipy.sparse.linalg import svds

from urep_jax.baselines.histories import training_histories
from urep_jax.core.streams import numpy_stream
from urep_jax.core.types import Feedback
from urep_jax.data.cases import Split
from urep_jax.data.log import EventLog


def spectral_vectors(log: EventLog, split: Split, width: int, *, seed: int = 0) -> Float32[np.ndarray, "V D"]:
    r"""A unit vector for each item; items that the same listeners were up for point the same way.

    .. math:: D_u^{-1/2} X D_v^{-1/2} \approx U S V^T, \quad e_v \propto (V S^{1/2})_v

    X holds a 1 where a training sequence has an up of an item, and the D are its row and column sums. The first
    component, which only says how often an item is met, is left out. The rest are turned at random, so that no number
    of a vector counts for more than another.

    Args:
        log: the log.
        split: whose training events count.
        width: D, at least 1, and less than the number of items and of training sequences less one.
        seed: of the turn, and of the solver's start.

    Returns:
        Unit vectors; zeros for an item without an up.

    Raises:
        ValueError: if `width` is out of range.

    Source:
        Dhillon 2001 (the normalised bipartite matrix); Cremonesi, Koren and Turrin 2010 (items by a plain SVD).
    """
    ups_UxV = training_histories(log, split, {Feedback.UP: 1.0})
    if not 1 <= width < min(ups_UxV.shape) - 1:
        raise ValueError(
            f"width is {width}, but must be from 1 to {min(ups_UxV.shape) - 2}: training has {ups_UxV.shape[0]} "
            f"sequences and {ups_UxV.shape[1]} items"
        )
    by_user, by_item = (diags_array(1 / np.sqrt(np.maximum(ups_UxV.sum(axis), 1))) for axis in (1, 0))
    rng = numpy_stream(seed, "spectral")
    matrix_UxV = (by_user @ ups_UxV @ by_item).astype(np.float64)
    _, size_R, right_RxV = svds(matrix_UxV, k=width + 1, v0=rng.normal(size=min(ups_UxV.shape)))
    order = np.argsort(-size_R)[1:]
    vectors_VxD = right_RxV[order].T * np.sqrt(size_R[order])
    turn_DxD, _ = np.linalg.qr(rng.normal(size=(width, width)))
    length_V = np.linalg.norm(vectors_VxD, axis=1)
    heard_V = np.asarray(ups_UxV.sum(0)) > 0
    unit_VxD = np.divide(vectors_VxD, length_V[:, None], out=np.zeros_like(vectors_VxD), where=heard_V[:, None])
    return (unit_VxD @ turn_DxD).astype(np.float32)
