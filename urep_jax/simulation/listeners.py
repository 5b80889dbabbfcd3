"""Listeners: their taste, the stations that they keep, how they use the buttons, and how often they come."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float32, Int32

from urep_jax.simulation.catalogue import Catalogue
from urep_jax.simulation.keys import Keys, fold
from urep_jax.simulation.params import RadioParams
from urep_jax.simulation.taste import SECONDS_PER_YEAR, turned, unit


class Listener(NamedTuple):
    """One listener, or many with a leading axis `U`.

    Attributes:
        number: the listener's number, which names the random streams.
        taste: where taste points to at the start of the window, a unit vector.
        turn: the direction that taste turns to, a unit vector at a right angle to `taste`.
        habit: index into `RadioParams.habits`.
        utility: utilities of up, skip and down at affinity 0, beside 0 for playing on.
        stations: the stations that the listener keeps, all different.
        station_odds: log odds of choosing each of them for a session.
        arrival: seconds from the start of the window to the first session.
        gap: mean pause between sessions in seconds.
    """

    number: Int32[Array, "*U"]
    taste: Float32[Array, "*U D"]
    turn: Float32[Array, "*U D"]
    habit: Int32[Array, "*U"]
    utility: Float32[Array, "*U 3"]
    stations: Int32[Array, "*U H"]
    station_odds: Float32[Array, "*U H"]
    arrival: Int32[Array, "*U"]
    gap: Float32[Array, "*U"]


def make_listener(params: RadioParams, catalogue: Catalogue, number: Int32[Array, ""], *, keys: Keys) -> Listener:
    """Draw the listener of this number; its draws depend on the world's seed and `number` alone.

    Args:
        params: the radio's parameters.
        catalogue: the stations to choose from.
        number: the listener's number, at least 0.
        keys: the world's keys, from `world_keys`.
    """
    key = fold(keys, number)
    dim, kept = params.latent_dim, params.stations_per_listener
    taste_D = unit(jax.random.normal(key["taste"], (dim,)))
    turn_D = jax.random.normal(key["turn"], (dim,))
    turn_D = unit(turn_D - (turn_D @ taste_D) * taste_D)

    share_K = jnp.array([habit.share for habit in params.habits])
    utility_Kx3 = jnp.array([(habit.up, habit.skip, habit.down) for habit in params.habits])
    habit = jax.random.categorical(key["habit"], jnp.log(share_K))
    utility_3 = utility_Kx3[habit] + params.habit_spread * jax.random.normal(key["utility"], (3,))

    liking_R = params.station_choice * math.sqrt(dim) * (catalogue.seed_direction @ taste_D)
    _, stations_H = jax.lax.top_k(liking_R + jax.random.gumbel(key["stations"], (params.num_stations,)), kept)

    # A full year's events; who arrives later has fewer of them, at the same pace.
    events = params.median_events * jnp.exp(params.activity_spread * jax.random.normal(key["activity"]))
    events = jnp.minimum(events, params.max_events)
    sitting = params.session_length * params.track_seconds / 2
    gap = jnp.maximum(SECONDS_PER_YEAR * params.session_length / events - sitting, 3_600.0)
    # Whoever was there before is met within a pause, and the longer a pause, the likelier to be met in it.
    z = jax.random.normal(key["first_pause"])
    first_pause = gap * jnp.exp(params.gap_spread * z + params.gap_spread**2 / 2)
    longest = jnp.where(jax.random.uniform(key["established"]) < params.established, first_pause, params.num_seconds)
    arrival = jax.random.uniform(key["arrival"]) * longest
    return Listener(
        number=number,
        taste=taste_D,
        turn=turn_D,
        habit=habit.astype(jnp.int32),
        utility=utility_3,
        stations=stations_H,
        station_odds=-jnp.log(jnp.arange(1, kept + 1, dtype=jnp.float32)),
        arrival=jnp.minimum(arrival, params.num_seconds).astype(jnp.int32),
        gap=gap,
    )


def taste_at(params: RadioParams, listener: Listener, seconds: Int32[Array, ""]) -> Float32[Array, "D"]:
    """Taste at a moment, a unit vector: `cos(wt) taste + sin(wt) turn`, `w = taste_drift` a year.

    Args:
        params: the radio's parameters.
        listener: one listener.
        seconds: time since the start of the window.
    """
    return turned(listener.taste, listener.turn, params.taste_drift, seconds)
