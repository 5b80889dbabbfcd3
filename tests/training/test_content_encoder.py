"""The content encoder's objective: its formula, and that tracks it never saw come to lie with those they go with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit

from tests.data.test_sequences import whole
from urep_jax.data.co_occurrences import CoOccurrenceBatches, CoOccurrenceConfig, frequent_items
from urep_jax.data.content_blocks import ContentBatches, ContentBlocks
from urep_jax.data.playlists import Playlists, playlist_log
from urep_jax.data.ragged import offsets_of
from urep_jax.data.vocabulary import FIRST_ITEM, PAD
from urep_jax.evaluation.neighbour_purity import neighbour_purity
from urep_jax.models import content_encoder
from urep_jax.models.content_encoder import ContentEncoderConfig
from urep_jax.training.content_encoder import content_encoder_objective
from urep_jax.training.fit import FitConfig, fit
from urep_jax.training.optimizers import adam

CFG = ContentEncoderConfig((8, 6), width=5, hidden=(4, 8))
GROUPS, PER_GROUP = 6, 20


def test_the_loss_is_its_formula() -> None:
    rng = np.random.default_rng(0)
    item = np.array([[3, 4, 3, PAD], [5, 6, 7, 8]], np.int32)
    playlist = np.array([[1, 1, 1, 1], [1, 1, 2, 2]], np.int32)
    negative = np.array([[4, 9, 9], [7, 6, 3]], np.int32)
    batch = ContentBlocks(
        *(item, playlist, negative),
        *(rng.normal(size=(2, n, 8, 6)).astype(np.float32) for n in (4, 3)),
    )
    params = content_encoder.init(jax.random.key(0), CFG)
    vectors, negatives = (
        np.asarray(content_encoder.encode(params, jnp.asarray(x.reshape(-1, 8, 6)), CFG)).reshape(2, -1, 5)
        for x in (batch.content, batch.negative_content)
    )
    expected, number = 0.0, 0
    for b in range(2):
        for i in range(4):
            for j in range(4):
                if PAD in (item[b, i], item[b, j]) or item[b, i] == item[b, j] or playlist[b, i] != playlist[b, j]:
                    continue
                number += 1
                expected -= np.log(expit(10 * vectors[b, i] @ vectors[b, j] - 3))
                for k in range(3):
                    if negative[b, k] not in (item[b, i], item[b, j]):
                        expected -= np.log(expit(3 - 10 * vectors[b, i] @ negatives[b, k]))
    total, weight = content_encoder_objective(CFG).loss(params, jax.tree.map(jnp.asarray, batch), jax.random.key(0))
    assert (number, float(weight)) == (8, 8)
    np.testing.assert_allclose(total, expected, rtol=1e-4)


def sounds() -> tuple[np.ndarray, np.ndarray]:
    """Spectrograms of groups of tracks that share a pattern, which stands at another time in each; and the groups."""
    rng = np.random.default_rng(0)
    pattern = rng.normal(size=(GROUPS, 8, 3))
    group = np.repeat(np.arange(GROUPS), PER_GROUP)
    x = 0.3 * rng.normal(size=(len(group), 8, 6))
    for track, own in enumerate(group):
        start = rng.integers(0, 4)
        x[track, :, start : start + 3] += pattern[own]
    return x.astype(np.float32), group


def batches(x: np.ndarray, group: np.ndarray, heard: np.ndarray) -> ContentBatches:
    """Playlists of eight tracks of one group each, of those tracks that are heard at all."""
    rng = np.random.default_rng(1)
    lists = [
        rng.choice(np.flatnonzero(heard & (group == g)), 8, replace=False) for g in range(GROUPS) for _ in range(9)
    ]
    ids = pa.array([f"track {t}" for t in range(len(group))])
    offsets = offsets_of(np.array([len(own) for own in lists]))
    names = pa.array([f"playlist {p}" for p in range(len(lists))])
    log = playlist_log(Playlists(offsets, np.concatenate(lists).astype(np.int32), names, ids))
    vocabulary = frequent_items(log, whole(log), 1)
    blocks = CoOccurrenceBatches(log, whole(log), vocabulary, CoOccurrenceConfig(subsample=0.0), 4, 0)
    number = [int(name.removeprefix("track ")) for name in vocabulary.item_ids.to_pylist()]
    return ContentBatches(blocks, x[number], k_negatives=16)


def purity(params: Any, x: np.ndarray, group: np.ndarray) -> float:
    vectors = np.asarray(content_encoder.encode(params, jnp.asarray(x), CFG))
    return float(neighbour_purity(vectors, group, k=3).share.mean())


@pytest.mark.parametrize("shuffled", [False, True])
def test_unheard_tracks_lie_with_those_that_sound_alike(tmp_path: Path, shuffled: bool) -> None:
    """And nothing is learnt of them where playlists have nothing to do with sound."""
    x, group = sounds()
    heard = np.arange(len(group)) % PER_GROUP < 14
    told = np.random.default_rng(2).permutation(x) if shuffled else x
    source = batches(told, group, heard)

    def validate(params: Any) -> tuple[float, Mapping[str, float]]:
        return purity(params, told[heard], group[heard]), {}

    found = fit(content_encoder_objective(CFG), adam(0.02), source, validate, FitConfig(40, 40), tmp_path, {})
    unheard = purity(found.params, x[~heard], group[~heard])
    before = purity(content_encoder.init(jax.random.key(0), CFG), x[~heard], group[~heard])
    if shuffled:
        assert unheard < before + 0.15, unheard
    else:
        assert unheard > 0.6, unheard
        assert before < 0.4, "what sounds alike does not lie so from the start"


def test_batches_bring_the_content_of_their_tracks() -> None:
    x, group = sounds()
    source = batches(x, group, np.ones(len(group), bool))
    batch, again = source[5], source[5]
    jax.tree.map(np.testing.assert_array_equal, batch, again)
    place = batch.item != PAD
    np.testing.assert_array_equal(batch.content[place], source.content[batch.item[place] - FIRST_ITEM])
    assert not batch.content[~place].any()
    np.testing.assert_array_equal(batch.negative_content, source.content[batch.negative - FIRST_ITEM])
    with pytest.raises(ValueError, match="k_negatives is 0, but must be at least 1"):
        ContentBatches(source.blocks, x, 0)
