"""NDCG and recall of the item that comes next, as leave-one-out studies report them."""

from collections.abc import Mapping

import numpy as np

from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases
from urep_jax.data.log import EventLog
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.full_ranking import target_ranks
from urep_jax.evaluation.scorer import Scorer
from urep_jax.metrics.group_mean import GroupMean
from urep_jax.metrics.ranking import ndcg_at, recall_at


def next_item(scorer: Scorer, log: EventLog, cases: Cases, *, k: int = 10, chunk: int = 64) -> Mapping[str, ByUser]:
    """How high the items that follow rank: `ndcg@k` and `recall@k`.

    Each target is ranked among the whole catalogue, none of it sampled, less all items that its case's input holds with
    whatever feedback. Ties share the mean rank, so that the order of items or cases changes nothing. Averaged over a
    user's targets, of which leave-one-out has one, then over users.

    Args:
        scorer: bound to `cases`.
        log: the log that the cases belong to.
        cases: the questions, as of `LeaveOneOut`.
        k: depth, at least 1.
        chunk: cases that are scored at once. It changes no result.

    Source: Kang and McAuley 2018, §4.3; ranked in full as Petrov and Macdonald 2023, §5, ask for.

    Raises:
        ValueError: if `k` is below 1, or a score is NaN.
    """
    if k < 1:
        raise ValueError(f"k is {k}, but must be at least 1")
    rank_N = target_ranks(scorer, log, cases, out=tuple(Feedback), chunk=chunk)

    def by_user(values_N: np.ndarray) -> ByUser:
        return ByUser.from_cases(GroupMean.from_batch(values_N, cases.case, len(cases)), np.asarray(cases.sequence))

    return {f"ndcg@{k}": by_user(ndcg_at(rank_N, k)), f"recall@{k}": by_user(recall_at(rank_N, k))}
