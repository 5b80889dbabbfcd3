"""What a model does to the tail: results by the popularity of what is asked about, and of what is recommended."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64, Int, Int8

from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases
from urep_jax.data.log import EventLog
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.full_ranking import recommended, target_ranks
from urep_jax.evaluation.pairs import pair_accuracy
from urep_jax.evaluation.scorer import Scorer, chunks
from urep_jax.metrics.group_mean import GroupMean
from urep_jax.metrics.ranking import reciprocal_rank

BUCKETS = ("head", "middle", "tail")
"""The head draws the first half of all ups, the middle the next 30 %, and the tail the last 20 %."""

_EDGES = (0.5, 0.8)


def popularity_buckets(ups: Int[np.ndarray, "V"]) -> Int8[np.ndarray, "V"]:
    """The bucket of each item, a place in `BUCKETS`. Items with equally many ups share one.

    Args:
        ups: training ups of each item.
    """
    values, group_V = np.unique(ups, return_inverse=True)
    ups_G = values.astype(np.int64) * np.bincount(group_V, minlength=len(values))
    on_more_popular_G = ups_G.sum() - np.cumsum(ups_G)
    bucket_G = np.searchsorted(_EDGES, on_more_popular_G / max(1, ups_G.sum()), side="right")
    bucket_G[values == 0] = len(BUCKETS) - 1
    return bucket_G[group_V].astype(np.int8)


def popularity_percentiles(ups: Int[np.ndarray, "V"]) -> Float64[np.ndarray, "V"]:
    """The share, 0 to 1, of the catalogue's items that have fewer ups, plus half of those that have as many."""
    order = np.sort(ups)
    below_V = np.searchsorted(order, ups, side="left")
    return (below_V + np.searchsorted(order, ups, side="right")) / (2 * max(1, len(ups)))


def by_popularity(
    scorer: Scorer, log: EventLog, cases: Cases, ups: Int[np.ndarray, "V"], *, chunk: int = 64
) -> Mapping[str, ByUser]:
    """Pair accuracy and MRR of the ups of each bucket: `pair_accuracy/tail`, `mrr_up/tail`, and so on.

    A pair belongs to its up's bucket; its negative may be any.

    Args:
        scorer: bound to `cases`.
        log: the log that the cases belong to.
        cases: the questions.
        ups: training ups of each item.
        chunk: cases that are scored at once. It changes no result.

    Source: Negative Feedback for Music Personalization, §5.2.2.
    """
    bucket_N = popularity_buckets(ups)[cases.item]
    is_up_N = cases.feedback == Feedback.UP
    reciprocal_N = reciprocal_rank(target_ranks(scorer, log, cases, chunk=chunk))
    results = {}
    for number, name in enumerate(BUCKETS):
        here_N = is_up_N & (bucket_N == number)
        results[f"pair_accuracy/{name}"] = pair_accuracy(scorer, cases, where=here_N | ~is_up_N, chunk=chunk)
        mean = GroupMean.from_batch(reciprocal_N, cases.case, len(cases), here_N)
        results[f"mrr_up/{name}"] = ByUser.from_cases(mean, np.asarray(cases.sequence))
    return results


def recommended_popularity(
    scorer: Scorer, log: EventLog, cases: Cases, ups: Int[np.ndarray, "V"], *, k: int = 10, chunk: int = 64
) -> ByUser:
    """The mean popularity percentile, 0 to 1, of the `k` items that are recommended to each user.

    What is recommended is what `full_ranking.recommended` says.

    Args:
        scorer: bound to `cases`.
        log: the log that the cases belong to.
        cases: the questions.
        ups: training ups of each item.
        k: items recommended in each case, at least 1.
        chunk: cases that are scored at once. It changes no result.

    Source: Negative Feedback for Music Personalization, §5.2.3.

    Raises:
        ValueError: if `k` is below 1, or a score is NaN.
    """
    if k < 1:
        raise ValueError(f"k is {k}, but must be at least 1")
    percentile_V = popularity_percentiles(ups)
    total_C, count_C = np.zeros(len(cases)), np.zeros(len(cases))
    for rows, real in chunks(np.diff(cases.offsets), chunk):
        top_Bxk, offered_Bxk = recommended(scorer, log, cases, rows, k)
        total_C[rows[:real]] = (percentile_V[top_Bxk] * offered_Bxk).sum(1)[:real]
        count_C[rows[:real]] = offered_Bxk.sum(1)[:real]
    return ByUser.from_cases(GroupMean(total_C, count_C), np.asarray(cases.sequence))
