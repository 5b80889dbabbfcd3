"""What can be played: the tracks with their artists' countries and languages, and the shows."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float32, Int32

from urep_jax.simulation.catalogue import Tracks, make_tracks
from urep_jax.simulation.keys import Keys
from urep_jax.simulation.streaming.params import StreamingParams

SHOW_SECONDS_SPREAD = 0.5
"""Standard deviation of the log of an episode's length. No number is published."""

SHOW_ZIPF = 1.0
"""Exponent of shows' popularity by rank. No number is published."""


class Shows(NamedTuple):
    """The shows (podcasts).

    Attributes:
        topic: which topic each show is nearest to.
        place: each show's place in the latent space of topics; the coordinates have variance 1/T.
        log_popularity: natural logarithm of each show's share of all plays of shows.
        language: language of each show.
        seconds: length of an episode in seconds.
        content: content vectors, a noisy linear view of `place`.
    """

    topic: Int32[Array, "H"]
    place: Float32[Array, "H T"]
    log_popularity: Float32[Array, "H"]
    language: Int32[Array, "H"]
    seconds: Float32[Array, "H"]
    content: Float32[Array, "H F"]


class StreamingCatalogue(NamedTuple):
    """Everything that can be played.

    Attributes:
        tracks: the tracks; those of a radio of the same seed and parameters.
        artist_country: where each artist comes from.
        artist_language: what each artist sings in; language 0 is the world language.
        shows: the shows.
    """

    tracks: Tracks
    artist_country: Int32[Array, "A"]
    artist_language: Int32[Array, "A"]
    shows: Shows


def country_log_shares(params: StreamingParams) -> Float32[Array, "W"]:
    """Log shares of the countries among users and artists: `-country_zipf ln rank`, normalised."""
    return jax.nn.log_softmax(-params.country_zipf * jnp.log(jnp.arange(1.0, params.num_countries + 1)))


def make_streaming_catalogue(params: StreamingParams, *, keys: Keys) -> StreamingCatalogue:
    """Draw a catalogue.

    Artists sing in their country's language, or in the world language with probability `world_language_singers`. A
    show lies at `sqrt(topic_share) topic + sqrt(1 - topic_share) noise`, and its popularity is a Zipf law over a random
    order. Content vectors are `sqrt(T) place M + content_noise noise` with a random `M` of variance 1/T.

    Args:
        params: the world's parameters.
        keys: the world's keys, from `streaming_keys`.
    """
    tracks = make_tracks(params, keys=keys)
    shares_W = country_log_shares(params)
    country_A = jax.random.categorical(keys["artist_country"], shares_W, shape=(params.num_artists,))
    uniform_A = jax.random.uniform(keys["artist_language"], (params.num_artists,))
    language_A = jnp.where(uniform_A < params.world_language_singers, 0, country_A)

    num_shows, dim = params.num_shows, params.topic_dim
    topic_H = jax.random.randint(keys["show_topic"], (num_shows,), 0, params.num_topics)
    topics = jax.random.normal(keys["topic_place"], (params.num_topics, dim))
    own_HxT = jax.random.normal(keys["show_place"], (num_shows, dim))
    place_HxT = (params.topic_share**0.5 * topics[topic_H] + (1 - params.topic_share) ** 0.5 * own_HxT) / math.sqrt(dim)
    rank_H = jnp.argsort(jax.random.uniform(keys["show_fame"], (num_shows,))) + 1
    map_TxF = jax.random.normal(keys["content_map"], (dim, params.content_dim)) / math.sqrt(dim)
    noise_HxF = jax.random.normal(keys["content_noise"], (num_shows, params.content_dim))
    log_seconds_H = SHOW_SECONDS_SPREAD * jax.random.normal(keys["show_seconds"], (num_shows,))
    shows = Shows(
        topic=topic_H,
        place=place_HxT,
        log_popularity=jax.nn.log_softmax(-SHOW_ZIPF * jnp.log(rank_H)),
        language=jax.random.categorical(keys["show_language"], shares_W, shape=(num_shows,)).astype(jnp.int32),
        seconds=params.show_seconds * jnp.exp(log_seconds_H - SHOW_SECONDS_SPREAD**2 / 2),
        content=math.sqrt(dim) * place_HxT @ map_TxF + params.content_noise * noise_HxF,
    )
    return StreamingCatalogue(tracks, country_A.astype(jnp.int32), language_A.astype(jnp.int32), shows)
