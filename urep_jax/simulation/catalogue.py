"""The catalogue: genres, artists, tracks and stations in one latent space of style."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float32, Int32

from urep_jax.simulation.catalogue_params import CatalogueParams
from urep_jax.simulation.keys import Keys
from urep_jax.simulation.params import RadioParams
from urep_jax.simulation.taste import unit

LOG_SECONDS_SPREAD = 0.26
"""Standard deviation of the log of a track's length; measured on 28,356 Spotify songs."""


class Tracks(NamedTuple):
    """The tracks, and the artists and genres that they come from.

    Attributes:
        artist_genre: genre of each artist.
        track_artist: artist of each track.
        genre_style: each genre's place in the latent space.
        artist_style: each artist's place.
        style: each track's place; over tracks the coordinates have mean 0 and variance 1/D.
        artist_fame: standard normal; those of greater fame have the more popular tracks.
        log_popularity: natural logarithm of each track's share of all plays.
        appeal: what all listeners like alike in each track; over tracks standard normal.
        seconds: length of each track in seconds.
    """

    artist_genre: Int32[Array, "A"]
    track_artist: Int32[Array, "V"]
    genre_style: Float32[Array, "G D"]
    artist_style: Float32[Array, "A D"]
    style: Float32[Array, "V D"]
    artist_fame: Float32[Array, "A"]
    log_popularity: Float32[Array, "V"]
    appeal: Float32[Array, "V"]
    seconds: Float32[Array, "V"]


class Catalogue(NamedTuple):
    """Everything that can be played, and where.

    Attributes:
        artist_genre: genre of each artist.
        track_artist: artist of each track.
        style: each track's place in the latent space; over tracks the coordinates have mean 0 and variance 1/D.
        popularity: each track's share of all plays on an endless station that plays everything; adds up to 1.
        appeal: what all listeners like alike in each track; over tracks standard normal.
        seconds: length of each track in seconds.
        seed_direction: where each station points to, unit vectors.
        station_tracks: the tracks that each station plays, nearest first.
        station_rate: how often a station plays each of them, relative to the others; adds up to 1.
    """

    artist_genre: Int32[Array, "A"]
    track_artist: Int32[Array, "V"]
    style: Float32[Array, "V D"]
    popularity: Float32[Array, "V"]
    appeal: Float32[Array, "V"]
    seconds: Float32[Array, "V"]
    seed_direction: Float32[Array, "R D"]
    station_tracks: Int32[Array, "R M"]
    station_rate: Float32[Array, "R M"]


def make_tracks(params: CatalogueParams, *, keys: Keys) -> Tracks:
    """Draw tracks, artists and genres.

    Style is a sum of independent normals by genre, artist and track, whose variances have the shares `genre_share`,
    `artist_share` and the rest. Popularity is a Zipf law over ranks by a fame of which the share `artist_fame`
    belongs to the artist. Appeal is normal, with correlation `popularity_appeal` to log popularity.

    Args:
        params: what the tracks are like.
        keys: the world's keys, with those of `keys.TRACK_STREAMS` among them.
    """
    num_artists, num_tracks = params.num_artists, params.num_tracks

    def draw(name: str, *shape: int) -> jax.Array:
        return jax.random.normal(keys[name], shape)

    artist_genre_A = jax.random.randint(keys["artist_genre"], (num_artists,), 0, params.num_genres)
    size_A = -params.artist_zipf * jnp.log(jnp.arange(1, num_artists + 1))
    track_artist_V = jax.random.categorical(keys["track_artist"], size_A, shape=(num_tracks,))

    dim = params.latent_dim
    track_share = 1 - params.genre_share - params.artist_share
    genre_GxD = draw("genre_style", params.num_genres, dim) * (params.genre_share / dim) ** 0.5
    artist_AxD = genre_GxD[artist_genre_A] + draw("artist_style", num_artists, dim) * (params.artist_share / dim) ** 0.5
    style_VxD = artist_AxD[track_artist_V] + draw("track_style", num_tracks, dim) * (track_share / dim) ** 0.5
    # Without this the few largest artists would shift and stretch the space, and with it the unit of taste.
    centre_D = style_VxD.mean(0)
    scale = jnp.sqrt(((style_VxD - centre_D) ** 2).sum(-1).mean())
    genre_GxD, artist_AxD, style_VxD = ((x - centre_D) / scale for x in (genre_GxD, artist_AxD, style_VxD))

    fame_A = draw("artist_fame", num_artists)
    fame_V = params.artist_fame**0.5 * fame_A[track_artist_V] + (1 - params.artist_fame) ** 0.5 * draw(
        "track_fame", num_tracks
    )
    rank_V = jnp.argsort(jnp.argsort(-fame_V)) + 1
    log_popularity_V = jax.nn.log_softmax(-params.popularity_zipf * jnp.log(rank_V))
    rho = params.popularity_appeal
    appeal_V = rho * _standardise(log_popularity_V) + (1 - rho**2) ** 0.5 * _standardise(draw("appeal", num_tracks))

    log_seconds_V = LOG_SECONDS_SPREAD * draw("track_seconds", num_tracks) - LOG_SECONDS_SPREAD**2 / 2
    return Tracks(
        artist_genre=artist_genre_A,
        track_artist=track_artist_V.astype(jnp.int32),
        genre_style=genre_GxD,
        artist_style=artist_AxD,
        style=style_VxD,
        artist_fame=fame_A,
        log_popularity=log_popularity_V,
        appeal=appeal_V,
        seconds=params.track_seconds * jnp.exp(log_seconds_V),
    )


def make_catalogue(params: RadioParams, *, keys: Keys) -> Catalogue:
    """Draw a radio's catalogue: the tracks of `make_tracks`, and stations near genres and well-known artists.

    Args:
        params: the radio's parameters.
        keys: the world's keys, from `world_keys`.
    """
    tracks = make_tracks(params, keys=keys)
    num_artists, dim = params.num_artists, params.latent_dim
    has_tracks_A = jnp.zeros(num_artists, bool).at[tracks.track_artist].set(True)
    gumbel_A = jax.random.gumbel(keys["station_artist"], (num_artists,))
    known_A = jnp.where(has_tracks_A, tracks.artist_fame, -jnp.inf) + gumbel_A
    _, seed_artists = jax.lax.top_k(known_A, params.num_stations - params.num_genres)
    seed_RxD = jnp.concatenate([tracks.genre_style, tracks.artist_style[seed_artists]])
    # Nearness is an angle: seeds of genres lie near the origin, where all their neighbours would be the same few
    # tracks.
    direction_RxD = unit(seed_RxD)
    nearness_RxV = math.sqrt(dim) * direction_RxD @ unit(tracks.style).T
    popular_V = _standardise(tracks.log_popularity)
    _, station_tracks_RxM = jax.lax.top_k(nearness_RxV + params.station_popularity * popular_V, params.station_size)
    rotation_RxM = params.rotation_popularity * tracks.log_popularity[station_tracks_RxM]
    return Catalogue(
        artist_genre=tracks.artist_genre,
        track_artist=tracks.track_artist,
        style=tracks.style,
        popularity=jnp.exp(tracks.log_popularity),
        appeal=tracks.appeal,
        seconds=tracks.seconds,
        seed_direction=direction_RxD,
        station_tracks=station_tracks_RxM,
        station_rate=jax.nn.softmax(rotation_RxM, axis=-1),
    )


def _standardise(x: jax.Array) -> jax.Array:
    return (x - x.mean()) / jnp.maximum(x.std(), 1e-6)
