"""What is heard in a session: items from the user's library or chosen afresh, and what the user does with them.

A library is made anew each `PERIOD_DAYS`: `library_size` tracks drawn by the taste of its middle, moods aside. A repeat
comes from the library of `k` periods ago with probability proportional to `library_fading^k`, and from place `i` of it
with probability proportional to `i^-library_zipf`: what is high in a recent library is heard again and again.

Feedback is a multinomial logit with, at affinity `a` and `r = response`,

    play: 0    skip: skip - r skip_aversion a    like: like + r a / 2.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float32, Int8, Int32

from urep_jax.core.types import SECONDS_PER_DAY, Feedback
from urep_jax.simulation.keys import Keys
from urep_jax.simulation.streaming.affinity import (
    affinity,
    draw_items,
    show_offer,
    show_wishes,
    track_offer,
    track_wishes,
)
from urep_jax.simulation.streaming.catalogue import StreamingCatalogue
from urep_jax.simulation.streaming.keys import EVENT_STREAMS, pick
from urep_jax.simulation.streaming.params import StreamingParams
from urep_jax.simulation.streaming.users import User, mood_at, taste_at

PERIOD_DAYS = 30
"""Days after which a library is made anew."""

BLOCK = 16
"""Events of a session that are drawn at once. Noise is drawn by blocks: another number is another world."""


class Block(NamedTuple):
    """`BLOCK` events in a row of one session, or many such blocks with a leading axis `C`.

    Attributes:
        user: who listens, by number.
        session: the session's number among the user's.
        block: the block's number within the session.
        seconds: when the session began, since the start of the window.
    """

    user: Int32[Array, "*C"]
    session: Int32[Array, "*C"]
    block: Int32[Array, "*C"]
    seconds: Int32[Array, "*C"]


class Heard(NamedTuple):
    """What is heard in a block.

    Attributes:
        item: the track, or `num_tracks` + the show.
        feedback: code of `core.types.Feedback`.
        played_ratio: share of it that was heard, 0 to 1.
        seconds: how long it was heard, at least 1.
        affinity: the affinity `a` of the item to the user in the session.
    """

    item: Int32[Array, "*C N"]
    feedback: Int8[Array, "*C N"]
    played_ratio: Float32[Array, "*C N"]
    seconds: Int32[Array, "*C N"]
    affinity: Float32[Array, "*C N"]


def num_periods(params: StreamingParams) -> int:
    """Libraries that each user has in the window."""
    return -(-params.num_days // PERIOD_DAYS)


def make_libraries(
    params: StreamingParams, catalogue: StreamingCatalogue, users: User, *, keys: Keys
) -> Int32[Array, "U P Q"]:
    """The libraries of all these users.

    Args:
        params: the world's parameters.
        catalogue: what can be played.
        users: users, with a leading axis.
        keys: the world's keys, from `streaming_keys`.

    Returns:
        Tracks, of shape (users, periods, `library_size`).
    """
    offer = track_offer(params, catalogue)

    def library(period: jax.Array) -> jax.Array:
        middle = ((period + 0.5) * PERIOD_DAYS * SECONDS_PER_DAY).astype(jnp.int32)
        wishes_UxK = jax.vmap(lambda user: track_wishes(params, user, taste_at(params, user, middle)))(users)

        def chances(number: jax.Array) -> jax.Array:
            return jax.random.uniform(pick(keys, ("library",), number, period)["library"], (params.library_size,))

        return draw_items(params, offer, wishes_UxK, jax.vmap(chances)(users.number))

    return jax.lax.map(library, jnp.arange(num_periods(params))).transpose(1, 0, 2)


def hear_tracks(
    params: StreamingParams,
    catalogue: StreamingCatalogue,
    users: User,
    libraries: Int32[Array, "C P Q"],
    blocks: Block,
    *,
    keys: Keys,
) -> Heard:
    """The events of these blocks, in sessions of tracks.

    Args:
        params: the world's parameters.
        catalogue: what can be played.
        users: who listens in each block.
        libraries: theirs, from `make_libraries`.
        blocks: what is asked for.
        keys: the world's keys, from `streaming_keys`.
    """
    offer, chance = track_offer(params, catalogue), _chances(users, blocks, keys)

    def wishes(user: User, seconds: jax.Array) -> jax.Array:
        taste_D = taste_at(params, user, seconds) + mood_at(params, user, seconds, keys=keys)
        return track_wishes(params, user, taste_D)

    wishes_CxK = jax.vmap(wishes)(users, blocks.seconds)
    fresh_CxN = draw_items(params, offer, wishes_CxK, chance["item"])

    period_C = blocks.seconds // (PERIOD_DAYS * SECONDS_PER_DAY)
    first_C = jnp.maximum(users.registered, 0) // (PERIOD_DAYS * SECONDS_PER_DAY)
    # Whoever has no older library plays the oldest.
    shares_P = params.library_fading ** jnp.arange(num_periods(params), dtype=jnp.float32)
    age_CxN = _inverse(shares_P, chance["age_of_library"])
    library_CxN = jnp.maximum(period_C[:, None] - age_CxN, first_C[:, None])
    place_CxN = _inverse(jnp.arange(1.0, params.library_size + 1) ** -params.library_zipf, chance["rank"])
    kept_CxN = libraries[jnp.arange(len(libraries))[:, None], library_CxN, place_CxN]
    item_CxN = jnp.where(chance["is_repeat"] < params.repeats, kept_CxN, fresh_CxN)
    a_CxN = affinity(offer, item_CxN, wishes_CxK)
    return _answer(params, item_CxN, a_CxN, catalogue.tracks.seconds[item_CxN], chance)


def hear_shows(
    params: StreamingParams, catalogue: StreamingCatalogue, users: User, blocks: Block, *, keys: Keys
) -> Heard:
    """The events of these blocks, in sessions of shows; as `hear_tracks`, but for the libraries."""
    offer, chance = show_offer(params, catalogue), _chances(users, blocks, keys)
    wishes_CxK = jax.vmap(partial(show_wishes, params))(users)
    show_CxN = draw_items(params, offer, wishes_CxK, chance["item"])
    a_CxN = affinity(offer, show_CxN, wishes_CxK)
    return _answer(params, params.num_tracks + show_CxN, a_CxN, catalogue.shows.seconds[show_CxN], chance)


def feedback_weights(
    params: StreamingParams, affinity: Float32[Array, "*I"]
) -> tuple[Float32[Array, "*I"], Float32[Array, "*I"]]:
    """What a skip and a like weigh beside playing on, which weighs 1 (the equation is in the module's docstring).

    Args:
        params: the world's parameters.
        affinity: of items.
    """
    heard_a = params.response * affinity
    return jnp.exp(params.skip - params.skip_aversion * heard_a), jnp.exp(params.like + heard_a / 2)


def _chances(users: User, blocks: Block, keys: Keys) -> dict[str, Float32[Array, "C N"]]:
    """All that is random in these blocks, uniform on [0, 1)."""

    def one(number: jax.Array, session: jax.Array, block: jax.Array) -> dict[str, jax.Array]:
        key = pick(keys, EVENT_STREAMS, number, session, block)
        chance = jax.vmap(lambda one: jax.random.uniform(one, (BLOCK,)))(jnp.stack(list(key.values())))
        return dict(zip(key, chance, strict=True))

    return jax.vmap(one)(users.number, blocks.session, blocks.block)


def _answer(
    params: StreamingParams, item_CxN: jax.Array, a_CxN: jax.Array, seconds_CxN: jax.Array, chance: dict[str, jax.Array]
) -> Heard:
    """What users do with these items."""
    skip_CxN, like_CxN = feedback_weights(params, a_CxN)
    goal_CxN = chance["feedback"] * (1 + skip_CxN + like_CxN)
    is_skip_CxN = goal_CxN < skip_CxN
    is_like_CxN = ~is_skip_CxN & (goal_CxN < skip_CxN + like_CxN)
    feedback_CxN = jnp.where(is_skip_CxN, Feedback.SKIP, jnp.where(is_like_CxN, Feedback.UP, Feedback.PLAY))
    # Most of what is left is left early; a second at least keeps a user's times apart.
    ratio_CxN = jnp.where(is_skip_CxN, chance["ratio"] ** 2, 1.0)
    return Heard(
        item=item_CxN.astype(jnp.int32),
        feedback=feedback_CxN.astype(jnp.int8),
        played_ratio=ratio_CxN,
        seconds=jnp.maximum(ratio_CxN * seconds_CxN, 1.0).astype(jnp.int32),
        affinity=a_CxN,
    )


def _inverse(shares_K: jax.Array, uniform: jax.Array) -> jax.Array:
    """Index drawn in proportion to these shares."""
    cumulative_K = jnp.cumsum(shares_K)
    return jnp.searchsorted(cumulative_K[:-1] / cumulative_K[-1], uniform, side="right")
