"""One model finds candidates, another ranks them."""

import numpy as np

from urep_jax.data.cases import Cases
from urep_jax.data.log import EventLog
from urep_jax.evaluation.full_ranking import recommended
from urep_jax.evaluation.scorer import Scorer


def two_stages(finder: Scorer, ranker: Scorer, log: EventLog, cases: Cases, k: int) -> Scorer:
    """The `ranker`'s scores of the `k` items that the `finder` would recommend; -inf for all others.

    Candidates are those of `full_ranking.recommended`. Only the latest cases' are kept, so that memory doesn't grow
    with the cases.

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

    latest: dict[bytes, np.ndarray] = {}

    def found(rows_B: np.ndarray) -> np.ndarray:
        """Candidates of each row, -1 where there are fewer."""
        # An evaluation asks for the blocks of a catalogue one after the other, of the same cases.
        asked = rows_B.tobytes()
        if asked not in latest:
            latest.clear()
            top_Bxk, offered_Bxk = recommended(finder, log, cases, rows_B, k)
            latest[asked] = np.where(offered_Bxk, top_Bxk, -1)
        return latest[asked]

    def candidates(rows_B: np.ndarray, items_BxM: np.ndarray) -> np.ndarray:
        is_found_BxM = np.array(
            [np.isin(items_M, found_k) for items_M, found_k in zip(items_BxM, found(rows_B), strict=True)]
        )
        return np.where(is_found_BxM, ranker.candidates(rows_B, items_BxM), -np.inf).astype(np.float32)

    def catalogue(rows_B: np.ndarray, items: slice) -> np.ndarray:
        found_Bxk = found(rows_B)
        row, place = np.nonzero((found_Bxk >= items.start) & (found_Bxk < items.stop))
        is_found_BxC = np.zeros((len(rows_B), items.stop - items.start), bool)
        is_found_BxC[row, found_Bxk[row, place] - items.start] = True
        return np.where(is_found_BxC, ranker.catalogue(rows_B, items), -np.inf).astype(np.float32)

    return Scorer(candidates, catalogue)
