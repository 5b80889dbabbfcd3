"""The log of a streaming world: seeds, layout of the work, times, and the control without response."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.simulation.streaming.worlds import DEAF, SMALL
from urep_jax.core.types import Feedback
from urep_jax.simulation.catalogue import make_tracks
from urep_jax.simulation.keys import world_keys
from urep_jax.simulation.streaming import StreamingLog, make_streaming_world, simulate_streaming, world
from urep_jax.simulation.streaming.affinity import affinity, draw_items, track_offer, track_wishes
from urep_jax.simulation.streaming.users import taste_at


@pytest.fixture(scope="module")
def log() -> StreamingLog:
    return simulate_streaming(SMALL, seed=0)


def _assert_same(a, b) -> None:
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


def test_more_users_leave_a_users_log_untouched(log):
    """To the bit, past the portions in which users are drawn, too."""
    more = simulate_streaming(dataclasses.replace(SMALL, num_users=300), seed=0)
    end = more.offsets[SMALL.num_users]
    _assert_same(log, StreamingLog(more.offsets[: SMALL.num_users + 1], *(column[:end] for column in more[1:])))


def test_seeds_and_larger_worlds_share_one_trace(log):
    traced = world._hear_tracks._cache_size()
    simulate_streaming(dataclasses.replace(SMALL, num_users=20, start=0), seed=3)
    assert world._hear_tracks._cache_size() == traced


def test_other_seed_other_log(log):
    other = simulate_streaming(SMALL, seed=1)
    assert len(other.item) != len(log.item) or (other.item != log.item).any()


def test_tracks_are_the_radios():
    tracks = jax.jit(lambda keys: make_tracks(SMALL, keys=keys))(world_keys(0))
    for mine, radios in zip(make_streaming_world(SMALL, 0).catalogue.tracks, tracks, strict=True):
        np.testing.assert_allclose(mine, radios, rtol=1e-5, atol=1e-6)


def test_columns_and_times(log):
    registered_U = np.asarray(make_streaming_world(SMALL, 0).users.registered)
    assert log.offsets.shape == (SMALL.num_users + 1,)
    for column in log[1:]:
        assert column.shape == (log.offsets[-1],)
    is_same_user = np.diff(log.user) == 0
    assert (np.diff(log.timestamp)[is_same_user] > 0).all()
    assert (log.timestamp > SMALL.start + registered_U[log.user]).all()
    assert log.timestamp.min() >= SMALL.start
    assert log.timestamp.max() < SMALL.end
    assert log.item.min() >= 0
    assert SMALL.num_tracks < log.item.max() < SMALL.num_items
    assert set(np.unique(log.feedback)) == {Feedback.PLAY, Feedback.SKIP, Feedback.UP}
    is_left = log.feedback == Feedback.SKIP
    assert (log.played_ratio[~is_left] == 1).all()
    assert (log.played_ratio[is_left] < 1).all()


def _lift(params, log: StreamingLog) -> float:
    """Affinity of what was played, taste alone, less its mean over all tracks: both weighed by how often each plays."""
    catalogue, users = make_streaming_world(params, 0)
    affinity_UxV = np.sqrt(params.latent_dim) * np.asarray(users.taste) @ np.asarray(catalogue.tracks.style).T
    is_track = log.item < params.num_tracks
    user_E, track_E = log.user[is_track], log.item[is_track]
    plays_V = np.bincount(track_E, minlength=params.num_tracks)
    expected_U = affinity_UxV @ plays_V / plays_V.sum()
    return float((affinity_UxV[user_E, track_E] - expected_U[user_E]).mean())


def test_taste_tells_what_is_played_and_without_response_it_does_not(log):
    deaf = simulate_streaming(DEAF, 0)
    assert _lift(SMALL, log) > 0.4
    assert abs(_lift(DEAF, deaf)) < 0.1
    is_skip = deaf.feedback == Feedback.SKIP
    error = deaf.affinity.std() / np.sqrt((~is_skip).sum())
    assert abs(deaf.affinity[is_skip].mean() - deaf.affinity[~is_skip].mean()) < 5 * error
    is_skip = log.feedback == Feedback.SKIP
    assert log.affinity[is_skip].mean() < log.affinity[~is_skip].mean() - 0.2


def test_draws_have_the_probabilities_of_the_equation():
    """Over a fine grid of the one random number, shares are `popularity^p exp(response a)`, normalised, in NumPy."""
    catalogue, users = make_streaming_world(SMALL, 0)
    user = jax.tree.map(lambda x: jnp.asarray(x[3]), users)
    offer, seconds = track_offer(SMALL, catalogue), jnp.int32(86_400)
    wishes_1xK = track_wishes(SMALL, user, taste_at(SMALL, user, seconds))[None]
    steps = 20_000
    uniform_1xN = ((np.arange(steps, dtype=np.float32) + 0.5) / steps)[None]
    drawn = np.asarray(jax.jit(lambda u: draw_items(SMALL, offer, wishes_1xK, u))(uniform_1xN))[0]

    tracks, artist_V = catalogue.tracks, np.asarray(catalogue.tracks.track_artist)
    angle = SMALL.taste_drift * 86_400 / (365 * 86_400)
    taste = np.cos(angle) * np.asarray(user.taste, np.float64) + np.sin(angle) * np.asarray(user.turn, np.float64)
    a_V = SMALL.taste_strength * np.sqrt(SMALL.latent_dim) * np.asarray(tracks.style, np.float64) @ taste
    a_V += SMALL.appeal_strength * np.asarray(tracks.appeal)
    a_V += SMALL.language_match * np.asarray(user.understands)[np.asarray(catalogue.artist_language)[artist_V]]
    a_V += SMALL.local_match * (np.asarray(catalogue.artist_country)[artist_V] == int(user.country))
    every = np.arange(SMALL.num_tracks, dtype=np.int32)
    np.testing.assert_allclose(affinity(offer, jnp.asarray(every)[None], wishes_1xK)[0], a_V, rtol=1e-3, atol=1e-4)
    weight_V = np.exp(SMALL.popularity_power * np.asarray(tracks.log_popularity, np.float64) + a_V)
    shares_V = np.bincount(drawn, minlength=SMALL.num_tracks) / steps
    np.testing.assert_allclose(shares_V, weight_V / weight_V.sum(), atol=3 / steps)
