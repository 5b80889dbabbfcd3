"""How the vectors of each kind of encoder grow: what items there were, which come in, and how."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float32, Int

from experiments.user_representation.encoders import (
    NDCG,
    SHARES,
    Collaborative,
    Content,
    Encoder,
    Words,
    continued,
    known_items,
    told_words,
)
from experiments.user_representation.together import sets_of_items
from experiments.watch import WatchedFit
from urep_jax.core.spaces import refuse_mixed
from urep_jax.core.streams import stream
from urep_jax.data.cases import Cases, Split
from urep_jax.data.co_occurrences import CoOccurrenceBatches, CoOccurrenceConfig, frequent_items
from urep_jax.data.continuation_split import ContinuationSplit, continuation_split
from urep_jax.data.log import EventLog
from urep_jax.data.negatives import negative_sampler
from urep_jax.data.ragged import running_count
from urep_jax.data.user_features.modality import Modality
from urep_jax.data.vocabulary import FIRST_ITEM, Vocabulary, training_events
from urep_jax.evaluation.by_user import ByUser
from urep_jax.serving.restore import restore_content_encoder
from urep_jax.training.fit import FitConfig
from urep_jax.training.grow import GrownConfig, grow_objective, grown_from, new_vectors, read_contexts
from urep_jax.training.objective import Params
from urep_jax.training.optimizers import adam

_LEAST_SETS = 20
"""Sets that can be asked about, below which none is."""
_LEAST_STEPS = 64
"""Of an epoch, if there are as many blocks."""


class Grown(NamedTuple):
    """A modality that has grown.

    Attributes:
        modality: what was there, and after it what came in.
        continued: how well sets with new items that were held out are continued; None if nothing is learnt, or there
            are too few sets to hold some out.
        new_words: words of items that the space has no direction for, and that are left out.
    """

    modality: Modality
    continued: Mapping[str, ByUser] | None = None
    new_words: int = 0


def grow(
    encoder: Encoder,
    was: Modality,
    home: Path,
    tables: Mapping[str, pa.Table],
    like: FitConfig,
    train: WatchedFit,
) -> Grown:
    """Let items that have no vector yet into a space.

    Args:
        encoder: as it was trained.
        was: what it has made by now.
        home: folder of the run where it was trained, or where its space grew last.
        tables: `items`, `playlists` and `histories`, with new items in them.
        like: how long to learn, and from which seed.
        train: trains, or goes on where an earlier call stopped.

    Raises:
        ValueError: if nothing tells how such an encoder grows.
    """
    if isinstance(encoder, Collaborative):
        return _collaborative(encoder, was, home, tables, like, train)
    if isinstance(encoder, Content):
        return _content(encoder, was, home, tables)
    if isinstance(encoder, Words):
        return _words(encoder, was, tables)
    raise ValueError(
        f"the modality {was.name!r} is made by {type(encoder).__name__}, of which nothing tells how it grows; leave "
        "its vectors as they are, or train it again"
    )


def _collaborative(
    encoder: Collaborative,
    was: Modality,
    home: Path,
    tables: Mapping[str, pa.Table],
    like: FitConfig,
    train: WatchedFit,
) -> Grown:
    """New rows are learnt from the sets that hold them, by contexts that stay as they are (`training.grow`)."""
    contexts = read_contexts(home / "encoders" / was.name / "checkpoints")
    log = sets_of_items(encoder.together, tables, encoder.most_sets, like.seed)
    split = growth_split(encoder, was, log, like.seed)
    modality = learn_new(encoder, was, contexts, log, split, like, train)
    if not len(split.test):
        return Grown(modality)
    return Grown(modality, continued(modality.of(log.item_ids).vectors, log, split.test))


def growth_split(encoder: Encoder, was: Modality, log: EventLog, seed: int) -> Split:
    """As at first, but asked about are sets that hold both new items and known ones; too few of them all train."""
    known_E = np.asarray(pc.is_in(log.item_ids, value_set=was.item_ids))[np.asarray(log.item)]
    length_S, known_S = np.diff(log.offsets), np.diff(running_count(known_E)[log.offsets])
    both_S = (known_S > 0) & (known_S < length_S)
    if np.sum(both_S & (length_S >= encoder.min_items)) < _LEAST_SETS:
        every = np.flatnonzero(length_S).astype(np.int32)
        return Split(every, log.offsets[:-1], log.offsets[1:], Cases.empty(), Cases.empty())
    cfg = ContinuationSplit(*SHARES, min_tracks=encoder.min_items, seed=seed)
    return continuation_split(log, cfg, both_S)


def learn_new(
    encoder: Collaborative,
    was: Modality,
    contexts: Float32[np.ndarray, "R D"],
    log: EventLog,
    split: Split,
    like: FitConfig,
    train: WatchedFit,
) -> Modality:
    """A collaborative modality with the items that come in.

    Items that occur too rarely in training get no vector, as at first, and neither do those that meet none that the
    space was trained on.

    Args:
        encoder: as it was trained.
        was: what it has made by now; first come the items that it was trained on.
        contexts: of these items.
        log: of sets.
        split: from `growth_split`.
        like: how long to learn, and from which seed.
        train: trains.
    """
    frequent = frequent_items(log, split, encoder.min_count).item_ids
    new_ids = frequent.filter(pc.invert(pc.is_in(frequent, value_set=was.item_ids)))
    nothing, num_contexts = pa.array([], pa.string()), len(contexts) - FIRST_ITEM
    vocabulary = Vocabulary(pa.concat_arrays([was.item_ids[:num_contexts], new_ids]), nothing, nothing)
    first_new = FIRST_ITEM + num_contexts
    row_E = vocabulary.item_rows(log.item_ids)[np.asarray(log.item)]
    pairs = _with_pairs(log, split, row_E, first_new)
    if not len(pairs.train):
        return was
    places_R = np.bincount(row_E[training_events(log, split)], minlength=first_new + len(new_ids))
    places_R[:FIRST_ITEM] = 0
    model = GrownConfig(len(new_ids), num_contexts, was.width)
    cfg = CoOccurrenceConfig(encoder.window, encoder.subsample)
    batch_size = _batch_size(encoder, pairs, cfg)
    batches = CoOccurrenceBatches(log, pairs, vocabulary, cfg, batch_size, like.seed, places_R)
    sampler = negative_sampler(places_R[FIRST_ITEM:first_new], encoder.negative_power)
    objective = grow_objective(model, sampler, encoder.k_negatives, batch_size)

    def grown(params: Params) -> Modality:
        vectors = new_vectors(params)
        has = vectors.any(axis=1)
        return was.grown(new_ids.filter(pa.array(has)), vectors[has])

    def validate(params: Params) -> tuple[float, Mapping[str, float]]:
        if not len(split.validation):
            # No set could be spared to be held out: what is learnt from says how far it is.
            first = jax.tree.map(jnp.asarray, batches[0])
            loss, weight = objective.loss(params, first, stream(like.seed, "growth"))
            return -float(loss) / max(float(weight), 1.0), {}
        return continued(grown(params).of(log.item_ids).vectors, log, split.validation)[NDCG].value, {}

    fit_config = encoder.fit_config(like)
    config = {"system": "user_representation", "model": dataclasses.asdict(model)}
    found = train(objective, adam(encoder.learning_rate), batches, validate, fit_config, config, grown_from(contexts))
    return grown(found.params)


def _batch_size(encoder: Collaborative, split: Split, cfg: CoOccurrenceConfig) -> int:
    """That of the training, or less, so that an epoch of few sets has steps enough."""
    blocks = int(np.sum(split.stop[split.train] - split.start[split.train])) // cfg.block
    devices = jax.device_count()
    return max(devices, min(encoder.batch_size, blocks // _LEAST_STEPS) // devices * devices)


def _with_pairs(log: EventLog, split: Split, row_E: Int[np.ndarray, "E"], first_new: int) -> Split:
    """Only the sets that train with a new item and one that the space was trained on: others tell nothing."""
    start_T, stop_T = split.start[split.train], split.stop[split.train]

    def has(which_E: Bool[np.ndarray, "E"]) -> Bool[np.ndarray, "T"]:
        count = running_count(which_E)
        return count[stop_T] > count[start_T]

    both_T = has(row_E >= first_new) & has((row_E >= FIRST_ITEM) & (row_E < first_new))
    return dataclasses.replace(split, train=split.train[both_T])


def _content(encoder: Content, was: Modality, home: Path, tables: Mapping[str, pa.Table]) -> Grown:
    """The encoder as it is encodes them; nothing is learnt."""
    content = restore_content_encoder(home, was.name)
    refuse_mixed("add", was.space, content.space)
    new = _unknown(known_items(was.name, tables, encoder.column), was)
    ids, numbers = encoder.content_of(was.name, new)
    return Grown(was.grown(ids, content.encode(ids, numbers).values))


def _words(encoder: Words, was: Modality, tables: Mapping[str, pa.Table]) -> Grown:
    """Words that are known are directions; a new one is left out.

    Raises:
        ValueError: if the words of items that have a vector can't be read any more, or are others.
    """
    known = known_items(was.name, tables, encoder.column)
    place = pc.index_in(was.item_ids, value_set=known["item_id"].combine_chunks())
    old = told_words(known.take(place.drop_null()), encoder.column)
    # Directions are in the order in which the items of the training name words.
    words = old.words.unique()[: was.width]
    if not np.array_equal(old.vectors(words), was.vectors):
        raise ValueError(
            f"the directions of {was.name!r} are known by the items that have a vector, but the column "
            f"{encoder.column!r} doesn't tell of all {len(was.item_ids)} of them what it told; give these items as "
            "they were, or train anew"
        )
    new = _unknown(known, was)
    told = told_words(new, encoder.column)
    vectors = told.vectors(words)
    has = vectors.any(axis=1)
    new_words = int(np.sum(~np.asarray(pc.is_in(told.words.unique(), value_set=words))))
    return Grown(was.grown(new["item_id"].combine_chunks().filter(pa.array(has)), vectors[has]), new_words=new_words)


def _unknown(known: pa.Table, was: Modality) -> pa.Table:
    """The items that have no vector yet."""
    return known.filter(pc.invert(pc.is_in(known["item_id"], value_set=was.item_ids)))
