"""Candidates scored and placed, for one listener or for many: what is called in memory, and what goes to Parquet."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Int, Int32

from urep_jax.data.vocabulary import PAD, UNKNOWN
from urep_jax.models import transformer
from urep_jax.models.transformer import Params
from urep_jax.serving.questions import power_of_two


class Placed(NamedTuple):
    """M candidates, in the order given."""

    scores: Float32[np.ndarray, "M"]
    """NaN for what training never saw."""
    places: Int32[np.ndarray, "M"]
    """From 1 among the candidates of a question."""
    order: Int[np.ndarray, "M"]
    """The candidates by question and place."""

    @property
    def unknown(self) -> Bool[np.ndarray, "M"]:
        """Which candidates have no score."""
        return np.isnan(self.scores)


def place_candidates(
    params: Params, vectors: Float32[np.ndarray, "C D"], case: Int[np.ndarray, "M"], rows: Int32[np.ndarray, "M"]
) -> Placed:
    """Score the candidates of some questions, and place them, best first.

    What training never saw has no score, and comes last: all of it shares one row of the item table, which says nothing
    of the single item and would put it anywhere among what is known. Equal scores keep the order given.

    Args:
        params: trained parameters.
        vectors: what the model makes of each question.
        case: the question that each candidate belongs to.
        rows: the candidates' rows in the item table.

    Example:
        >>> params = {"tables": {"item": np.array([[0.0], [0.0], [5.0], [1.0], [2.0]], np.float32)}}
        >>> rows = np.array([2, 3, 4], np.int32)
        >>> placed = place_candidates(params, np.ones((1, 1), np.float32), np.zeros(3, int), rows)
        >>> placed.scores.tolist(), placed.places.tolist(), placed.order.tolist()
        ([nan, 1.0, 2.0], [3, 2, 1], [2, 1, 0])
    """
    # Their number is filled up to a power of two, so that few different shapes are compiled.
    fill = (0, power_of_two(len(rows)) - len(rows))
    dots = _dots(vectors, params["tables"]["item"], np.pad(case, fill), np.pad(rows, fill, constant_values=PAD))
    scores_M = np.where(rows == UNKNOWN, np.float32(np.nan), np.asarray(dots)[: len(rows)])
    # NaN is sorted last.
    order = np.lexsort((-scores_M, case))
    starts = np.flatnonzero(np.diff(case[order], prepend=-1))
    places_M = np.empty(len(order), np.int32)
    places_M[order] = 1 + np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    return Placed(scores_M, places_M, order)


@jax.jit
def _dots(
    vectors: Float[Array, "C D"], table: Float[Array, "R D"], case: Int[Array, "M"], row: Int[Array, "M"]
) -> Float[Array, "M"]:
    return transformer.score(vectors[case], table[row])
