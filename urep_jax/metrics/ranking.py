"""Ranks of targets among scores, and what is made of them."""

import numpy as np
from jaxtyping import Float, Float32, Float64, Int, Int64


def places_before(
    scores: Float32[np.ndarray, "B C"], targets: Int[np.ndarray, "B M"], target_scores: Float32[np.ndarray, "B M"]
) -> Float64[np.ndarray, "B M"]:
    """How many of a block of items stand before each target. Over all blocks of a catalogue, and 1, that is its rank.

    `rank = 1 + #{score > target's} + #{others with score = target's} / 2`

    Items at -inf are out of the contest. A target whose own score is -inf is never recommended: its rank is infinite.

    Args:
        scores: each item's score, -inf for items that are out.
        targets: the targets' columns in the block, which they need not be in.
        target_scores: the targets' own scores, NaN at padding. They stay in the contest even if `scores` has them out.

    Returns:
        From 0, in halves; NaN at padding.
    """
    before_BxM = np.full(targets.shape, np.nan)
    # One pass over a contiguous row for each target is faster than sorting, and than comparing all targets at once.
    for b, m in zip(*np.nonzero(~np.isnan(target_scores)), strict=True):
        scores_C, own, column = scores[b], target_scores[b, m], targets[b, m]
        itself = 0 <= column < len(scores_C) and scores_C[column] == own
        others_equal = np.count_nonzero(scores_C == own) - itself
        before_BxM[b, m] = np.inf if own == -np.inf else np.count_nonzero(scores_C > own) + others_equal / 2
    return before_BxM


def best_columns(scores: Float[np.ndarray, "B C"], k: int) -> Int64[np.ndarray, "B k"]:
    """The columns of the k highest scores of each row, the highest first; of equal ones, the first. No NaN.

    Args:
        scores: of each candidate.
        k: how many; all, if there are fewer.
    """
    k = min(k, scores.shape[1])
    if 4 * k >= scores.shape[1]:
        return np.argsort(-scores, axis=1, kind="stable")[:, :k]
    least_B = np.partition(scores, -k, axis=1)[:, -k]
    best_Bxk = np.empty((len(scores), k), np.int64)
    # Columns that are surely among the best, and those that share the last places: a row may have many of these.
    for row, least in enumerate(least_B):
        above = np.flatnonzero(scores[row] > least)
        chosen = np.concatenate([above, np.flatnonzero(scores[row] == least)[: k - len(above)]])
        best_Bxk[row] = chosen[np.lexsort((chosen, -scores[row, chosen]))]
    return best_Bxk


def reciprocal_rank(rank: Float[np.ndarray, "*N"]) -> Float[np.ndarray, "*N"]:
    """`1 / rank`: 1 for the first place, 0 for a target that is never recommended."""
    return 1 / rank


def recall_at(rank: Float[np.ndarray, "*N"], k: int) -> Float64[np.ndarray, "*N"]:
    """Whether a target is among the first `k`, as 0 or 1; its mean over targets is recall@k."""
    return (rank <= k).astype(np.float64)


def ndcg_at(rank: Float[np.ndarray, "*N"], k: int) -> Float64[np.ndarray, "*N"]:
    """`1 / log2(1 + rank)` of a target among the first `k`, else 0; its mean over targets is NDCG@k.

    That is what NDCG comes to where each question has one right answer: the best that there can be is 1.

    Source: Järvelin and Kekäläinen 2002.
    """
    return np.where(rank <= k, 1 / np.log2(1 + rank), 0.0)


def graded_ndcg(scores: Float[np.ndarray, "Q N"], gains: Float[np.ndarray, "Q N"], k: int) -> Float64[np.ndarray, "Q"]:
    r"""Normalised discounted cumulative gain of the k that are scored highest, where worth comes in degrees.

    .. math:: \frac{\sum_{r=1}^{k} g_{(r)} / \log_2(1 + r)}{\sum_{r=1}^{k} g^{*}_{(r)} / \log_2(1 + r)}

    with the gains once in the order of scores, and once in their own. Of equal scores each place has the mean gain.

    Args:
        scores: of each candidate, no NaN.
        gains: worth of each candidate, at least 0.
        k: depth, at least 1; all candidates if there are fewer.

    Returns:
        For each row; NaN where all gains are 0.

    Source: Järvelin and Kekäläinen 2002; ties as in McSherry and Najork 2008.

    Raises:
        ValueError: if `k` is below 1.
    """
    if k < 1:
        raise ValueError(f"k is {k}, but must be at least 1")
    k = min(k, scores.shape[1])
    discount_K = 1 / np.log2(np.arange(2, k + 2))
    order_QxN = np.argsort(-scores, axis=1, kind="stable")
    scores_QxN, gains_QxN = (np.take_along_axis(x, order_QxN, axis=1) for x in (scores, gains.astype(np.float64)))
    tied_Q = (scores_QxN[:, 1:] == scores_QxN[:, :-1]).any(axis=1)
    for row in np.flatnonzero(tied_Q):
        run_N = np.cumsum(np.append(True, scores_QxN[row, 1:] != scores_QxN[row, :-1])) - 1
        gains_QxN[row] = (np.bincount(run_N, gains_QxN[row]) / np.bincount(run_N))[run_N]
    found_Q = gains_QxN[:, :k] @ discount_K
    best_QxK = -np.sort(-gains, axis=1)[:, :k]
    best_Q = best_QxK @ discount_K
    ndcg_Q = np.full(len(scores), np.nan)
    np.divide(found_Q, best_Q, out=ndcg_Q, where=best_Q > 0)
    return ndcg_Q
