"""`Recommender`: a trained model of listeners' feedback, ready to rank and to recommend.

Its methods are thin over pure functions of parameters and questions. The input is made, and encoded, by the very code
that evaluates the model, so what is ranked here is what was measured there.
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import pyarrow as pa
from jaxtyping import Array, Bool, Float, Float32, Int, Int32

from urep_jax.core.spaces import Space, text_arrays, trained_space
from urep_jax.core.top_products import named, top_products
from urep_jax.core.types import Feedback
from urep_jax.data.sequences import Batch, SequenceConfig
from urep_jax.data.vocabulary import FIRST_ITEM, PAD, UNKNOWN, UNKNOWN_STATION, Vocabulary
from urep_jax.evaluation import model_scorer
from urep_jax.models.transformer import Params, TransformerConfig
from urep_jax.serving.events import Columns, Events, Id, Ids, as_item_ids
from urep_jax.serving.questions import Questions, power_of_two, questions
from urep_jax.serving.ranking import place_candidates

_LISTENERS = 64
"""Listeners who are answered at once; it changes no result."""


class Unknown(NamedTuple):
    """What training never saw, and the model therefore read as its unknown row."""

    items: int
    """Events of the model's input whose item is unknown."""
    stations: int
    """Positions of the model's input whose station is unknown, the question's included."""
    candidates: tuple[str, ...]
    """Candidates that are unknown: the last of the ranking."""


class Ranking(NamedTuple):
    """Items, best first."""

    items: list[str]
    """The source's ids."""
    scores: Float32[np.ndarray, "M"]
    """Their scores, descending. Only their order means anything, and only among one question's scores. Candidates that
    training never saw have none, but NaN."""
    unknown: Unknown
    """What training never saw."""


@dataclasses.dataclass(frozen=True, eq=False)
class Recommender:
    """A trained model with all that is needed to call it; `urep_jax.restore` makes one from a run folder.

    Attributes:
        params: trained parameters.
        cfg: the model's size and inputs.
        sequences: how its input is made from events.
        vocabulary: the items and stations that it knows.
        trained_items: how many of the items, the first ones, it was trained on. Those after them came in later, in a
            growth.

    Raises:
        ValueError: if the vocabulary is not the one that the model was trained with, or holds fewer items than
            `trained_items`.

    Example:
        >>> from urep_jax.models import transformer
        >>> vocabulary = Vocabulary(pa.array(["a", "b", "c"]), pa.array(["jazz"]), pa.array([], pa.string()))
        >>> cfg = TransformerConfig(num_items=3, num_stations=1, max_length=8, width=4)
        >>> params = transformer.init(jax.random.key(0), cfg)
        >>> model = Recommender(params, cfg, SequenceConfig(max_length=8), vocabulary, trained_items=3)
        >>> events = {"item_id": ["a", "b"], "feedback": ["up", "skip"]}
        >>> sorted(model.rank(events, ["a", "b", "c"], station="jazz").items)
        ['a', 'b', 'c']
        >>> sorted(model.recommend(events, station="jazz").items)
        ['b', 'c']
    """

    params: Params = dataclasses.field(repr=False)
    cfg: TransformerConfig
    sequences: SequenceConfig
    vocabulary: Vocabulary = dataclasses.field(repr=False)
    trained_items: int

    def __post_init__(self) -> None:
        for kind in ("item", "station", "device"):
            known, trained = len(getattr(self.vocabulary, f"{kind}_ids")), getattr(self.cfg, f"num_{kind}s")
            if known != trained:
                raise ValueError(
                    f"the vocabulary holds {known} {kind}s, but the model was trained with {trained}; "
                    "take the vocabulary of the model's own run"
                )
        if not 1 <= self.trained_items <= self.cfg.num_items:
            raise ValueError(
                f"trained_items is {self.trained_items}, but must be from 1 to the number of items, "
                f"{self.cfg.num_items}; take that of the model's own run"
            )

    @functools.cached_property
    def space(self) -> Space:
        """That its vectors of items and of listeners lie in: told by all that its training made.

        Items that have come in since are not part of that, so that a model that grows stays in its space.
        """
        trained, tables = self.trained_items, self.params["tables"]
        tables = tables | {"item": tables["item"][: FIRST_ITEM + trained]}
        leaves = map(np.asarray, jax.tree.leaves(self.params | {"tables": tables}))
        words = (self.vocabulary.item_ids[:trained], self.vocabulary.station_ids, self.vocabulary.device_ids)
        ids = (array for one in words for array in text_arrays(one.to_pylist()))
        return trained_space("recommender", [*leaves, *ids])

    def rank(self, events: Events, candidates: Ids, station: Id | None = None) -> Ranking:
        """Order some items by what a listener is up for next.

        Args:
            events: the listener's events, as `read_events` takes them; the latest are the ones that count. None at all
                is a listener of whom nothing is known.
            candidates: the items' ids, at least one.
            station: the station that will play them, None for none.

        Returns:
            All candidates, best first, equal scores in the order given. Those that training never saw come last, with
            NaN for a score.

        Raises:
            ValueError: if there is no candidate, or if events, candidates or the station can't be read.
        """
        ids = as_item_ids("candidates", candidates)
        if not len(ids):
            raise ValueError("candidates is empty, but must hold at least one item to rank")
        asked = self._ask([events], [station])
        case_M, rows_M = np.zeros(len(ids), int), self.vocabulary.item_rows(ids)
        placed = place_candidates(self.params, self._encode(asked)[:1], case_M, rows_M)
        new = ids.filter(pa.array(placed.unknown)).unique().to_pylist()
        best_M = placed.order
        return Ranking(ids.take(best_M).to_pylist(), placed.scores[best_M], _unknown(asked.batch, 0, tuple(new)))

    def recommend(self, events: Events, station: Id | None = None, *, k: int = 10, exclude_ups: bool = True) -> Ranking:
        """The items of the whole catalogue that a listener is most up for next.

        Args:
            events: as in `rank`.
            station: as in `rank`. It colours the question; items that the station never played may be recommended.
            k: how many, at least 1. Fewer come back where fewer are left.
            exclude_ups: whether items that the listener was up for already are left out.

        Returns:
            Items of the vocabulary, best first; never one that training did not see.

        Raises:
            ValueError: if `k` is no whole number from 1 on, or if events or the station can't be read.
        """
        return self.recommend_many([events], [station], k=k, exclude_ups=exclude_ups)[0]

    def recommend_many(
        self,
        listeners: Sequence[Events],
        stations: Sequence[Id | None] | None = None,
        *,
        k: int = 10,
        exclude_ups: bool = True,
    ) -> list[Ranking]:
        """`recommend` for many listeners at once, which is faster than one by one.

        Args:
            listeners: events of each listener, as in `rank`.
            stations: the station for each listener; None for none at all.
            k: as in `recommend`.
            exclude_ups: as in `recommend`.

        Raises:
            ValueError: if the listeners are no list, or there is not one station for each, and as `recommend` does.
        """
        if isinstance(listeners, Columns | pa.Table):
            raise ValueError(
                f"listeners is a {type(listeners).__name__} of columns, but must be a list with the events of each "
                "listener; put it in brackets, or call recommend for one listener"
            )
        stations = [None] * len(listeners) if stations is None else stations
        if len(stations) != len(listeners):
            raise ValueError(
                f"stations has {len(stations)} entries for {len(listeners)} listeners; give one for each, or None"
            )
        check_k(k)
        return [
            ranking
            for first in range(0, len(listeners), _LISTENERS)
            for ranking in self._recommend(
                self._ask(listeners[first : first + _LISTENERS], stations[first : first + _LISTENERS]), k, exclude_ups
            )
        ]

    def encode(self, events: Events, station: Id | None = None) -> Float32[np.ndarray, "D"]:
        """What the model makes of a listener on a station: the vector that every item's embedding is multiplied with.

        Raises:
            ValueError: if events or the station can't be read.
        """
        return self._encode(self._ask([events], [station]))[0]

    @property
    def feedback_embeddings(self) -> dict[str, Float32[np.ndarray, "D"]]:
        """What the model adds to a song for each feedback that it was trained with, by the feedback's word.

        Raises:
            ValueError: if the model has none.
        """
        self._check_feedback()
        table = np.asarray(self.params["body"]["feedback"])
        return {word: table[Feedback.from_word(word)] for word in self.sequences.inputs}

    def feedback_cosines(self) -> dict[str, float]:
        """Cosine similarity of the feedback embeddings: `up_down`, `up_skip` and `down_skip`.

        Source: Negative Feedback for Music Personalization, §5.3.

        Raises:
            ValueError: if the model has none.
        """
        self._check_feedback()
        return model_scorer.feedback_cosines(self.params)

    def _check_feedback(self) -> None:
        if not self.cfg.feedback:
            raise ValueError("feedback is false in this model's config: it has no feedback embeddings; restore another")

    def _ask(self, listeners: Sequence[Events], stations: Sequence[Id | None]) -> Questions:
        return questions(listeners, stations, self.vocabulary, self.sequences, timed=self.cfg.hour)

    def _encode(self, asked: Questions) -> Float32[np.ndarray, "B D"]:
        return model_scorer.encode_questions(self.params, self.cfg, iter([asked.batch]))

    def _recommend(self, asked: Questions, k: int, exclude_ups: bool) -> Iterator[Ranking]:
        vectors_BxD = self._encode(asked)
        excluded_BxX = _rectangle(asked.ups if exclude_ups else [], len(vectors_BxD))
        k = min(k, self.cfg.num_items)
        scores_Bxk, rows_Bxk = jax.device_get(best_items(self.params, vectors_BxD, excluded_BxX, k=k))
        for c in range(len(asked.ups)):
            left = np.isfinite(scores_Bxk[c])
            items = self.vocabulary.item_ids.take(pa.array(rows_Bxk[c][left] - FIRST_ITEM)).to_pylist()
            yield Ranking(items, scores_Bxk[c][left], _unknown(asked.batch, c))


def check_k(k: int) -> None:
    """Refuse a number of recommendations that is none.

    Raises:
        ValueError: if `k` is no whole number, or below 1.
    """
    if not isinstance(k, int | np.integer):
        raise ValueError(f"k is {k!r}, but must be a whole number of items to recommend; give an int such as 10")
    if k < 1:
        raise ValueError(f"k is {k}, but must be at least 1 item to recommend")


@functools.partial(jax.jit, static_argnames="k")
def best_items(
    params: Params,
    vectors: Float[Any, "B D"],
    excluded: Int[Any, "B X"],
    *,
    k: int,
    allowed: Bool[Any, "R"] | None = None,
) -> tuple[Float[Array, "B k"], Int[Array, "B k"]]:
    """The k best items of the catalogue for each question.

    Args:
        params: trained parameters.
        vectors: what the model makes of each question.
        excluded: rows of the item table that are not to be recommended; `PAD` names none.
        k: how many, at most the number of items.
        allowed: which rows of the item table may be recommended; None for all items.

    Returns:
        Scores, descending, and rows of the item table; where nothing is left the score is -inf.
    """

    def out(row_C: Int[Array, "C"]) -> Bool[Array, "B C"]:
        out_BxC = named(excluded, row_C) | (row_C < FIRST_ITEM)
        return out_BxC if allowed is None else out_BxC | ~allowed[row_C]

    return top_products(vectors, params["tables"]["item"], k, out)


def _rectangle(rows: Sequence[Int32[np.ndarray, "_"]], count: int) -> Int32[np.ndarray, "B X"]:
    """Ragged rows as a rectangle of `count` rows, filled with `PAD`; its width is a power of two."""
    rectangle_BxX = np.full((count, power_of_two(max(map(len, rows), default=0))), PAD, np.int32)
    for place, values in enumerate(rows):
        rectangle_BxX[place, : len(values)] = values
    return rectangle_BxX


def _unknown(batch: Batch, row: int, candidates: tuple[str, ...] = ()) -> Unknown:
    items, stations = batch.item[row] == UNKNOWN, batch.station[row] == UNKNOWN_STATION
    return Unknown(int(items.sum()), int(stations.sum()), candidates)
