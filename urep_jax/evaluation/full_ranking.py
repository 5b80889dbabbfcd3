"""Mean reciprocal rank and recall of ups and downs over the full catalogue."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases
from urep_jax.data.log import EventLog
from urep_jax.data.ragged import ranges
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.scorer import CatalogueScores, Scorer, chunks, padded
from urep_jax.metrics.group_mean import GroupMean
from urep_jax.metrics.ranking import best_columns, places_before, recall_at, reciprocal_rank


def full_ranking(scorer: Scorer, log: EventLog, cases: Cases, *, k: int = 10, chunk: int = 64) -> Mapping[str, ByUser]:
    """Where the targets rank in the catalogue: `mrr_up`, `mrr_down`, `recall_up@k` and `recall_down@k`.

    Each target is ranked among all items but the ups of the case's input; the target itself always stays. Averaged
    over a user's targets, then over users. Where the negatives are skips, they are the ones that `down` names.

    Args:
        scorer: bound to `cases`.
        log: the log that the cases belong to.
        cases: the questions.
        k: depth of the recall, at least 1.
        chunk: cases that are scored at once. It changes no result.

    Source: Negative Feedback for Music Personalization, §5.2.3.

    Raises:
        ValueError: if `k` is below 1, or a score is NaN.
    """
    if k < 1:
        raise ValueError(f"k is {k}, but must be at least 1")
    rank_N = target_ranks(scorer, log, cases, chunk=chunk)
    is_up_N = cases.feedback == Feedback.UP
    is_down_N = np.isin(cases.feedback, (Feedback.DOWN, Feedback.SKIP))
    sequence_C = np.asarray(cases.sequence)

    def by_user(values_N: np.ndarray, where_N: np.ndarray) -> ByUser:
        return ByUser.from_cases(GroupMean.from_batch(values_N, cases.case, len(cases), where_N), sequence_C)

    return {
        "mrr_up": by_user(reciprocal_rank(rank_N), is_up_N),
        "mrr_down": by_user(reciprocal_rank(rank_N), is_down_N),
        f"recall_up@{k}": by_user(recall_at(rank_N, k), is_up_N),
        f"recall_down@{k}": by_user(recall_at(rank_N, k), is_down_N),
    }


def target_ranks(
    scorer: Scorer, log: EventLog, cases: Cases, *, out: Sequence[Feedback] = (Feedback.UP,), chunk: int = 64
) -> Float64[np.ndarray, "N"]:
    """The rank of every target, from 1, ties shared, among all items but those that its case's input holds.

    Args:
        scorer: bound to `cases`.
        log: the log that the cases belong to.
        cases: the questions.
        out: with which feedback an item of the input is out of the contest. The target itself always stays.
        chunk: cases that are scored at once. It changes no result.

    Returns:
        In the order of `cases.item`.
    """
    rank_N = np.empty(len(cases.item))
    for rows, real in chunks(np.diff(cases.offsets), chunk):
        items_BxM, flat, places = padded(cases.offsets, cases.item, rows, real)
        catalogue = CatalogueScores(scorer, rows, log.num_items)
        own_BxM = np.full(items_BxM.shape, np.nan, np.float32)
        for items, scores_BxC in catalogue.blocks():
            row, column = np.nonzero((items_BxM >= items.start) & (items_BxM < items.stop))
            own_BxM[row, column] = scores_BxC[row, items_BxM[row, column] - items.start]
        row, item = known_items(log, cases, rows, out)
        rank_BxM = np.ones(items_BxM.shape)
        for items, scores_BxC in catalogue.blocks():
            _take_out(scores_BxC, items, row, item)
            rank_BxM += places_before(scores_BxC, items_BxM - items.start, own_BxM)
        rank_N[flat] = rank_BxM[places]
    return rank_N


def recommended(
    scorer: Scorer, log: EventLog, cases: Cases, rows: Int64[np.ndarray, "B"], k: int
) -> tuple[Int64[np.ndarray, "B k"], Bool[np.ndarray, "B k"]]:
    """The `k` items that a scorer would recommend in some cases: the highest scores but the ups of a case's input.

    Of equal scores the smaller item numbers come first. There are fewer columns if the catalogue has fewer items.

    Returns:
        The items, and which of them are recommended at all: an item at -inf never is.
    """
    row, item = known_items(log, cases, rows)
    best_Bxk, score_Bxk = np.zeros((len(rows), 0), np.int64), np.zeros((len(rows), 0), np.float32)
    for items, scores_BxC in CatalogueScores(scorer, rows, log.num_items).blocks():
        _take_out(scores_BxC, items, row, item)
        column_Bxk = best_columns(scores_BxC, k)
        # Those of earlier blocks stand first, so that equal ones stay in the order of their numbers.
        best_BxK = np.concatenate([best_Bxk, items.start + column_Bxk], axis=1)
        score_BxK = np.concatenate([score_Bxk, np.take_along_axis(scores_BxC, column_Bxk, axis=1)], axis=1)
        place_Bxk = best_columns(score_BxK, k)
        best_Bxk, score_Bxk = (np.take_along_axis(x_BxK, place_Bxk, axis=1) for x_BxK in (best_BxK, score_BxK))
    return best_Bxk, score_Bxk > -np.inf


def _take_out(
    scores_BxC: Float32[np.ndarray, "B C"], items: slice, row: Int64[np.ndarray, "K"], item: Int32[np.ndarray, "K"]
) -> None:
    """Put items that are known at -inf, where they are in a block of the catalogue."""
    within = (item >= items.start) & (item < items.stop)
    scores_BxC[row[within], item[within] - items.start] = -np.inf


def known_items(
    log: EventLog, cases: Cases, rows: Int64[np.ndarray, "B"], feedback: Sequence[Feedback] = (Feedback.UP,)
) -> tuple[Int64[np.ndarray, "K"], Int32[np.ndarray, "K"]]:
    """The items that some cases' inputs hold with one of these kinds of feedback: the row of each, and itself."""
    start_B, stop_B = cases.start[rows], cases.stop[rows]
    event = ranges(start_B, stop_B)
    row = np.repeat(np.arange(len(rows)), stop_B - start_B)
    known = np.isin(log.feedback[event], feedback)
    return row[known], log.item[event[known]]
