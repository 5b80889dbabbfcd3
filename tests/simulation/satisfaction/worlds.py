"""A small world that the tests of this folder share, and programs that are compiled once for all of them."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from urep_jax.simulation.satisfaction import ItemParams, SatisfactionParams, State, World, make_world, reset, step
from urep_jax.simulation.satisfaction.candidates import Offer, anything
from urep_jax.simulation.satisfaction.rollout import Trajectory, Walk, go_on, start
from urep_jax.simulation.streaming.params import StreamingParams

SMALL = StreamingParams(num_users=60, num_tracks=120, num_artists=30, num_shows=12, num_genres=4, num_topics=3)
NUM_STYLES = SMALL.num_genres + SMALL.num_topics
NUM_ITEMS = SMALL.num_tracks + SMALL.num_shows
NUM_CANDIDATES = 20
DEFAULT = SatisfactionParams()


@functools.cache
def world(seed: int = 0, items: ItemParams | None = None, offer: Offer | None = None) -> World:
    """A world of 60 listeners, 120 tracks and 12 shows, of which 20 are offered in a session."""
    return make_world(SMALL, seed, items, offer or anything(NUM_CANDIDATES))


reset_once = jax.jit(reset)
step_once = jax.jit(step)
reset_many = jax.jit(jax.vmap(reset, (0, None, None)))
step_many = jax.jit(jax.vmap(step, (0, None, None, None, None)))
"""The same step with many keys."""


def at_random(key: jax.Array, state: State, observation: Any) -> tuple[jax.Array, State]:
    """Any candidate; what is kept is the state before the step."""
    return jax.random.randint(key, (), 0, observation.candidates.shape[0]), state


@functools.partial(jax.jit, static_argnames="num_steps")
def walked(key: jax.Array, world: World, params: SatisfactionParams, num_steps: int = 400) -> tuple[Walk, Trajectory]:
    """All listeners, each offered random items for so many steps."""
    starting, going = jax.random.split(key)
    everybody = jnp.arange(world.listeners.hour.shape[0])
    return go_on(going, start(starting, world, params, everybody), at_random, world, params, num_steps)


@functools.cache
def midway() -> State:
    """Somebody in the middle of a session, who has heard a few things before."""
    _, state = reset_once(jax.random.key(4), world(), DEFAULT, 7)
    return state._replace(
        exposure=jnp.float32(0.2),
        satiation=jnp.linspace(0.1, 0.7, NUM_STYLES),
        times=jnp.arange(NUM_ITEMS, dtype=jnp.float32) % 7,
        patience=jnp.float32(0.6),
        place=jnp.int32(5),
        items=jnp.int32(40),
        hours=jnp.float32(100),
    )
