"""Automatic continuation of playlists: how many of the tracks that were held back are found, and how high."""

from collections.abc import Mapping, Sequence

import numpy as np

from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases
from urep_jax.data.log import EventLog
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.full_ranking import target_ranks
from urep_jax.evaluation.scorer import Scorer
from urep_jax.metrics.group_mean import GroupMean
from urep_jax.metrics.ranking import ndcg_at, recall_at

LIST_LENGTH = 500
"""Tracks that the challenge asks for, and so the depth of its NDCG."""


def continuation(
    scorer: Scorer, log: EventLog, cases: Cases, *, k: Sequence[int] = (10, 100), chunk: int = 64
) -> Mapping[str, ByUser]:
    r"""`r_precision`, `ndcg@500`, and `recall@k` for each `k`: one number for each playlist, which is a user here.

    .. math::
        \text{R-precision} = \frac{|G \cap R_{1:|G|}|}{|G|}, \quad
        \text{NDCG} = \sum_{g \in G,\, r_g \le 500} \frac{1}{\log_2(1 + r_g)} \Big/
        \sum_{i=1}^{\min(|G|, 500)} \frac{1}{\log_2(1 + i)}

    With G a playlist's targets, R the ranking of the whole catalogue less the tracks that the case shows, and r_g the
    rank of a target. Ties share the mean rank. A target that training never saw, or saw too rarely, is one that nobody
    finds: it stays in G.

    The best that there can be is that all of G comes first. The challenge's rules divide by the best order of what was
    found, so that one hit at the top is worth 1, and discount rank i by log2 i; a later version of its R-precision
    gives a quarter of a point for an artist. Here the usual NDCG is taken, and tracks alone count.

    Args:
        scorer: bound to `cases`.
        log: of playlists.
        cases: the questions, as of `ContinuationSplit`.
        k: depths of the recall, each at least 1.
        chunk: cases that are scored at once; memory is `chunk x V`. It changes no result.

    Source: Chen et al. 2018 (RecSys Challenge 2018), its metrics.

    Raises:
        ValueError: if a `k` is below 1, or a score is NaN.
    """
    for depth in k:
        if depth < 1:
            raise ValueError(f"k is {depth}, but must be at least 1")
    rank_N = target_ranks(scorer, log, cases, out=tuple(Feedback), chunk=chunk)
    targets_C = np.diff(cases.offsets)

    def by_playlist(values_N: np.ndarray) -> GroupMean:
        return GroupMean.from_batch(values_N, cases.case, len(cases))

    gain_C = by_playlist(ndcg_at(rank_N, LIST_LENGTH)).total
    first = np.arange(1, LIST_LENGTH + 1, dtype=np.float64)
    ideal = np.append(0.0, np.cumsum(ndcg_at(first, LIST_LENGTH)))[np.minimum(targets_C, LIST_LENGTH)]
    results = {
        "r_precision": by_playlist((rank_N <= np.repeat(targets_C, targets_C)).astype(np.float64)),
        f"ndcg@{LIST_LENGTH}": GroupMean(gain_C, ideal),
        **{f"recall@{depth}": by_playlist(recall_at(rank_N, depth)) for depth in k},
    }
    return {name: ByUser.from_cases(mean, np.asarray(cases.sequence)) for name, mean in results.items()}
