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

BLOCK_SCORES = 1 << 24
"""Scores of the catalogue that exist at a time: more items are asked for in blocks."""


class Scorer(NamedTuple):
    """Scores items for the cases of one log. Higher is better; -inf means never to recommend; NaN is an error.

    Rows are case numbers. Items are item numbers of the log (not rows of a model's table); -1 is padding, and what is
    scored there is ignored. V is the log's `num_items`. Evaluations ask for few different shapes, so that a jitted
    scorer is traced a few times only.

    Attributes:
        candidates: scores of some items of each case, `(rows B, items B x M) -> B x M`.
        catalogue: scores of the items of a slice, which has a start and a stop, for each case,
            `(rows B, slice of C items) -> B x C`.
    """

    candidates: Callable[[Int64[np.ndarray, "B"], Int32[np.ndarray, "B M"]], Float32[Array, "B M"]]
    catalogue: Callable[[Int64[np.ndarray, "B"], slice], Float32[Array, "B C"]]


ScorerFactory = Callable[[EventLog, Cases], Scorer]
"""What a trained model or a baseline offers: a scorer for any cases of any log with the same items."""


def item_scorer(scores_V: Float32[np.ndarray, "V"]) -> Scorer:
    """A scorer that gives each item the same score in every case."""

    def candidates(rows_B: np.ndarray, items_BxM: np.ndarray) -> np.ndarray:
        return np.asarray(scores_V[items_BxM])

    def catalogue(rows_B: np.ndarray, items: slice) -> np.ndarray:
        return np.broadcast_to(scores_V[items], (len(rows_B), items.stop - items.start))

    return Scorer(candidates, catalogue)


def catalogue_scorer(catalogue: Callable[[Int64[np.ndarray, "B"], slice], Float32[np.ndarray, "B C"]]) -> Scorer:
    """A scorer whose candidates are looked up among the scores of the catalogue."""

    def candidates(rows_B: np.ndarray, items_BxM: np.ndarray) -> np.ndarray:
        items_BxM = np.maximum(items_BxM, 0)
        among = slice(int(items_BxM.min(initial=0)), int(items_BxM.max(initial=0)) + 1)
        return np.take_along_axis(catalogue(rows_B, among), items_BxM - among.start, axis=1)

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


class CatalogueScores:
    """The scores of the whole catalogue for some cases, to be gone through block by block, as often as needed.

    Args:
        scorer: bound to the cases.
        rows: case numbers.
        num_items: V.
    """

    def __init__(self, scorer: Scorer, rows: Int64[np.ndarray, "B"], num_items: int) -> None:
        self._scorer, self._rows, self._num_items = scorer, rows, num_items
        self._size = max(1, BLOCK_SCORES // max(1, len(rows)))
        self._only: np.ndarray | None = None

    def blocks(self) -> Iterator[tuple[slice, Float32[np.ndarray, "B C"]]]:
        """Items, and their scores, in memory of their own.

        Raises:
            ValueError: if a score is NaN, or there is not one for each item.
        """
        for first in range(0, self._num_items, self._size):
            items = slice(first, min(first + self._size, self._num_items))
            # Row by row: a copy of scores that all rows share would else lie column by column, and be slow to rank.
            yield items, np.array(self._block(items), order="C")

    def _block(self, items: slice) -> np.ndarray:
        if self._only is not None:
            return self._only
        count = items.stop - items.start
        found = self._scorer.catalogue(self._rows, items)
        scores_BxC = _checked_shape("catalogue", found, (len(self._rows), count))
        if np.isnan(scores_BxC).any():
            row, item = np.nonzero(np.isnan(scores_BxC))
            check_no_nan(scores_BxC[row, item], self._rows[row], items.start + item)
        if count == self._num_items:
            self._only = scores_BxC
        return scores_BxC


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
