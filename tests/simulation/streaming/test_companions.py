"""Onboarding, follows, playlists and audio: what they tell, and the controls under which they tell nothing."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.simulation.streaming.worlds import SMALL
from urep_jax.simulation.streaming import make_streaming_world, simulate_streaming
from urep_jax.simulation.streaming.audio import log_mel
from urep_jax.simulation.streaming.catalogue import make_streaming_catalogue
from urep_jax.simulation.streaming.follows import make_follows
from urep_jax.simulation.streaming.keys import streaming_keys
from urep_jax.simulation.streaming.onboarding import has_answered, make_onboarding, shuffle
from urep_jax.simulation.streaming.playlists import make_playlists
from urep_jax.simulation.streaming.statistics import playlist_statistics

ASKED = dataclasses.replace(SMALL, num_users=600, onboard_established=True)


@pytest.fixture(scope="module")
def world():
    return make_streaming_world(ASKED, 0)


def _audio_r2(params, catalogue) -> float:
    """Share of the variance of style that a ridge regression from audio tells of tracks it has not seen."""
    keys, numbers = streaming_keys(0), jnp.arange(params.num_tracks)
    mel = np.asarray(jax.jit(lambda v: log_mel(params, catalogue, v, keys=keys))(numbers), np.float64)
    x = np.concatenate([mel.mean(2), mel.std(2)], axis=1)
    y = np.asarray(catalogue.tracks.style, np.float64)
    train, test = slice(0, 600), slice(600, None)
    x, y = x - x[train].mean(0), y - y[train].mean(0)
    weights = np.linalg.solve(x[train].T @ x[train] + 10 * np.eye(x.shape[1]), x[train].T @ y[train])
    return float(1 - ((y[test] - x[test] @ weights) ** 2).sum() / (y[test] ** 2).sum())


def test_audio_tells_of_style_and_shuffled_audio_does_not():
    params = dataclasses.replace(SMALL, num_tracks=1_000, num_artists=400)
    catalogue = jax.jit(lambda keys: make_streaming_catalogue(params, keys=keys))(streaming_keys(0))
    assert 0.3 < _audio_r2(params, catalogue) < 0.95
    assert _audio_r2(dataclasses.replace(params, shuffle_audio=True), catalogue) < 0.05


def _likings(world, answers) -> tuple[float, float]:
    """Mean over picked artists of `sqrt(D) <taste, style>`, and its standard error."""
    artists_UxJ = np.asarray(answers.artists)
    user, place = np.nonzero(artists_UxJ >= 0)
    style = np.asarray(world.catalogue.tracks.artist_style)
    liking_UxA = np.sqrt(SMALL.latent_dim) * np.asarray(world.users.taste) @ style.T
    # About what any user thinks of an artist, since users like the popular ones a little alike.
    liking_UxA -= liking_UxA.mean(0)
    likings = liking_UxA[user, artists_UxJ[user, place]]
    return float(likings.mean()), float(likings.std() / np.sqrt(len(likings) / 5))


def test_answers_tell_of_taste_and_shuffled_answers_do_not(world):
    keys = streaming_keys(0)
    answers = jax.jit(jax.vmap(lambda user: make_onboarding(ASKED, world.catalogue, user, keys=keys)))(world.users)
    mean, error = _likings(world, answers)
    assert mean > 5 * error
    shuffled = shuffle(answers, 0)
    mean, error = _likings(world, shuffled)
    assert abs(mean) < 4 * error
    np.testing.assert_array_equal(has_answered(shuffled), has_answered(answers))
    np.testing.assert_array_equal(
        np.bincount(np.asarray(shuffled.artists).ravel() + 1), np.bincount(np.asarray(answers.artists).ravel() + 1)
    )
    share = SMALL.onboarding_both + SMALL.onboarding_artists + SMALL.onboarding_languages
    np.testing.assert_allclose(has_answered(answers).mean(), share, atol=0.08)
    picked_U = (np.asarray(answers.artists) >= 0).sum(1)
    assert set(picked_U) == {0, 3, 4, 5}


def test_only_new_users_answer_unless_all_are_asked(world):
    keys = streaming_keys(0)
    ask = jax.jit(jax.vmap(lambda user: make_onboarding(SMALL, world.catalogue, user, keys=keys)))
    answered_U, is_new_U = has_answered(ask(world.users)), np.asarray(world.users.registered) >= 0
    assert answered_U[is_new_U].any()
    assert not answered_U[~is_new_U].any()


def test_follows_are_of_artists_that_were_played_before_and_liked():
    log, catalogue = simulate_streaming(SMALL, 0), make_streaming_world(SMALL, 0).catalogue
    follows = make_follows(SMALL, catalogue, log, 0)
    assert len(follows.user) > 100
    pairs = np.stack([follows.user, follows.artist])
    assert np.unique(pairs, axis=1).shape == pairs.shape
    artist_V = np.asarray(catalogue.tracks.track_artist)
    is_track = log.item < SMALL.num_tracks
    events = {
        (u, artist_V[i], t): a
        for u, i, t, a in zip(*(x[is_track] for x in (log.user, log.item, log.timestamp, log.affinity)), strict=True)
    }
    worth = [events[key] for key in zip(*follows, strict=True)]
    assert np.mean(worth) > log.affinity[is_track].mean() + 0.1


def test_playlists_are_of_different_tracks_and_stay_when_there_are_more(world):
    playlists = make_playlists(SMALL, world.catalogue, 0)
    more = make_playlists(dataclasses.replace(SMALL, num_playlists=310), world.catalogue, 0)
    assert len(playlists.offsets) == SMALL.num_playlists + 1
    np.testing.assert_array_equal(more.offsets[: SMALL.num_playlists + 1], playlists.offsets)
    np.testing.assert_array_equal(more.track[: playlists.offsets[-1]], playlists.track)
    owner = np.repeat(np.arange(SMALL.num_playlists), np.diff(playlists.offsets))
    assert np.unique(np.stack([owner, playlists.track]), axis=1).shape[1] == len(owner)
    artist_V = np.asarray(world.catalogue.tracks.track_artist)
    chance = ((np.bincount(artist_V[playlists.track]) / len(owner)) ** 2).sum()
    assert playlist_statistics(playlists, artist_V).same_artist > 1.3 * chance
