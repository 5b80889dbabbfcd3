"""What new users answer when they sign up: artists, languages, both, or nothing."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32

from urep_jax.core.streams import numpy_stream
from urep_jax.simulation.keys import Keys
from urep_jax.simulation.streaming.affinity import track_offer, track_wishes
from urep_jax.simulation.streaming.catalogue import StreamingCatalogue
from urep_jax.simulation.streaming.keys import ONBOARDING_STREAMS, pick
from urep_jax.simulation.streaming.params import MOST_PICKED, StreamingParams
from urep_jax.simulation.streaming.users import User, taste_at

LONGEST_DELAY = 60.0
"""Seconds from registration to the answers, at most; the first session begins later than that, mostly."""


class Onboarding(NamedTuple):
    """The answers of one user, or of many with a leading axis `U`.

    Attributes:
        seconds: when they were given, since the start of the window.
        artists: artists picked, likeliest first; -1 where there is none.
        languages: which languages were picked.
    """

    seconds: Int32[Array, "*U"]
    artists: Int32[Array, "*U J"]
    languages: Bool[Array, "*U W"]


def artist_weights(
    params: StreamingParams, catalogue: StreamingCatalogue, user: User, seconds: Int32[Array, ""]
) -> Array:
    """Log of the sum over each artist's tracks of the weight that their choice has, moods aside; of shape (artists,).

    Args:
        params: the world's parameters.
        catalogue: what can be played.
        user: one user.
        seconds: when, since the start of the window.
    """
    offer = track_offer(params, catalogue)
    wishes_K = track_wishes(params, user, taste_at(params, user, seconds))
    weight_V = jnp.exp(offer.log_weight + params.response * offer.parts @ wishes_K)
    weight_A = jnp.zeros(params.num_artists).at[catalogue.tracks.track_artist].add(weight_V)
    return jnp.log(weight_A)


def make_onboarding(params: StreamingParams, catalogue: StreamingCatalogue, user: User, *, keys: Keys) -> Onboarding:
    """Draw a user's answers.

    Who picks artists picks 3 to 5 different ones, in proportion to the weight of their tracks for the user (Gumbel top
    k); who picks languages picks those that they understand.

    Args:
        params: the world's parameters.
        catalogue: what can be played.
        user: one user.
        keys: the world's keys, from `streaming_keys`.
    """
    key = pick(keys, ONBOARDING_STREAMS, user.number)
    answers = jax.random.uniform(key["answers"])
    both, artists = params.onboarding_both, params.onboarding_artists
    asked = params.onboard_established | (user.registered >= 0)
    picks_artists = asked & (answers < both + artists)
    is_last = (answers >= both + artists) & (answers < both + artists + params.onboarding_languages)
    picks_languages = asked & ((answers < both) | is_last)

    weight_A = artist_weights(params, catalogue, user, jnp.maximum(user.registered, 0))
    _, artist_J = jax.lax.top_k(weight_A + jax.random.gumbel(key["artists"], weight_A.shape), MOST_PICKED)
    num_artists = jax.random.randint(key["num_artists"], (), 3, MOST_PICKED + 1)
    is_picked_J = picks_artists & (jnp.arange(MOST_PICKED) < num_artists)
    return Onboarding(
        seconds=user.registered + 1 + (LONGEST_DELAY * jax.random.uniform(key["delay"])).astype(jnp.int32),
        artists=jnp.where(is_picked_J, artist_J, -1).astype(jnp.int32),
        languages=picks_languages & user.understands,
    )


def has_answered(onboarding: Onboarding) -> Bool[np.ndarray, "U"]:
    """Which users answered anything."""
    return (np.asarray(onboarding.artists) >= 0).any(-1) | np.asarray(onboarding.languages).any(-1)


def shuffle(onboarding: Onboarding, seed: int) -> Onboarding:
    """The same answers, permuted between the users who gave any; times stay where they were.

    Args:
        onboarding: the answers of all users.
        seed: the world's seed, at least 0.
    """
    answered = np.flatnonzero(has_answered(onboarding))
    other = np.arange(len(onboarding.seconds))
    other[answered] = numpy_stream(seed, "streaming.onboarding_shuffle").permutation(answered)
    artists, languages = np.asarray(onboarding.artists)[other], np.asarray(onboarding.languages)[other]
    return onboarding._replace(artists=jnp.asarray(artists), languages=jnp.asarray(languages))
