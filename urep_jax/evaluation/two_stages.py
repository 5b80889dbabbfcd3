"""One model finds candidates, another ranks them."""

import numpy as np

from urep_jax.data.cases import Cases
from urep_jax.data.log import EventLog
from urep_jax.evaluation.full_ranking import recommended
from urep_jax.evaluation.scorer import Scorer


def two_stages(finder: Scorer, ranker: Scorer, log: EventLog, cases: Cases, k: int) -> Scorer:
    """The `ranker`'s scores of the `k` items that the `finder` would recommend; -inf for all others.

    Candidates are those of `full_ranking.recommended`, found anew at every call, so that memory doesn't grow with the
    cases.

    Args:
        finder: bound to `cases`; the paper suggests a model of low `p_hard`.
        ranker: bound to `cases`; the paper suggests a model of high `p_hard`.
        log: the log that the cases belong to.
        cases: the questions.
        k: candidates of each case, at least 1.

    Source: Negative Feedback for Music Personalization, §5.2.3.

    Raises:
        ValueError: if `k` is below 1.
    """
    if k < 1:
        raise ValueError(f"k is {k}, but must be at least 1")

    def found(rows_B: np.ndarray) -> np.ndarray:
        top_Bxk, offered_Bxk = recommended(finder, log, cases, rows_B, k)
        found_BxV = np.zeros((len(rows_B), log.num_items), bool)
        np.put_along_axis(found_BxV, top_Bxk, offered_Bxk, axis=1)
        return found_BxV

    def candidates(rows_B: np.ndarray, items_BxM: np.ndarray) -> np.ndarray:
        is_found_BxM = np.take_along_axis(found(rows_B), items_BxM, axis=1)
        return np.where(is_found_BxM, ranker.candidates(rows_B, items_BxM), -np.inf).astype(np.float32)

    def catalogue(rows_B: np.ndarray) -> np.ndarray:
        return np.where(found(rows_B), ranker.catalogue(rows_B), -np.inf).astype(np.float32)

    return Scorer(candidates, catalogue)
