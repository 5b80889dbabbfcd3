"""Blocks of co-occurrences: pairs are of one playlist and near enough, and a batch is named by seed and step alone."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from tests.data.test_continuation_split import playlists_of
from tests.data.test_sequences import whole
from urep_jax.data.co_occurrences import (
    WHOLE_PLAYLIST_BLOCK,
    Blocks,
    CoOccurrenceBatches,
    CoOccurrenceConfig,
    frequent_items,
    keep_probability,
)
from urep_jax.data.vocabulary import FIRST_ITEM, PAD

KEEP_ALL = CoOccurrenceConfig(subsample=0.0)


def batches_of(lengths: list[int], cfg: CoOccurrenceConfig, batch_size: int = 4, seed: int = 0) -> CoOccurrenceBatches:
    """Playlists of these lengths, each of the tracks 0, 1, 2 ... in order, all of which have vectors."""
    log = playlists_of(lengths)
    return CoOccurrenceBatches(log, whole(log), frequent_items(log, whole(log), 1), cfg, batch_size, seed)


def epoch_of(batches: CoOccurrenceBatches, epoch: int = 0) -> Blocks:
    """All blocks of an epoch."""
    n = batches.steps_per_epoch
    every = [batches[step] for step in range(epoch * n, (epoch + 1) * n)]
    return Blocks(*(np.concatenate(field) for field in zip(*every, strict=True)))


@pytest.mark.parametrize("window", [None, 1, 4])
def test_an_epoch_visits_every_place_once(window) -> None:
    lengths = [70, 3, 0, 1, 41, 33, 20, 50]
    batches = batches_of(lengths, CoOccurrenceConfig(window, subsample=0.0))
    blocks = epoch_of(batches)
    assert blocks.item.shape == (batches.steps_per_epoch * 4, WHOLE_PLAYLIST_BLOCK if window is None else window + 1)
    assert (batches[0].row == np.arange(4)).all()
    is_track = blocks.item != PAD
    assert (blocks.playlist[~is_track] == -1).all()
    found = sorted(zip(blocks.playlist[is_track], blocks.item[is_track] - FIRST_ITEM, strict=True))
    assert found == [(p, t) for p, n in enumerate(lengths) for t in range(n)]


def test_a_window_keeps_the_order_and_is_never_wider() -> None:
    batches = batches_of([40, 7, 23], CoOccurrenceConfig(window=3, subsample=0.0))
    for epoch in range(5):
        blocks = epoch_of(batches, epoch)
        for item_M, playlist_M in zip(blocks.item, blocks.playlist, strict=True):
            for playlist in np.unique(playlist_M[playlist_M >= 0]):
                places = item_M[playlist_M == playlist]
                assert (np.diff(places) == 1).all()


def test_near_tracks_meet_in_proportion_to_word2vecs_windows() -> None:
    # Two playlists, of which the first ends anywhere in the second one's first block.
    batches, window, epochs = batches_of([200, *range(1, 9)], CoOccurrenceConfig(window=4, subsample=0.0)), 4, 150
    met = np.zeros(window + 2)
    for epoch in range(epochs):
        blocks = epoch_of(batches, epoch)
        for item_M, playlist_M in zip(blocks.item, blocks.playlist, strict=True):
            places = item_M[playlist_M == 0]
            for distance in range(1, window + 2):
                met[distance] += max(0, len(places) - distance)
    share = met / (epochs * (200 - np.arange(window + 2)))
    np.testing.assert_allclose(share[1:], 1 - np.arange(1, window + 2) / (window + 1), atol=0.02)


def test_without_a_window_any_two_tracks_meet_equally_often() -> None:
    n, epochs = 64, 600
    batches = batches_of([n], KEEP_ALL, batch_size=2)
    met_NxN = np.zeros((n, n))
    for epoch in range(epochs):
        for item_M in epoch_of(batches, epoch).item:
            tracks = item_M - FIRST_ITEM
            met_NxN[np.ix_(tracks, tracks)] += 1
    share = met_NxN[~np.eye(n, dtype=bool)] / epochs
    expected = (WHOLE_PLAYLIST_BLOCK - 1) / (n - 1)
    # Standard deviation 0.02.
    assert share.mean() == pytest.approx(expected)
    assert np.abs(share - expected).max() < 0.1


def test_a_batch_is_named_by_seed_and_step() -> None:
    lengths = [60, 90, 45, 80]
    one, same, other = (batches_of(lengths, KEEP_ALL, batch_size=2, seed=seed) for seed in (1, 1, 2))
    assert one.steps_per_epoch == 5
    forward = [one[step] for step in range(12)]
    for step in reversed(range(12)):
        for a, b in zip(forward[step], same[step], strict=True):
            np.testing.assert_array_equal(a, b)
    assert (one[0].item != one[5].item).any(), "epochs have orders of their own"
    assert (one[0].item != other[0].item).any()


def test_an_iterator_goes_on_from_its_state() -> None:
    batches = batches_of([60, 90, 45, 80], KEEP_ALL, batch_size=2)
    iterator = batches.iterate(9)
    for _ in range(4):
        next(iterator)
    state, again = iterator.get_state(), batches.iterate(9)
    again.set_state(state)
    for a, b in zip(iterator, again, strict=True):
        np.testing.assert_array_equal(a.item, b.item)


def test_keep_probability_is_word2vecs() -> None:
    counts = np.array([0, 900, 90, 10])
    f = counts[1:] / 1000
    expected = np.minimum(1, (np.sqrt(f / 0.01) + 1) * 0.01 / f)
    np.testing.assert_allclose(keep_probability(counts, 0.01)[1:], expected, rtol=1e-6)
    assert (keep_probability(counts, 0.0) == 1).all()


def test_frequent_tracks_are_thinned_out() -> None:
    # 300 playlists of a track that all have, and one of two others.
    log = playlists_of([2] * 300)
    item = log.item.copy()
    item[1::2] = 1 + np.arange(300) % 2
    log = dataclasses.replace(log, item=item, item_ids=pa.array(["i0", "i1", "i2"]))
    cfg = CoOccurrenceConfig(subsample=0.02)
    batches = CoOccurrenceBatches(log, whole(log), frequent_items(log, whole(log), 1), cfg, 1, 0)
    counts = np.zeros(FIRST_ITEM + 3)
    for epoch in range(20):
        np.add.at(counts, epoch_of(batches, epoch).item, 1)
    expected = 20 * np.array([300, 150, 150]) * keep_probability(np.array([300, 150, 150]), 0.02)
    assert expected[0] < expected[1:].sum()
    np.testing.assert_allclose(counts[FIRST_ITEM:], expected, rtol=0.1)


def test_rare_tracks_are_taken_out_before_places_are_counted() -> None:
    # Track 5 is in one playlist only: its neighbours become each other's.
    log = playlists_of([5, 5, 5])
    item, ids = log.item.copy(), [f"i{i}" for i in range(6)]
    item[2] = 5
    log = dataclasses.replace(log, item=item, item_ids=pa.array(ids))
    vocabulary = frequent_items(log, whole(log), 2)
    assert vocabulary.item_ids.to_pylist() == ids[:5]
    cfg = CoOccurrenceConfig(window=1, subsample=0.0)
    batches = CoOccurrenceBatches(log, whole(log), vocabulary, cfg, 7, 0)
    met = set()
    for epoch in range(20):
        blocks = epoch_of(batches, epoch)
        met |= {tuple(i) for i, p in zip(blocks.item - FIRST_ITEM, blocks.playlist, strict=True) if (p == 0).all()}
    assert met == {(0, 1), (1, 3), (3, 4)}


def test_whose_blocks_they_are_is_told() -> None:
    batches = batches_of([0, 40, 40], KEEP_ALL, batch_size=3)
    assert batches.sequence_ids(0) == ["s1", "s2"]


def test_wrong_values_are_refused() -> None:
    with pytest.raises(ValueError, match="window is 0, but must be at least 1, or None"):
        CoOccurrenceConfig(window=0)
    with pytest.raises(ValueError, match="subsample is -1"):
        CoOccurrenceConfig(subsample=-1)
    with pytest.raises(ValueError, match="batch_size is 0"):
        batches_of([9], KEEP_ALL, batch_size=0)
    log = playlists_of([1, 1, 2])
    with pytest.raises(ValueError, match="min_count is 0"):
        frequent_items(log, whole(log), 0)
    with pytest.raises(ValueError, match="min_count is 2, but 1 items of 'test' occur so often"):
        frequent_items(log, whole(log), 2)
    vocabulary = dataclasses.replace(frequent_items(log, whole(log), 1), item_ids=pa.array(["i0"]))
    with pytest.raises(ValueError, match="none of the 3 training sequences of 'test' holds two items"):
        CoOccurrenceBatches(log, whole(log), vocabulary, KEEP_ALL, 1, 0)
