"""Playlists: tracks near one point of taste, and some artists more than others."""

import dataclasses
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32, Int64

from urep_jax.core.streams import name_key
from urep_jax.simulation.keys import Keys
from urep_jax.simulation.streaming.affinity import track_offer, track_wishes
from urep_jax.simulation.streaming.catalogue import StreamingCatalogue
from urep_jax.simulation.streaming.keys import PLAYLIST_STREAMS, pick, streaming_keys
from urep_jax.simulation.streaming.params import PLAYLIST_LENGTHS, StreamingParams
from urep_jax.simulation.streaming.users import make_user

PORTION = 256
"""Playlists that are drawn at once."""


class Playlists(NamedTuple):
    """All playlists, ragged: playlist `p` has the tracks `track[offsets[p]:offsets[p + 1]]` in this order."""

    offsets: Int64[np.ndarray, "P+1"]
    track: Int32[np.ndarray, "X"]


def make_playlists(params: StreamingParams, catalogue: StreamingCatalogue, seed: int) -> Playlists:
    """Draw a world's playlists; playlist `p` is the same however many there are.

    Args:
        params: the world's parameters.
        catalogue: the world's catalogue.
        seed: the world's seed, at least 0.
    """
    keys, free = streaming_keys(seed), dataclasses.replace(params, num_playlists=0, num_users=1, start=0)
    lengths, tracks = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
    for first in range(0, params.num_playlists, PORTION):
        length_P, track_PxJ = map(np.asarray, _playlists(free, catalogue, first + jnp.arange(PORTION), keys))
        length_P = length_P[: params.num_playlists - first]
        is_in_PxJ = np.arange(track_PxJ.shape[1]) < length_P[:, None]
        lengths.append(length_P.astype(np.int64))
        tracks.append(track_PxJ[: len(length_P)][is_in_PxJ])
    return Playlists(np.concatenate([[0], np.cumsum(np.concatenate(lengths))]), np.concatenate(tracks))


def make_playlist(
    params: StreamingParams, catalogue: StreamingCatalogue, number: Int32[Array, ""], *, keys: Keys
) -> tuple[Int32[Array, ""], Int32[Array, "J"]]:
    """Draw the playlist of this number.

    Its maker is drawn as a user is, but is none of them. Tracks are different, drawn one after another in proportion to
    `popularity^popularity_power exp(response a + artist_clumping z)`, with `a` the track's affinity to the maker, in
    which `playlist_focus` stands for `taste_strength`, and `z` standard normal for each artist; then they are put in
    random order.

    Args:
        params: the world's parameters.
        catalogue: what can be played.
        number: the playlist's number, at least 0.
        keys: the world's keys, from `streaming_keys`.

    Returns:
        The length, lognormal, and as many tracks in front.
    """
    key = pick(keys, PLAYLIST_STREAMS, number)
    maker = make_user(params, number, keys=dict(keys) | {name: name_key(keys[name], "maker") for name in _OWN})
    shortest, longest = PLAYLIST_LENGTHS
    longest = min(longest, params.num_tracks)
    z = jax.random.normal(key["playlist_length"])
    length = jnp.exp(params.playlist_log_length + params.playlist_length_spread * z)
    length = jnp.clip(length, min(shortest, longest), longest).astype(jnp.int32)

    offer = track_offer(params, catalogue)
    focused = dataclasses.replace(params, taste_strength=params.playlist_focus)
    wishes_K = track_wishes(focused, maker, maker.taste)
    clump_A = params.artist_clumping * jax.random.normal(key["playlist_artist"], (params.num_artists,))
    weight_V = offer.log_weight + params.response * offer.parts @ wishes_K + clump_A[catalogue.tracks.track_artist]
    _, track_J = jax.lax.top_k(weight_V + jax.random.gumbel(key["playlist_track"], weight_V.shape), longest)
    place_J = jax.random.uniform(key["playlist_order"], (longest,))
    order_J = jnp.argsort(jnp.where(jnp.arange(longest) < length, place_J, 2.0))
    return length, track_J[order_J].astype(jnp.int32)


_OWN = ("country", "age", "language", "taste")
"""Streams of a user that the maker of a playlist must not share with the user of the same number."""


@partial(jax.jit, static_argnames="params")
def _playlists(
    params: StreamingParams, catalogue: StreamingCatalogue, numbers_P: Array, keys: Keys
) -> tuple[Array, Array]:
    return jax.vmap(lambda number: make_playlist(params, catalogue, number, keys=keys))(numbers_P)
