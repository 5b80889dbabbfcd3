"""Co-occurrences for training: which tracks are in one playlist, batch by batch, a pure function of seed and step."""

import dataclasses
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64

from urep_jax.core.mesh import Part
from urep_jax.core.streams import numpy_stream
from urep_jax.data.cases import Split
from urep_jax.data.epochs import BatchesByStep, OneAhead
from urep_jax.data.log import EventLog
from urep_jax.data.ragged import offsets_of, ranges, running_count
from urep_jax.data.vocabulary import FIRST_ITEM, PAD, Vocabulary, build_vocabulary, item_counts

WHOLE_PLAYLIST_BLOCK = 32
"""Places of a block where a pair may be any two tracks of a playlist."""


class Blocks(NamedTuple):
    """Runs of places. The pairs of a block are any two of its places that hold different tracks of one playlist.

    Attributes:
        row: number of each block in the whole batch.
        item: item-table row of the track at each place; `PAD` for none.
        playlist: which playlist each place belongs to.
    """

    row: Int32[np.ndarray, "B"]
    item: Int32[np.ndarray, "B M"]
    playlist: Int32[np.ndarray, "B M"]


@dataclasses.dataclass(frozen=True)
class CoOccurrenceConfig:
    """Which tracks make a pair, and how often.

    Attributes:
        window: places that two tracks of a pair are apart at most, at least 1. None: as far as the playlist is long.
        subsample: the share t of all places above which tracks are thinned out, at least 0; 0 keeps all. A place of a
            track that fills the share f of all places is kept with probability min(1, sqrt(t / f) + t / f).

    Source:
        Mikolov et al. 2013, §2.3, with the probability of the authors' program.

    Raises:
        ValueError: if a value is out of range.
    """

    window: int | None = None
    subsample: float = 1e-3

    def __post_init__(self) -> None:
        if self.window is not None and self.window < 1:
            raise ValueError(f"window is {self.window}, but must be at least 1, or None for the whole playlist")
        if not self.subsample >= 0:
            raise ValueError(f"subsample is {self.subsample}, but must be at least 0")

    @property
    def block(self) -> int:
        """M, the places of a block."""
        return WHOLE_PLAYLIST_BLOCK if self.window is None else self.window + 1


def frequent_items(log: EventLog, split: Split, min_count: int = 5) -> Vocabulary:
    """The items that occur at least `min_count` times in training; the others are too rare to have a vector.

    Raises:
        ValueError: if `min_count` is below 1, or fewer than two items are left.
    """
    if min_count < 1:
        raise ValueError(f"min_count is {min_count}, but must be at least 1")
    every = build_vocabulary(log, split)
    frequent_V: Bool[np.ndarray, "V"] = item_counts(log, split, every) >= min_count
    if frequent_V.sum() < 2:
        raise ValueError(
            f"min_count is {min_count}, but {frequent_V.sum()} items of {log.name!r} occur so often in training, and "
            "a pair needs 2; lower min_count"
        )
    return dataclasses.replace(every, item_ids=every.item_ids.filter(frequent_V))


class CoOccurrenceBatches(BatchesByStep[Blocks]):
    """Every batch of a training, by step: `batch_size` blocks of M places.

    An epoch puts the training playlists, less what is thinned out and rare, behind each other in an order of its own,
    cuts this into blocks of M places, and visits the blocks at random. So each place is in one block, wherever a
    playlist happens to be cut.

    - With a window w, a block has w + 1 places in the playlists' own order. Two tracks that are d places apart are in
      one block with probability 1 - d / (w + 1): in proportion to how often word2vec, which draws a smaller window for
      each centre, has them in one.
    - Without, the places of each playlist are shuffled first, so that any two of its tracks meet equally often.

    A block of M tracks of one playlist has M (M - 1) pairs for 2 M vectors, which is what makes them cheap. How many
    blocks an epoch has varies with what is thinned out: it gets as many batches as the expected number fills, what is
    past them is left out, and what is missing is empty.

    Args:
        log: of playlists, from `playlists.playlist_log`, or any whose sequences are sets of alike items.
        split: which sequences and events train.
        vocabulary: the items that have vectors; the others are taken out before places are counted.
        cfg: which tracks make a pair.
        batch_size: blocks of a batch, at least 1.
        seed: names the run's random streams.
        counts: places of each item-table row that say how far it is thinned out; None counts those that train.

    Raises:
        ValueError: if a number is out of range, or no training sequence holds two items of the vocabulary.
    """

    def __init__(
        self,
        log: EventLog,
        split: Split,
        vocabulary: Vocabulary,
        cfg: CoOccurrenceConfig,
        batch_size: int,
        seed: int,
        counts: Int64[np.ndarray, "R"] | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, but must be at least 1")
        self.cfg, self.batch_size, self.seed = cfg, batch_size, seed
        self._sequence_ids = log.sequence_ids
        self._train = split.train
        event = ranges(split.start[split.train], split.stop[split.train])
        row_N = vocabulary.item_rows(log.item_ids)[np.asarray(log.item)[event]]
        known_N = row_N >= FIRST_ITEM
        lengths = split.stop[split.train] - split.start[split.train]
        self._offsets = running_count(known_N)[offsets_of(lengths)]
        self._row_N = row_N[known_N]
        if np.diff(self._offsets).max(initial=0) < 2:
            raise ValueError(
                f"none of the {len(split.train)} training sequences of {log.name!r} holds two items of the vocabulary, "
                "and a pair needs two; lower min_count"
            )
        self._keep_R = keep_probability(np.bincount(self._row_N) if counts is None else counts, cfg.subsample)
        expected = float(self._keep_R[self._row_N].sum())
        self._steps = math.ceil(expected / (cfg.block * batch_size))
        self._epochs = OneAhead(self._cut)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one epoch."""
        return self._steps

    def read(self, step: int, part: Part) -> Blocks:
        """Some blocks of batch `step`, counted from 0 over all epochs."""
        epoch, place = divmod(step, self._steps)
        every, row = self._epochs[epoch], part.rows(self.batch_size)
        visit = place * self.batch_size + row
        return Blocks(row.astype(np.int32), every.item[visit], every.playlist[visit])

    def _cut(self, epoch: int) -> Blocks:
        """All blocks of an epoch, in the order of their visits."""
        rng = numpy_stream(self.seed, "co_occurrences", epoch)
        kept_N = rng.random(len(self._row_N), np.float32) < self._keep_R[self._row_N]
        offsets, row_K = running_count(kept_N)[self._offsets], self._row_N[kept_N]
        playlists = rng.permutation(len(offsets) - 1)
        lengths = np.diff(offsets)[playlists]
        playlist_K = np.repeat(playlists.astype(np.int32), lengths)
        place_K = ranges(offsets[playlists], offsets[playlists + 1])
        if self.cfg.window is None:
            # Within its playlist, by a random number: whole parts of the keys keep the playlists apart.
            key_K = np.repeat(np.arange(len(playlists), dtype=np.float64), lengths)
            key_K += rng.random(len(key_K))
            place_K = place_K[np.argsort(key_K)]
        M, rows = self.cfg.block, self._steps * self.batch_size
        order = rng.permutation(max(rows, -(-len(place_K) // M)))[:rows]

        def blocks(values_K: np.ndarray, nothing: int) -> Int32[np.ndarray, "R M"]:
            whole = np.full((max(rows, -(-len(values_K) // M)), M), nothing, np.int32)
            whole.reshape(-1)[: len(values_K)] = values_K
            return whole[order]

        return Blocks(np.arange(rows, dtype=np.int32), blocks(row_K[place_K], PAD), blocks(playlist_K, -1))

    def sequence_ids(self, step: int) -> list[str]:
        """The source's ids of the playlists in batch `step`, for messages."""
        playlists = np.unique(self[step].playlist)
        return self._sequence_ids.take(self._train[playlists[playlists >= 0]]).to_pylist()


def keep_probability(counts: Int64[np.ndarray, "R"], subsample: float) -> Float32[np.ndarray, "R"]:
    """How likely a place of each item is kept: see `CoOccurrenceConfig`.

    Args:
        counts: places of each item.
        subsample: t.
    """
    if not subsample:
        return np.ones(len(counts), np.float32)
    ratio = subsample * counts.sum() / np.maximum(counts, 1)
    return np.minimum(1, np.sqrt(ratio) + ratio).astype(np.float32)
