"""The scoring call that models and baselines share, and how an evaluation asks for it in chunks."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float32, Int, Int32, Int64

from urep_jax.data.cases import Cases
from urep_jax.data.log import EventLog
from urep_jax.data.ragged import ranges

Array = np.ndarray | jax.Array


class Scorer(NamedTuple):
    """Scores items for the cases of one log. Higher is better; -inf means never to recommend; NaN is an error.

    Rows are case numbers. Items are item numbers of the log (not rows of a model's table); -1 is padding, and what is
    scored there is ignored. V is the log's `num_items`. Evaluations ask for few different shapes, so that a jitted
    scorer is traced a few times only.

    Attributes:
        candidates: scores of some items of each case, `(rows B, items B x M) -> B x M`.
        catalogue: scores of all items for each case, `(rows B) -> B x V`.
    """

    candidates: Callable[[Int64[np.ndarray, "B"], Int32[np.ndarray, "B M"]], Float32[Array, "B M"]]
    catalogue: Callable[[Int64[np.ndarray, "B"]], Float32[Array, "B V"]]


ScorerFactory = Callable[[EventLog, Cases], Scorer]
"""What a trained model or a baseline offers: a scorer for any cases of any log with the same items."""


def item_scorer(scores_V: Float32[np.ndarray, "V"]) -> Scorer:
    """A scorer that gives each item the same score in every case."""

    def candidates(rows_B: np.ndarray, items_BxM: np.ndarray) -> np.ndarray:
        return np.asarray(scores_V[items_BxM])

    def catalogue(rows_B: np.ndarray) -> np.ndarray:
        return np.broadcast_to(scores_V, (len(rows_B), len(scores_V)))

    return Scorer(candidates, catalogue)


def catalogue_scorer(catalogue: Callable[[Int64[np.ndarray, "B"]], Float32[np.ndarray, "B V"]]) -> Scorer:
    """A scorer whose candidates are looked up among the scores of the catalogue."""

    def candidates(rows_B: np.ndarray, items_BxM: np.ndarray) -> np.ndarray:
        return np.take_along_axis(catalogue(rows_B), items_BxM, axis=1)

    return Scorer(candidates, catalogue)


def chunks(lengths: Int[np.ndarray, "C"], chunk: int) -> Iterator[tuple[Int64[np.ndarray, "B"], int]]:
    """All cases in chunks of alike length: `chunk` rows, and how many of them are real.

    The last chunk is filled up by repeating its last row, so that all have one shape.

    Raises:
        ValueError: if `chunk` is below 1.
    """
    if chunk < 1:
        raise ValueError(f"chunk is {chunk}, but must be at least 1 case")
    order = np.argsort(lengths, kind="stable")
    for first in range(0, len(order), chunk):
        rows = order[first : first + chunk]
        yield np.pad(rows, (0, chunk - len(rows)), mode="edge"), len(rows)


def padded(
    offsets: Int64[np.ndarray, "_"], values: Int32[np.ndarray, "N"], rows: Int64[np.ndarray, "B"], real: int
) -> tuple[Int32[np.ndarray, "B M"], Int64[np.ndarray, "_"], tuple[np.ndarray, np.ndarray]]:
    """The values of some rows of a ragged array as a rectangle, padded with -1; M is a power of two.

    Returns:
        The rectangle; the flat indices of its values; and their places in it, as row and column.
    """
    lengths = offsets[rows + 1] - offsets[rows]
    lengths[real:] = 0
    width = 1 << int(max(1, lengths.max(initial=0)) - 1).bit_length()
    flat = ranges(offsets[rows], offsets[rows] + lengths)
    row = np.repeat(np.arange(len(rows)), lengths)
    column = flat - offsets[rows][row]
    rectangle = np.full((len(rows), width), -1, np.int32)
    rectangle[row, column] = values[flat]
    return rectangle, flat, (row, column)


def candidate_scores(
    scorer: Scorer, offsets: Int64[np.ndarray, "_"], items: Int32[np.ndarray, "N"], *, chunk: int
) -> Float32[np.ndarray, "N"]:
    """The scores of ragged candidates: case `c` is asked for `items[offsets[c]:offsets[c + 1]]`.

    Raises:
        ValueError: if a score is NaN, or the scores have another shape than the items.
    """
    scores = np.empty(len(items), np.float32)
    for rows, real in chunks(np.diff(offsets), chunk):
        items_BxM, flat, places = padded(offsets, items, rows, real)
        scores_BxM = _checked_shape("candidates", scorer.candidates(rows, items_BxM), items_BxM.shape)
        scores[flat] = scores_BxM[places]
        check_no_nan(scores[flat], rows[places[0]], items[flat])
    return scores


def catalogue_scores(scorer: Scorer, rows: Int64[np.ndarray, "B"], num_items: int) -> Float32[np.ndarray, "B V"]:
    """The scores of the whole catalogue for some cases, in memory of their own.

    Raises:
        ValueError: if a score is NaN, or there is not one for each item of the log.
    """
    # Row by row: a copy of scores that all rows share would otherwise lie column by column, and be slow to rank.
    scores_BxV = np.array(_checked_shape("catalogue", scorer.catalogue(rows), (len(rows), num_items)), order="C")
    if np.isnan(scores_BxV).any():
        row, item = np.nonzero(np.isnan(scores_BxV))
        check_no_nan(scores_BxV[row, item], rows[row], item)
    return scores_BxV


def check_no_nan(scores: Float32[np.ndarray, "N"], case: Int64[np.ndarray, "N"], item: Int[np.ndarray, "N"]) -> None:
    """Refuse NaN.

    Raises:
        ValueError: naming the first case and item whose score is NaN.
    """
    wrong = np.flatnonzero(np.isnan(scores))
    if len(wrong):
        raise ValueError(
            f"the score of item {item[wrong[0]]} in case {case[wrong[0]]} is NaN ({len(wrong)} of {len(scores)} are), "
            "but a score must be a number, or -inf for items never to recommend; look for NaN in the parameters"
        )


def _checked_shape(call: str, scores: Float32[Array, "..."], shape: tuple[int, ...]) -> np.ndarray:
    if scores.shape != shape:
        raise ValueError(f"{call} returned scores of shape {scores.shape}, but must return one for each item: {shape}")
    return np.asarray(scores, np.float32)
