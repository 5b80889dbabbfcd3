"""Area under the ROC curve of ups over negatives, for ragged groups."""

import numpy as np
from jaxtyping import Bool, Float, Int

from urep_jax.metrics.group_mean import GroupMean


def pair_auc(
    scores: Float[np.ndarray, "N"], is_up: Bool[np.ndarray, "N"], group: Int[np.ndarray, "N"], num_groups: int
) -> GroupMean:
    """The (up, negative) pairs of each group, and how many of them the scores order rightly; ties count half.

    `AUC_g = (#{up > negative} + #{up = negative} / 2) / #{pairs}`, which is `compute()` of the result. The pairs
    won are the Mann-Whitney statistic: the sum of the ups' ranks (ties share the mean rank), less the least that it
    can be.

    A group must lie in one batch as a whole: pairs between two batches of one group are not seen by either.

    Args:
        scores: any finite or infinite numbers, no NaN.
        is_up: whether each is an up; a negative otherwise.
        group: the group of each, 0 to `num_groups - 1`, in any order.
        num_groups: how many groups there are.

    Source: Hanley & McNeil, 1982.
    """
    order = np.lexsort((scores, group))
    scores, is_up, group = scores[order], is_up[order], group[order]
    new = np.ones(len(scores), bool)
    new[1:] = (scores[1:] != scores[:-1]) | (group[1:] != group[:-1])
    run = np.cumsum(new) - 1
    bounds_R = np.append(np.flatnonzero(new), len(scores))
    size_G = np.bincount(group, minlength=num_groups)
    before_G = np.cumsum(size_G) - size_G
    rank = (bounds_R[:-1] + bounds_R[1:] + 1)[run] / 2 - before_G[group]

    ups_G = np.bincount(group[is_up], minlength=num_groups).astype(np.float64)
    rank_sum_G = np.bincount(group[is_up], weights=rank[is_up], minlength=num_groups)
    return GroupMean(rank_sum_G - ups_G * (ups_G + 1) / 2, ups_G * (size_G - ups_G))
