"""Worlds in which answers, or sounds, tell nothing: new users are not known better by them there, and are in the world
as it is."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc
import pytest

from tests.simulation.streaming.worlds import SMALL
from urep_jax.core.types import SECONDS_PER_DAY
from urep_jax.data.datasets.streaming import StreamingConfig
from urep_jax.data.moments import new_users
from urep_jax.data.prepare import builder_of, prepare
from urep_jax.data.ragged import lists_as_matrix
from urep_jax.data.user_features.modality import Modality
from urep_jax.data.user_features.profiles import read_profiles
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.future_listening import future_pairs, told_apart
from urep_jax.evaluation.paired import paired_difference

WORLD = dataclasses.replace(SMALL, num_users=1_500)


class Told(NamedTuple):
    """AUC of new users' first week by how near tracks sound to the artists that they picked, and that others picked."""

    own: ByUser
    others: ByUser


def first_week(params: object, workspace: Path) -> Told:
    config = StreamingConfig(params=params)
    log = prepare(config, workspace)
    builder = builder_of(config, workspace)
    tables = {name: builder.companion(name) for name in ("users", "items", "onboarding")}
    sounding = tables["items"].filter(pc.is_valid(tables["items"]["log_mel"]))
    mel = pc.list_flatten(sounding["log_mel"]).to_numpy().reshape(len(sounding), SMALL.audio_bands, -1)
    sound = np.concatenate([mel.mean(2), mel.std(2)], axis=1)
    sound = ((sound - sound.mean(0)) / sound.std(0)).astype(np.float32)
    audio = Modality.trained("audio", sounding["item_id"].combine_chunks(), sound)
    profiles = read_profiles(log.sequence_ids, log.item_ids, **tables)
    tracks, artists = audio.of(log.item_ids), audio.by_artist(tables["items"]).of(profiles.artist_ids)

    new = new_users(profiles, int(log.timestamp.min()), int(log.timestamp.max()))
    asked = new.where(np.diff(profiles.artist_offsets)[new.user] > 0)
    pairs = future_pairs(log, asked.user, asked.time, 7 * SECONDS_PER_DAY, np.random.default_rng(0), where=tracks.known)
    picked = lists_as_matrix(profiles.artist_offsets, profiles.artists, asked.user, len(profiles.artist_ids))
    # Tracks of picked artists are left out: their own sound, whatever it is, is in the artists' mean.
    artist_P = profiles.item_artist[pairs.item]
    pairs = pairs.where(picked.toarray()[pairs.user, artist_P] == 0)
    mean = picked @ artists.vectors / np.maximum(picked.sum(axis=1), 1)[:, None]

    def by(vectors: np.ndarray) -> ByUser:
        nearness = np.einsum("pd,pd->p", vectors[pairs.user], tracks.vectors[pairs.item]).astype(np.float64)
        return told_apart(nearness, pairs, asked.user)["auc"]

    return Told(by(mean), by(np.roll(mean, 1, axis=0)))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("worlds")


def test_picked_artists_tell_what_new_users_listen_to(workspace: Path) -> None:
    told = first_week(WORLD, workspace)
    gain = paired_difference(told.own, told.others)
    assert gain.mean > 3 * gain.standard_error


def test_answers_of_others_tell_nothing(workspace: Path) -> None:
    told = first_week(dataclasses.replace(WORLD, shuffle_onboarding=True), workspace)
    gain = paired_difference(told.own, told.others)
    assert abs(gain.mean) < 3 * gain.standard_error


def test_the_sound_of_other_tracks_tells_nothing(workspace: Path) -> None:
    told = first_week(dataclasses.replace(WORLD, shuffle_audio=True), workspace)
    gain = paired_difference(told.own, told.others)
    assert abs(gain.mean) < 3 * gain.standard_error
    assert abs(told.own.value - 0.5) < 3 * told.own.mean.standard_error()
