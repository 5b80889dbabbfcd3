"""What would come of artists shown, against loops over the world's own equations, and against what its users did."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from tests.simulation.streaming.worlds import DEAF, SMALL
from urep_jax.simulation.streaming import make_streaming_world, simulate_streaming
from urep_jax.simulation.streaming.follows import make_follows
from urep_jax.simulation.streaming.keys import streaming_keys
from urep_jax.simulation.streaming.shown import follow_chances
from urep_jax.simulation.streaming.users import mood_at, taste_at

SECONDS = 100 * 86_400


def chances(params, world, seconds=SECONDS):
    return np.asarray(follow_chances(params, *world, jnp.int32(seconds), keys=streaming_keys(0)))


def by_loops(params, world, number: int) -> list[float]:
    """One user's chances, artist by artist and track by track."""
    catalogue, keys = world.catalogue, streaming_keys(0)
    user = jax.tree.map(lambda x: jnp.asarray(x)[number], world.users)
    seconds = jnp.int32(SECONDS)
    taste = np.asarray(taste_at(params, user, seconds) + mood_at(params, user, seconds, keys=keys), np.float64)
    taste /= np.linalg.norm(taste)
    tracks, found = jax.tree.map(np.asarray, catalogue.tracks), []
    for artist in range(params.num_artists):
        of_artist, total = 0.0, 0.0
        for v in np.flatnonzero(tracks.track_artist == artist):
            a = params.taste_strength * math.sqrt(params.latent_dim) * (taste @ tracks.style[v])
            a += params.appeal_strength * tracks.appeal[v]
            a += params.language_match * bool(user.understands[catalogue.artist_language[artist]])
            a += params.local_match * bool(catalogue.artist_country[artist] == user.country)
            weight = math.exp(params.popularity_power * tracks.log_popularity[v]) * math.exp(params.response * a)
            skip = math.exp(params.skip - params.skip_aversion * params.response * a)
            like = math.exp(params.like + params.response * a / 2)
            follows = 1 / (1 + math.exp(-params.follow - params.response * params.follow_slope * a))
            of_artist += weight * (1 - skip / (1 + skip + like)) * follows
            total += weight
        found.append(of_artist / total if total else 0.0)
    return found


def test_chances_are_those_of_loops_over_tracks():
    world = make_streaming_world(SMALL, 0)
    found = chances(SMALL, world)
    assert found.shape == (SMALL.num_users, SMALL.num_artists)
    for number in (0, 7, 149):
        np.testing.assert_allclose(found[number], by_loops(SMALL, world, number), rtol=2e-4)


def test_as_often_as_users_of_the_log_follow_whom_they_hear_first():
    # All is chosen afresh and taste lies still, so that whoever is heard first is followed then with the chance told.
    still = dataclasses.replace(
        SMALL, repeats=0.0, mood_strength=0.0, taste_drift=0.0, show_users=0.0, follow=-2.0, num_users=300
    )
    world, log = make_streaming_world(still, 0), simulate_streaming(still, 0)
    follows = make_follows(still, world.catalogue, log, 0)
    artist_E = np.asarray(world.catalogue.tracks.track_artist)[log.item]
    _, first_P = np.unique(log.user.astype(np.int64) * still.num_artists + artist_E, return_index=True)
    user_P, artist_P = log.user[first_P], artist_E[first_P]
    at_once = set(zip(*map(np.ndarray.tolist, follows), strict=True))
    heard = zip(user_P.tolist(), artist_P.tolist(), log.timestamp[first_P].tolist(), strict=True)
    followed_P = np.array([one in at_once for one in heard])
    chance_P = chances(still, world)[user_P, artist_P].astype(np.float64)
    assert followed_P.sum() > 300
    # Their sum, and whether it is the likelier ones who are followed: both within four standard errors.
    for weight_P in (np.ones(len(chance_P)), chance_P, 1 / chance_P):
        off, variance = weight_P * (followed_P - chance_P), weight_P**2 * chance_P * (1 - chance_P)
        assert abs(off.sum()) < 4 * math.sqrt(variance.sum())


def test_without_response_nothing_that_is_shown_makes_a_difference():
    world = make_streaming_world(DEAF, 0)
    found = chances(DEAF, world)[:, np.unique(world.catalogue.tracks.track_artist)]
    assert len(np.unique(found)) == 1, "equal to the bit"
    skip, like = math.exp(DEAF.skip), math.exp(DEAF.like)
    np.testing.assert_allclose(found[0, 0], (1 + like) / (1 + skip + like) / (1 + math.exp(-DEAF.follow)), rtol=1e-6)
    alive = chances(SMALL, make_streaming_world(SMALL, 0))
    assert alive.std(axis=1).min() > 0.1 * alive.mean()


def test_artists_without_tracks_are_never_followed():
    world = make_streaming_world(SMALL, 0)
    tracks = world.catalogue.tracks
    only = world._replace(
        catalogue=world.catalogue._replace(tracks=tracks._replace(track_artist=jnp.zeros_like(tracks.track_artist)))
    )
    found = chances(SMALL, only)
    assert (found[:, 0] > 0).all()
    assert not found[:, 1:].any()


def test_a_user_has_the_same_chances_whoever_else_is_there():
    world = make_streaming_world(SMALL, 0)
    some = world._replace(users=jax.tree.map(lambda x: np.asarray(x)[[5, 149]], world.users))
    np.testing.assert_allclose(chances(SMALL, some), chances(SMALL, world)[[5, 149]], rtol=1e-5)
    assert not np.allclose(chances(SMALL, world, 0), chances(SMALL, world), rtol=0.01), "tastes and moods move"
