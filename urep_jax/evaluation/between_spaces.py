"""What two spaces of the same users have in common: nothing that a dot product would see, but who is near to whom."""

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64


def aligned(
    old: Float[np.ndarray, "N D"], new: Float[np.ndarray, "N E"], fitted: Bool[np.ndarray, "N"]
) -> Float32[np.ndarray, "N D"]:
    r"""The new vectors after the rotation that brings them nearest to the old ones (orthogonal Procrustes).

    .. math:: \arg\min_{R^T R = 1} \sum_{u} \lVert \hat{z}_u - R \hat{z}'_u \rVert^2

    of vectors brought to length 1.

    Args:
        old: vectors in one space.
        new: of the same users in another of the same width.
        fitted: the users that the rotation is fitted to.

    Source: Schönemann 1966, A generalized solution of the orthogonal Procrustes problem.

    Raises:
        ValueError: if the widths differ.
    """
    if old.shape != new.shape:
        raise ValueError(f"old has the shape {old.shape} and new {new.shape}, but both must be the same")
    left, _, right = np.linalg.svd(_units(new[fitted]).T @ _units(old[fitted]))
    return (_units(new) @ (left @ right)).astype(np.float32)


def kept_neighbours(old: Float[np.ndarray, "N D"], new: Float[np.ndarray, "N E"], k: int) -> Float64[np.ndarray, "N"]:
    """The share of each user's k nearest, by the cosine in the old space, that are among the k nearest in the new one.

    Args:
        old: vectors in one space.
        new: of the same users in another; its width may differ.
        k: at least 1; all others, if there are fewer.

    Raises:
        ValueError: if k is below 1, or there are fewer than two users.
    """
    if k < 1 or len(old) < 2:
        raise ValueError(f"k is {k} and there are {len(old)} users, but must be at least 1, and 2")
    most = min(k, len(old) - 1)
    near = []
    for vectors in (old, new):
        nearness_NxN = _units(vectors) @ _units(vectors).T
        # Nobody is their own neighbour.
        np.fill_diagonal(nearness_NxN, -np.inf)
        near.append(np.argpartition(-nearness_NxN, most - 1, axis=1)[:, :most])
    return np.array([len(np.intersect1d(*both)) / most for both in zip(*near, strict=True)])


def _units(vectors: Float[np.ndarray, "N D"]) -> Float64[np.ndarray, "N D"]:
    found = vectors.astype(np.float64)
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
