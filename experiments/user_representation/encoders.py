"""Modality encoders by config: which tracks belong together, and how their vectors are learnt."""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float32, Int

from experiments.user_representation.together import Together, sets_of_items
from experiments.watch import WatchedFit
from urep_jax.data.audio.spectrogram import SpectrogramConfig
from urep_jax.data.cases import Cases, Split
from urep_jax.data.co_occurrences import CoOccurrenceBatches, CoOccurrenceConfig, frequent_items
from urep_jax.data.content_blocks import ContentBatches
from urep_jax.data.content_scale import fit_content_scale
from urep_jax.data.continuation_split import ContinuationSplit
from urep_jax.data.item_words import words_by_row
from urep_jax.data.log import EventLog
from urep_jax.data.negatives import negative_sampler
from urep_jax.data.user_features.modality import Modality
from urep_jax.data.vocabulary import build_vocabulary, item_counts
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.continuation import continuation
from urep_jax.evaluation.vector_scorer import vector_scorer
from urep_jax.models.content_encoder import ContentEncoderConfig
from urep_jax.models.skip_gram import SkipGramConfig, item_vectors
from urep_jax.serving.content_encoder import ContentEncoder, check_sound, encode_content
from urep_jax.serving.restore import stored_content_config
from urep_jax.training.content_encoder import content_encoder_objective
from urep_jax.training.fit import Fit, FitConfig
from urep_jax.training.objective import Params
from urep_jax.training.optimizers import adam
from urep_jax.training.skip_gram import skip_gram_objective

NDCG, UNIT = "ndcg@500", "NDCG@500"
"""By what epochs of encoders are compared: the continuation of held-out sets."""

SHARES = (0.05, 0.05)
"""Of the sets, those that test and those that validate."""


class Encoded(NamedTuple):
    """What an encoder made, and of what.

    Attributes:
        modality: vectors of all items that it can tell of.
        sets: the sets of items that it learnt from, or is tested on, as a log of playlists.
        split: which of them validate and test, and where their ends begin.
        fit: its training; None if nothing is learnt.
    """

    modality: Modality
    sets: EventLog
    split: Split
    fit: Fit | None

    def continued(self) -> Mapping[str, ByUser]:
        """How well the vectors continue the sets that test."""
        return continued(self.modality.of(self.sets.item_ids).vectors, self.sets, self.split.test)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Encoder:
    """What all encoders are told.

    Attributes:
        together: whose tracks belong together: `playlists`, `artists`, `histories` (of users who train), or several.
        min_items: items of a set that can be asked about, when epochs are compared, or the encoder is tested.
    """

    together: tuple[Together, ...] = ("playlists",)
    min_items: int = 10

    def split(self, log: EventLog, seed: int) -> Split:
        """A twentieth of the sets validates, another tests."""
        split = ContinuationSplit(*SHARES, min_tracks=self.min_items, seed=seed)(log)
        if not len(split.validation):
            raise ValueError(
                f"a twentieth of the sets of {self.min_items} items or more validates, but {log.name} has too few of "
                "them, fewer than 11; lower min_items, or name more in together"
            )
        return split


class Told(NamedTuple):
    """Words of items.

    Attributes:
        items: how many items there are.
        row: whose each word is.
        words: all of them, item by item.
    """

    items: int
    row: Int[np.ndarray, "N"]
    words: pa.StringArray

    def vectors(self, known: pa.StringArray) -> Float32[np.ndarray, "V W"]:
        """1 for each known word that an item has, brought to length 1; zeros for an item that has none of them."""
        column = pc.index_in(self.words, value_set=known)
        has = np.asarray(column.is_valid())
        vectors = np.zeros((self.items, len(known)), np.float32)
        vectors[self.row[has], column.drop_null().to_numpy()] = 1.0
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.divide(vectors, length, out=vectors, where=length > 0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Words(Encoder):
    """Vectors of the words that items have, such as genres: 1 for each that they have, brought to length 1.

    Nothing is learnt; `together` says what they are tested on.

    Attributes:
        column: of the items table, a list of words, or one word, for each item that has some.
    """

    column: str = "genres"

    def __call__(self, name: str, tables: Mapping[str, pa.Table], like: FitConfig, train: WatchedFit) -> Encoded:
        """Encode."""
        known = known_items(name, tables, self.column)
        told = told_words(known, self.column)
        vectors = told.vectors(told.words.unique())
        ids = known["item_id"].combine_chunks()
        log = sets_of_items(self.together, tables, None, like.seed, only=ids)
        return Encoded(Modality.trained(name, ids, vectors), log, self.split(log, like.seed), None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Learnt(Encoder):
    """What all encoders that learn are told.

    Attributes:
        width: D, numbers of a vector; the paper's is 80.
        most_sets: sets that are learnt from at most; null: all.
        epochs: at most.
        patience: epochs without a better validation.
        batch_size: blocks of up to 32 tracks of a step.
        learning_rate: step size.
        k_negatives: random tracks that each block has as negatives.
    """

    width: int = 80
    most_sets: int | None = None
    epochs: int = 10
    patience: int = 3
    batch_size: int = 32
    learning_rate: float = 2e-3
    k_negatives: int = 16

    def fit_config(self, like: FitConfig) -> FitConfig:
        """How long to train: this encoder's own, all else as the chain trains."""
        return dataclasses.replace(like, epochs=self.epochs, patience=self.patience)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Collaborative(Learnt):
    """Vectors of tracks that are near where tracks occur together: skip-gram with negative sampling (§3.2.1).

    Attributes:
        min_count: how often a track occurs at least to have a vector.
        window: places that two tracks of a pair are apart at most; null: any two of a set.
        subsample: share of all places above which tracks are thinned out.
        negative_power: negatives are drawn in proportion to count^power.
    """

    min_count: int = 3
    window: int | None = None
    subsample: float = 1e-3
    negative_power: float = 0.75

    def __call__(self, name: str, tables: Mapping[str, pa.Table], like: FitConfig, train: WatchedFit) -> Encoded:
        """Learn, and encode."""
        log = sets_of_items(self.together, tables, self.most_sets, like.seed)
        return self.learn(name, log, self.split(log, like.seed), like, train)

    def learn(self, name: str, log: EventLog, split: Split, like: FitConfig, train: WatchedFit) -> Encoded:
        """Learn from sets, and encode their items."""
        vocabulary = frequent_items(log, split, self.min_count)
        blocks = CoOccurrenceConfig(self.window, self.subsample)
        batches = CoOccurrenceBatches(log, split, vocabulary, blocks, self.batch_size, like.seed)
        sampler = negative_sampler(item_counts(log, split, vocabulary), self.negative_power)
        model = SkipGramConfig(len(vocabulary.item_ids), self.width)
        rows_V = vocabulary.item_rows(log.item_ids)

        def validate(params: Params) -> tuple[float, Mapping[str, float]]:
            return continued(item_vectors(params, rows_V), log, split.validation)[NDCG].value, {}

        objective = skip_gram_objective(model, sampler, self.k_negatives, self.batch_size)
        config = {"system": "user_representation", "model": dataclasses.asdict(model)}
        found = train(objective, adam(self.learning_rate), batches, validate, self.fit_config(like), config)
        vectors = item_vectors(found.params, vocabulary.item_rows(vocabulary.item_ids))
        return Encoded(Modality.trained(name, vocabulary.item_ids, vectors), log, split, found)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Content(Learnt):
    """Vectors from what is known of each item: the sound of tracks, the topics of shows (§3.2.1, Fig. 3).

    Attributes:
        column: of the items table, a list of numbers for each item that has some.
        shape: how these numbers lie: (bands, frames) of a spectrogram, or (numbers,).
        hidden: of its layers (`ContentEncoderConfig`).
        sound: how spectrograms were made from audio files, kept with the encoder so that it can be used on others;
            null: they were not.

    Raises:
        ValueError: if `sound` makes spectrograms of another shape.
    """

    column: str
    shape: tuple[int, ...]
    hidden: tuple[int, ...] = (16, 32, 64)
    sound: SpectrogramConfig | None = None

    def __post_init__(self) -> None:
        check_sound(self.sound, tuple(self.shape))

    def __call__(self, name: str, tables: Mapping[str, pa.Table], like: FitConfig, train: WatchedFit) -> Encoded:
        """Learn, and encode."""
        ids, content = self.content_of(name, known_items(name, tables, self.column))
        scale = fit_content_scale(content)
        content = scale(content)
        log = sets_of_items(self.together, tables, self.most_sets, like.seed, only=ids)
        split = self.split(log, like.seed)
        vocabulary = build_vocabulary(log, split)
        model = ContentEncoderConfig(tuple(self.shape), self.width, tuple(self.hidden))
        blocks = CoOccurrenceBatches(
            log, split, vocabulary, CoOccurrenceConfig(subsample=0), self.batch_size, like.seed
        )
        batches = ContentBatches(blocks, content[_places(vocabulary.item_ids, ids)], self.k_negatives)
        place_V = _places(log.item_ids, ids)

        def vectors(params: Params) -> Float32[np.ndarray, "N D"]:
            return encode_content(params, content, model)

        def validate(params: Params) -> tuple[float, Mapping[str, float]]:
            return continued(vectors(params)[place_V], log, split.validation)[NDCG].value, {}

        objective = content_encoder_objective(model)
        config = stored_content_config(model, scale, self.sound)
        found = train(objective, adam(self.learning_rate), batches, validate, self.fit_config(like), config)
        space = ContentEncoder(name, found.params, model, scale, self.sound).space
        return Encoded(Modality(space, ids, vectors(found.params)), log, split, found)

    def content_of(self, name: str, known: pa.Table) -> tuple[pa.StringArray, Float32[np.ndarray, "N ..."]]:
        """What is known of each of some items.

        Args:
            name: of the modality.
            known: from `known_items`.

        Raises:
            ValueError: if a list is of another length.
        """
        lists = known[self.column].combine_chunks()
        lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
        size = int(np.prod(self.shape))
        if (lengths != size).any():
            raise ValueError(
                f"modalities.{name} has the shape {list(self.shape)}, {size} numbers, but some items have "
                f"{lengths[lengths != size][0]} in {self.column!r}; give it the right shape"
            )
        content = pc.list_flatten(lists).to_numpy(zero_copy_only=False).astype(np.float32).reshape(-1, *self.shape)
        return known["item_id"].combine_chunks(), content


def known_items(name: str, tables: Mapping[str, pa.Table], column: str) -> pa.Table:
    """The items of which a column tells something.

    Args:
        name: of the modality.
        tables: `items` among them.
        column: of that table.

    Raises:
        ValueError: if the items table has no such column.
    """
    items = tables.get("items")
    if items is None or column not in items.column_names:
        there = "no items table" if items is None else f"only {', '.join(items.column_names)}"
        raise ValueError(f"modalities.{name} reads the column {column!r} of the items, but there is {there}")
    known = items.filter(pc.is_valid(items[column]))
    if pa.types.is_list(known[column].type):
        known = known.filter(pc.greater(pc.list_value_length(known[column]), 0))
    return known


def told_words(known: pa.Table, column: str) -> Told:
    """The words of some items, in their order.

    Args:
        known: from `known_items`.
        column: a list of words, or one word.
    """
    row, words = words_by_row(known[column])
    return Told(len(known), row, pc.cast(words, pa.string()))


def _places(wanted: pa.StringArray, ids: pa.StringArray) -> np.ndarray:
    """Where each wanted id, all of which are there, stands among `ids`."""
    place: np.ndarray = pc.index_in(wanted, value_set=ids).to_numpy(zero_copy_only=False)
    return place


def continued(vectors_VxD: Float32[np.ndarray, "V D"], log: EventLog, cases: Cases) -> Mapping[str, ByUser]:
    """How well vectors continue some sets, as epochs are compared by."""
    return continuation(vector_scorer(vectors_VxD, log, cases), log, cases)
