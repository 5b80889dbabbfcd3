"""Whether the nearest users are those with whom something is shared: clusters that are known beforehand."""

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from urep_jax.evaluation.by_user import ByUser
from urep_jax.metrics.ranking import graded_ndcg


def similar_users(
    vectors: Float[np.ndarray, "N D"],
    shared: csr_array,
    user: Int[np.ndarray, "N"],
    *,
    k: int = 50,
    chunk: int = 256,
) -> ByUser:
    r"""NDCG of each user's k nearest among the others, whose worth is how much they share: `ndcg@k`.

    .. math:: g_{uv} = \frac{|S_u \cap S_v|}{|S_u \cup S_v|}

    Where everybody has one thing, such as their favourite artist, g is 1 within a cluster and 0 across. Nearness is the
    cosine, found exactly; a vector of zeros is near to nobody, and equally near users share the mean of their worths.
    Only users who have something are asked about, and asked for; those with whom nobody shares anything have no value.

    Args:
        vectors: one for each user.
        shared: N x M of 0 and 1, what each of them has.
        user: the log's number of each.
        k: depth, at least 1.
        chunk: users who are asked about at once. It changes no result.

    Source:
        Generalized User Representations, §5.1.1 and Table 4.

    Raises:
        ValueError: if `k` is below 1, or a vector holds what is no number.
    """
    if not np.isfinite(vectors).all():
        raise ValueError("some vectors hold what is no number; they can't be compared")
    has_N = np.diff(shared.indptr) > 0
    vectors_NxD, sets, user_N = vectors[has_N].astype(np.float32), shared[has_N].astype(np.float32), user[has_N]
    vectors_NxD = vectors_NxD / np.maximum(np.linalg.norm(vectors_NxD, axis=1, keepdims=True), 1e-12)
    size_N = np.diff(sets.indptr)
    values_N = np.full(len(user_N), np.nan)
    for start in range(0, len(user_N), chunk):
        own = np.arange(start, min(start + chunk, len(user_N)))
        nearness_QxN = vectors_NxD[own] @ vectors_NxD.T
        common_QxN = (sets[own] @ sets.T).toarray()
        gain_QxN = common_QxN / (size_N[own][:, None] + size_N - common_QxN)
        # Nobody is their own neighbour.
        nearness_QxN[np.arange(len(own)), own] = -np.inf
        gain_QxN[np.arange(len(own)), own] = 0.0
        values_N[own] = graded_ndcg(nearness_QxN, gain_QxN, k)
    known_N = ~np.isnan(values_N)
    order = np.argsort(user_N[known_N], kind="stable")
    return ByUser(user_N[known_N][order], values_N[known_N][order])
