"""Test accuracy on pairs of one up and one negative."""

import numpy as np
from jaxtyping import Bool

from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.scorer import Scorer, candidate_scores
from urep_jax.metrics.auc import pair_auc


def pair_accuracy(
    scorer: Scorer, cases: Cases, *, where: Bool[np.ndarray, "N"] | None = None, chunk: int = 256
) -> ByUser:
    """The share of (up, negative) pairs whose up is scored higher, averaged over users: `pair_accuracy`.

    All pairs of a case (which is one station, where there are stations) are compared, a user's cases are pooled pair
    by pair, and the average AUC of all users is taken. Ties count half. Downs and skips among the targets are
    negatives, plays are left out.

    Args:
        scorer: bound to `cases`.
        cases: the questions.
        where: which targets take part; all of them by default.
        chunk: cases that are scored at once. It changes no result.

    Source: Negative Feedback for Music Personalization, §4.

    Raises:
        ValueError: if a score is NaN.
    """
    scores = candidate_scores(scorer, cases.offsets, cases.item, chunk=chunk)
    asked = cases.feedback != Feedback.PLAY
    if where is not None:
        asked &= where
    is_up = cases.feedback[asked] == Feedback.UP
    return ByUser.from_cases(pair_auc(scores[asked], is_up, cases.case[asked], len(cases)), np.asarray(cases.sequence))
