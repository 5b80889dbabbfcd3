"""Answers for whole logs: what every listener is recommended, and lists of candidates ranked.

All of it goes sequence by sequence, in blocks, so that memory depends on the size of a block and of the catalogue only.
"""

import dataclasses
from typing import Literal, get_args

import jax
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float32, Int, Int32, Int64

from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases
from urep_jax.data.log import NO_STATION, EventLog
from urep_jax.data.ragged import ranges
from urep_jax.data.sequences import Sequences
from urep_jax.data.vocabulary import FIRST_ITEM, PAD
from urep_jax.evaluation.full_ranking import known_items
from urep_jax.evaluation.model_scorer import question_vectors
from urep_jax.serving.questions import power_of_two
from urep_jax.serving.ranking import place_candidates
from urep_jax.serving.recommender import Recommender, best_items, check_k

LeaveOut = Literal["ups", "heard", "nothing"]
"""Which items of a listener's past are not recommended again."""

_LEFT_OUT: dict[LeaveOut, tuple[Feedback, ...]] = {"ups": (Feedback.UP,), "heard": tuple(Feedback), "nothing": ()}

_ROWS = 256
"""Questions that are answered at once; it changes no result."""


class Listeners:
    """A trained model, bound to the log of the listeners that it is asked about.

    Args:
        model: the model.
        log: what is known of the listeners: all events count as their past.
        stations: ids of stations that will be asked about, where the log doesn't hold them.
    """

    def __init__(self, model: Recommender, log: EventLog, stations: pa.StringArray | None = None) -> None:
        if stations is not None:
            new = stations.filter(pc.invert(pc.is_in(stations, value_set=log.station_ids)))
            log = dataclasses.replace(log, station_ids=pa.concat_arrays([log.station_ids, new.unique()]))
        self.model, self.log = model, log
        self._sequences = Sequences(log, model.vocabulary, model.sequences)

    def vectors(self, cases: Cases) -> Float32[np.ndarray, "C D"]:
        """What the model makes of each question."""
        return question_vectors(self.model.params, self.model.cfg, self._sequences, cases, chunk=_ROWS)

    @property
    def item_rows(self) -> Int32[np.ndarray, "V"]:
        """The row of the model's item table for each item of the log."""
        return self._sequences.item_rows


def recommend_block(
    listeners: Listeners,
    first: int,
    last: int,
    *,
    k: int = 10,
    leave_out: LeaveOut = "ups",
    allowed: Bool[np.ndarray, "R"] | None = None,
) -> pa.Table:
    """The `k` best items for the sequences `first` to `last - 1`, on each station that they have heard.

    Args:
        listeners: model and log.
        first: number of the block's first sequence.
        last: one past its last.
        k: how many, at least 1; there are fewer where fewer are left.
        leave_out: which items of a listener's past are left out: `ups`, all that were `heard`, or `nothing`.
        allowed: rows of the model's item table that may be recommended; None for all items.

    Returns:
        Columns `user_id`, `station_id` (null where the log has no stations), `place` (from 1), `item_id`, `score`.

    Raises:
        ValueError: if a value is out of range.
    """
    check_k(k)
    if leave_out not in get_args(LeaveOut):
        raise ValueError(f"leave_out is {leave_out!r}, but must be one of {', '.join(get_args(LeaveOut))}")
    log, model = listeners.log, listeners.model
    cases = questions_on_stations(log, first, last)
    vectors_CxD = listeners.vectors(cases)
    k = min(k, model.cfg.num_items)
    case, place, rows, scores = [], [], [], []
    for start in range(0, len(cases), _ROWS):
        # The last rows are filled up with the last question, so that one shape is compiled.
        asked_B = np.minimum(np.arange(start, start + _ROWS), len(cases) - 1)
        excluded_BxX = _past(listeners, cases, asked_B, leave_out)
        found = best_items(model.params, vectors_CxD[asked_B], excluded_BxX, k=k, allowed=allowed)
        scores_Bxk, rows_Bxk = jax.device_get(found)
        real = min(_ROWS, len(cases) - start)
        row, column = np.nonzero(np.isfinite(scores_Bxk[:real]))
        case.append(start + row)
        place.append(column + 1)
        rows.append(rows_Bxk[row, column])
        scores.append(scores_Bxk[row, column])
    case_N = np.concatenate([np.zeros(0, int), *case])
    item = np.concatenate([np.zeros(0, int), *rows]) - FIRST_ITEM
    return pa.table(
        {
            "user_id": log.sequence_ids.take(cases.sequence[case_N]),
            "station_id": _station_ids(log, cases.station[case_N]),
            "place": np.concatenate([np.zeros(0, np.int32), *place]).astype(np.int32),
            "item_id": model.vocabulary.item_ids.take(item),
            "score": np.concatenate([np.zeros(0, np.float32), *scores]).astype(np.float32),
        }
    )


def rank_block(listeners: Listeners, candidates: pa.Table) -> pa.Table:
    """Score some candidates, and place them.

    Args:
        listeners: model and log.
        candidates: columns `user_id`, `item_id` and, if stations matter, `station_id`, all of them strings. Those of
            one listener on one station are ranked together; a listener that the log doesn't hold has no past.

    Returns:
        The same rows in the same order, with `score`, and `place` from 1 among those of the listener and station; equal
        scores keep their order. Items that training never saw come last, with null for a score.

    Raises:
        ValueError: if a candidate has no `user_id` or no `item_id`.
    """
    log, model = listeners.log, listeners.model
    for name in ("user_id", "item_id"):
        if candidates[name].null_count:
            raise ValueError(f"{candidates[name].null_count} candidates have no {name}; take them out, or name them")
    sequence_N = _numbers(candidates["user_id"], log.sequence_ids)
    station_N = np.full(len(sequence_N), NO_STATION)
    if "station_id" in candidates.column_names:
        station_N = _numbers(candidates["station_id"], log.station_ids)
    user_N = candidates["user_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    _, first_C, case_N = np.unique(
        user_N.astype(np.int64) * (log.num_stations + 1) + station_N + 1, return_index=True, return_inverse=True
    )
    vectors_CxD = listeners.vectors(_questions(log, sequence_N[first_C], station_N[first_C]))
    item_N = model.vocabulary.item_rows(candidates["item_id"].combine_chunks())
    placed = place_candidates(model.params, vectors_CxD, case_N, item_N)
    score_N = pa.array(placed.scores, mask=placed.unknown)
    return candidates.append_column("place", pa.array(placed.places)).append_column("score", score_N)


def questions_on_stations(log: EventLog, first: int, last: int) -> Cases:
    """A question for each sequence from `first` to `last - 1` and each station that it has heard, without targets.

    In a log without stations there is one question for each sequence.
    """
    sequence = np.arange(first, last)
    if log.station is None:
        return _questions(log, sequence, np.full(len(sequence), NO_STATION))
    start, stop = log.offsets[first], log.offsets[last]
    owner_E = np.repeat(sequence, np.diff(log.offsets[first : last + 1]))
    pair = np.unique(owner_E * (log.num_stations + 1) + np.asarray(log.station[start:stop]) + 1)
    sequence, station = np.divmod(pair, log.num_stations + 1)
    return _questions(log, sequence, station - 1)


def _questions(log: EventLog, sequence: Int[np.ndarray, "C"], station: Int[np.ndarray, "C"]) -> Cases:
    """A case without targets for each sequence, -1 for one of whom nothing is known, given all of its events."""
    known = sequence >= 0
    return Cases.without_targets(
        sequence.astype(np.int32),
        np.where(known, log.offsets[sequence], 0),
        np.where(known, log.offsets[sequence + 1], 0),
        station.astype(np.int32),
    )


def _past(listeners: Listeners, cases: Cases, rows: Int[np.ndarray, "B"], leave_out: LeaveOut) -> np.ndarray:
    """The model's rows of the items that are left out of each answer, filled up with `PAD`; B x X, X a power of two."""
    row, item = known_items(listeners.log, cases, rows, _LEFT_OUT[leave_out])
    lengths = np.bincount(row, minlength=len(rows))
    excluded_BxX = np.full((len(rows), power_of_two(int(lengths.max(initial=0)))), PAD, np.int32)
    excluded_BxX[row, ranges(0 * lengths, lengths)] = listeners.item_rows[item]
    return excluded_BxX


def _numbers(ids: pa.ChunkedArray, known: pa.StringArray) -> Int64[np.ndarray, "N"]:
    """The place of each id among those that are known, -1 for a null or another one."""
    return pc.fill_null(pc.index_in(ids.combine_chunks(), value_set=known), -1).to_numpy().astype(np.int64)


def _station_ids(log: EventLog, station: Int[np.ndarray, "N"]) -> pa.StringArray:
    if not log.num_stations:
        return pa.nulls(len(station), pa.string())
    return log.station_ids.take(pa.array(np.maximum(station, 0), mask=station < 0))
