"""What an item is worth to a user at a moment, and drawing items by it.

For a track, with `taste' = unit(taste(t) + mood)`, the affinity is

    a = taste_strength sqrt(D) <taste', style> + appeal_strength appeal
        + language_match [understood] + local_match [local]

and for a show

    a = topic_strength sqrt(T) <topic taste, place> + language_match [understood].

Both are inner products of a vector of the user at the moment and one of the item, so that one matrix product gives the
affinities of everything to everybody. An item is drawn with probability proportional to
`popularity^popularity_power exp(response a)`.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float32, Int32

from urep_jax.simulation.streaming.catalogue import StreamingCatalogue
from urep_jax.simulation.streaming.params import StreamingParams
from urep_jax.simulation.streaming.users import User

SHELF = 64
"""Items that are added up before a draw looks closer."""


class Offer(NamedTuple):
    """What is chosen from: all tracks, or all shows.

    Attributes:
        parts: what affinity is made of, item by item.
        log_weight: log of what an item is drawn in proportion to, where affinity is 0.
    """

    parts: Float32[Array, "I K"]
    log_weight: Float32[Array, "I"]


def track_offer(params: StreamingParams, catalogue: StreamingCatalogue) -> Offer:
    """The tracks, to be chosen from; goes with `track_wishes`."""
    tracks, num = catalogue.tracks, params.num_countries
    language_VxW = jax.nn.one_hot(catalogue.artist_language[tracks.track_artist], num)
    country_VxW = jax.nn.one_hot(catalogue.artist_country[tracks.track_artist], num)
    parts_VxK = jnp.concatenate([tracks.style, tracks.appeal[:, None], language_VxW, country_VxW], axis=1)
    return Offer(parts_VxK, params.popularity_power * tracks.log_popularity)


def track_wishes(params: StreamingParams, user: User, taste: Float32[Array, "D"]) -> Float32[Array, "K"]:
    """What one user wants of each part of a track.

    Args:
        params: the world's parameters.
        user: one user.
        taste: music taste at the moment, of any length but 0.
    """
    taste_D = taste / jnp.linalg.norm(taste)
    return jnp.concatenate(
        [
            params.taste_strength * math.sqrt(params.latent_dim) * taste_D,
            jnp.array([params.appeal_strength]),
            params.language_match * user.understands,
            params.local_match * jax.nn.one_hot(user.country, params.num_countries),
        ]
    )


def show_offer(params: StreamingParams, catalogue: StreamingCatalogue) -> Offer:
    """The shows, to be chosen from; goes with `show_wishes`."""
    shows = catalogue.shows
    parts_HxK = jnp.concatenate([shows.place, jax.nn.one_hot(shows.language, params.num_countries)], axis=1)
    return Offer(parts_HxK, params.popularity_power * shows.log_popularity)


def show_wishes(params: StreamingParams, user: User) -> Float32[Array, "K"]:
    """What one user wants of each part of a show."""
    topic_T = params.topic_strength * math.sqrt(params.topic_dim) * user.topic_taste
    return jnp.concatenate([topic_T, params.language_match * user.understands])


def affinity(offer: Offer, items: Int32[Array, "*C N"], wishes: Float32[Array, "*C K"]) -> Float32[Array, "*C N"]:
    """The affinity `a` of these items to those who wish (the equation is in the module's docstring)."""
    return jnp.einsum("...nk,...k->...n", offer.parts[items], wishes)


def draw_items(
    params: StreamingParams, offer: Offer, wishes: Float32[Array, "C K"], uniform: Float32[Array, "C N"]
) -> Int32[Array, "C N"]:
    """Draw items with probability proportional to `exp(log_weight + response a)`.

    By inversion of the cumulative distribution in two steps: first the shelf of `SHELF` items, then the item on it.

    Args:
        params: the world's parameters.
        offer: what is chosen from.
        wishes: what each row wants.
        uniform: numbers on [0, 1), each of which decides one draw of its row.
    """
    num_items = offer.log_weight.shape[0]
    num_shelves = -(-num_items // SHELF)
    padding = num_shelves * SHELF - num_items
    parts_IxK = jnp.pad(offer.parts, ((0, padding), (0, 0)))
    log_weight_I = jnp.pad(offer.log_weight, (0, padding), constant_values=-jnp.inf)
    logits_CxI = log_weight_I + params.response * wishes @ parts_IxK.T
    weight_CxRxM = jnp.exp(logits_CxI - logits_CxI.max(-1, keepdims=True)).reshape(-1, num_shelves, SHELF)
    shelf_CxR = jnp.cumsum(weight_CxRxM.sum(-1), axis=-1)
    goal_CxN = uniform * shelf_CxR[:, -1:]
    shelf_CxN = jnp.minimum((goal_CxN[:, :, None] >= shelf_CxR[:, None, :]).sum(-1), num_shelves - 1)
    before_CxR = jnp.pad(shelf_CxR, ((0, 0), (1, 0)))[:, :-1]
    rest_CxN = goal_CxN - jnp.take_along_axis(before_CxR, shelf_CxN, axis=1)
    on_shelf_CxNxM = jnp.cumsum(jnp.take_along_axis(weight_CxRxM, shelf_CxN[:, :, None], axis=1), axis=-1)
    place_CxN = (rest_CxN[:, :, None] >= on_shelf_CxNxM).sum(-1)
    # Rounding can only fall past the end of a shelf.
    return jnp.minimum(shelf_CxN * SHELF + jnp.minimum(place_CxN, SHELF - 1), num_items - 1).astype(jnp.int32)
