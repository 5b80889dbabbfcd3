"""Users: where they live, how old they are, what they like, and how that changes."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float32, Int32

from urep_jax.core.types import SECONDS_PER_DAY
from urep_jax.simulation.keys import Keys
from urep_jax.simulation.streaming.catalogue import country_log_shares
from urep_jax.simulation.streaming.keys import USER_STREAMS, pick
from urep_jax.simulation.streaming.params import StreamingParams
from urep_jax.simulation.taste import SECONDS_PER_YEAR, turned, unit

YOUNGEST = 13
"""Youngest age in years."""

LIFE = 60.0
"""Years over which the part of taste that goes with age turns by half a circle."""

DEVICE_SHARES = (0.62, 0.2, 0.1, 0.08)
"""Shares of `DEVICES` among main devices. No number is published."""

SHORTEST_GAP = 0.3
"""Shortest mean pause between a user's sessions in days: about three sessions a day."""


class User(NamedTuple):
    """One user, or many with a leading axis `U`.

    Attributes:
        number: the user's number, which names the random streams.
        country: where the user lives.
        language: language of the user's app, the country's.
        understands: the languages that the user understands.
        age: years.
        device: main device, index into `DEVICES`.
        is_premium: whether the plan is paid.
        registered: seconds from the start of the window to the registration; negative before it.
        taste: where music taste points to at the start of the window, a unit vector.
        turn: the direction that taste turns to, a unit vector at a right angle to `taste`.
        mood_phase: days by which the user's moods begin earlier than the window.
        topic_taste: where taste in shows points to, a unit vector.
        is_show_user: whether the user listens to shows.
        gap: mean pause between sessions in seconds.
    """

    number: Int32[Array, "*U"]
    country: Int32[Array, "*U"]
    language: Int32[Array, "*U"]
    understands: Bool[Array, "*U W"]
    age: Int32[Array, "*U"]
    device: Int32[Array, "*U"]
    is_premium: Bool[Array, "*U"]
    registered: Int32[Array, "*U"]
    taste: Float32[Array, "*U D"]
    turn: Float32[Array, "*U D"]
    mood_phase: Float32[Array, "*U"]
    topic_taste: Float32[Array, "*U T"]
    is_show_user: Bool[Array, "*U"]
    gap: Float32[Array, "*U"]


def make_user(params: StreamingParams, number: Int32[Array, ""], *, keys: Keys) -> User:
    """Draw the user of this number; the draws depend on the world's seed and `number` alone.

    Taste is `unit(sqrt(c) country + sqrt(g) (cos(v) young + sin(v) old) + sqrt(1 - c - g) own)` with standard normal
    vectors, `c = country_share`, `g = age_share`, `v = pi (age - 13) / 60`; topic taste likewise from a linear map of
    taste, age and a part of its own.

    Args:
        params: the world's parameters.
        number: the user's number, at least 0.
        keys: the world's keys, from `streaming_keys`.
    """
    key = pick(keys, USER_STREAMS, number)
    dim, topic_dim = params.latent_dim, params.topic_dim

    def chance(name: str) -> jax.Array:
        return jax.random.uniform(key[name])

    country = jax.random.categorical(key["country"], country_log_shares(params))
    above = (params.median_age - YOUNGEST) * jnp.exp(params.age_spread * jax.random.normal(key["age"]))
    age = jnp.minimum(YOUNGEST + above, 100.0).astype(jnp.int32)
    knows_world = chance("language") < params.world_language_speakers
    languages = jnp.arange(params.num_countries)
    understands_W = (languages == country) | ((languages == 0) & knows_world)
    device = jax.random.categorical(key["device"], jnp.log(jnp.array(DEVICE_SHARES)))

    is_established = chance("established") < params.established
    when = chance("registered")
    before = -when * params.years_before * SECONDS_PER_YEAR
    registered = jnp.where(is_established, before - 1, when * params.num_seconds).astype(jnp.int32)

    country_WxD = jax.random.normal(keys["country_taste"], (params.num_countries, dim))
    angle = math.pi * (age - YOUNGEST) / LIFE
    wave_2 = jnp.stack([jnp.cos(angle), jnp.sin(angle)])
    age_D = wave_2 @ jax.random.normal(keys["age_taste"], (2, dim))
    own_share = max(1 - params.country_share - params.age_share, 0.0)
    taste_D = unit(
        params.country_share**0.5 * country_WxD[country]
        + params.age_share**0.5 * age_D
        + own_share**0.5 * jax.random.normal(key["taste"], (dim,))
    )
    turn_D = jax.random.normal(key["turn"], (dim,))
    turn_D = unit(turn_D - (turn_D @ taste_D) * taste_D)

    # Both summands have coordinates of variance 1, as those of taste have 1/D.
    music_T = taste_D @ jax.random.normal(keys["music_to_topic"], (dim, topic_dim))
    age_T = wave_2 @ jax.random.normal(keys["age_topic"], (2, topic_dim))
    own_share = max(1 - params.topic_from_music - params.topic_from_age, 0.0)
    topic_T = unit(
        params.topic_from_music**0.5 * music_T
        + params.topic_from_age**0.5 * age_T
        + own_share**0.5 * jax.random.normal(key["topic_taste"], (topic_dim,))
    )

    is_premium = chance("plan") < params.premium
    gap = params.median_gap_days * jnp.exp(params.activity_spread * jax.random.normal(key["activity"]))
    gap = jnp.maximum(gap * jnp.where(is_premium, 1.0, params.free_pauses), SHORTEST_GAP) * SECONDS_PER_DAY
    return User(
        number=number,
        country=country.astype(jnp.int32),
        language=country.astype(jnp.int32),
        understands=understands_W,
        age=age,
        device=device.astype(jnp.int32),
        is_premium=is_premium,
        registered=registered,
        taste=taste_D,
        turn=turn_D,
        mood_phase=chance("mood_phase") * params.mood_days,
        topic_taste=topic_T,
        is_show_user=chance("is_show_user") < params.show_users,
        gap=gap,
    )


def taste_at(params: StreamingParams, user: User, seconds: Int32[Array, ""]) -> Float32[Array, "D"]:
    """Taste at a moment, moods aside: the unit vector `cos(wt) taste + sin(wt) turn`, `w = taste_drift` a year.

    Args:
        params: the world's parameters.
        user: one user.
        seconds: time since the start of the window.
    """
    return turned(user.taste, user.turn, params.taste_drift, seconds)


def mood_at(params: StreamingParams, user: User, seconds: Int32[Array, ""], *, keys: Keys) -> Float32[Array, "D"]:
    """Mood at a moment, a vector of length `mood_strength` that stays for `mood_days` and then is another.

    It is drawn by the user's number and that of the block of days, so that any moment is reached without those before.

    Args:
        params: the world's parameters.
        user: one user.
        seconds: time since the start of the window, at least 0.
        keys: the world's keys.
    """
    block = ((seconds / SECONDS_PER_DAY + user.mood_phase) / params.mood_days).astype(jnp.int32)
    key = pick(keys, ("mood",), user.number, block)["mood"]
    return params.mood_strength * unit(jax.random.normal(key, (params.latent_dim,)))
