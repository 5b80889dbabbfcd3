"""Accuracy against random negatives: an easier question, which the paper reports to show that it is (>> 0.99 there)."""

import numpy as np
from jaxtyping import Int32

from urep_jax.core.streams import numpy_stream
from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases
from urep_jax.data.log import EventLog
from urep_jax.data.others import nth_other
from urep_jax.data.ragged import offsets_of, ranges
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.scorer import Scorer, candidate_scores
from urep_jax.metrics.auc import pair_auc


def random_pair_accuracy(
    scorer: Scorer, log: EventLog, cases: Cases, *, seed: int, num_negatives: int = 100, chunk: int = 256
) -> ByUser:
    """The share of (up, random item) pairs whose up is scored higher, averaged over users: `random_pair_accuracy`.

    Each case's ups are compared with `num_negatives` items drawn uniformly, with replacement, from the catalogue less
    the user's own items (of the whole log). Pooled and averaged as in `pair_accuracy`; users who have met the whole
    catalogue have no value.

    Args:
        scorer: bound to `cases`.
        log: the log that the cases belong to.
        cases: the questions.
        seed: of the draw.
        num_negatives: random items for each case, at least 1.
        chunk: cases that are scored at once. It changes no result.

    Source: Negative Feedback for Music Personalization, §4.

    Raises:
        ValueError: if a score is NaN.
    """
    random_CxK = draw_foreign_items(numpy_stream(seed, "random_pairs"), log, cases.sequence, num_negatives)
    has_negatives_C = random_CxK[:, 0] >= 0
    up = (cases.feedback == Feedback.UP) & has_negatives_C[cases.case]
    case_N = np.concatenate([cases.case[up], np.repeat(np.flatnonzero(has_negatives_C), num_negatives)])
    item_N = np.concatenate([cases.item[up], random_CxK[has_negatives_C].ravel()])
    is_up_N = np.arange(len(item_N)) < np.count_nonzero(up)

    order = np.argsort(case_N, kind="stable")
    case_N, item_N, is_up_N = case_N[order], item_N[order], is_up_N[order]
    offsets = offsets_of(np.bincount(case_N, minlength=len(cases)))
    scores_N = candidate_scores(scorer, offsets, item_N, chunk=chunk)
    return ByUser.from_cases(pair_auc(scores_N, is_up_N, case_N, len(cases)), np.asarray(cases.sequence))


def draw_foreign_items(
    rng: np.random.Generator, log: EventLog, sequence: Int32[np.ndarray, "C"], num_negatives: int
) -> Int32[np.ndarray, "C K"]:
    """`num_negatives` items for each case, uniformly from those that its sequence holds nowhere in the log.

    -1 for a case whose sequence holds all items.

    Raises:
        ValueError: if `num_negatives` is below 1.
    """
    if num_negatives < 1:
        raise ValueError(f"num_negatives is {num_negatives}, but must be at least 1")
    V = log.num_items
    user_U, user_C = np.unique(sequence, return_inverse=True)
    start_U, stop_U = log.offsets[user_U], log.offsets[user_U + 1]
    owner = np.repeat(np.arange(len(user_U)), stop_U - start_U)
    owner, item = np.divmod(np.unique(owner * V + log.item[ranges(start_U, stop_U)]), max(V, 1))
    own_U = np.bincount(owner, minlength=len(user_U))

    num_foreign_C = (V - own_U)[user_C]
    n_CxK = rng.integers(0, np.maximum(num_foreign_C, 1)[:, None], size=(len(sequence), num_negatives))
    user_CxK = np.broadcast_to(user_C[:, None], n_CxK.shape)
    foreign_CxK = nth_other(owner, item, user_CxK, n_CxK, len(user_U), V)
    return np.where(num_foreign_C[:, None] > 0, foreign_CxK, -1).astype(np.int32)
