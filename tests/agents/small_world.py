"""A world of a few items and listeners, made by hand, and logs of it."""

import jax
import jax.numpy as jnp
import numpy as np

from urep_jax.simulation.satisfaction.environment import Observation
from urep_jax.simulation.satisfaction.logs import Log, drawn, write_log
from urep_jax.simulation.satisfaction.mechanisms import INTENTS
from urep_jax.simulation.satisfaction.params import SatisfactionParams
from urep_jax.simulation.satisfaction.world import Hidden, Items, Listeners, World

ITEMS, LISTENERS, STYLES, WIDTH, CANDIDATES, POOLS = 30, 12, 3, 5, 8, 4
PARAMS = SatisfactionParams(weeks=2.0)


def small_world(seed: int = 0) -> World:
    """Everything is drawn evenly."""
    keys = iter(jax.random.split(jax.random.key(seed), 12))
    style = jnp.arange(ITEMS, dtype=jnp.int32) % STYLES
    minutes = jax.random.uniform(next(keys), (ITEMS,), minval=2.0, maxval=6.0)
    items = Items(
        content=jax.random.normal(next(keys), (ITEMS, WIDTH)),
        style=style,
        artist=jnp.arange(ITEMS, dtype=jnp.int32),
        log_popularity=jax.nn.log_softmax(jax.random.normal(next(keys), (ITEMS,))),
        minutes=minutes,
        is_show=jnp.zeros(ITEMS, bool),
    )
    hidden = Hidden(
        parts=jax.random.normal(next(keys), (ITEMS, WIDTH)),
        nourishment=jax.random.uniform(next(keys), (ITEMS,), minval=-1.0, maxval=1.0),
        pull=jnp.zeros(ITEMS),
        log_engaged=jnp.log(minutes),
        engaged_spread=jnp.zeros(ITEMS),
    )
    listeners = Listeners(
        wishes=0.5 * jax.random.normal(next(keys), (LISTENERS, WIDTH)),
        by_intent=0.5 * jax.random.normal(next(keys), (LISTENERS, len(INTENTS), 2)),
        hour=jax.random.uniform(next(keys), (LISTENERS,), minval=6.0, maxval=24.0),
        device=jnp.arange(LISTENERS, dtype=jnp.int32) % 4,
        patience=jnp.ones(LISTENERS),
        satiation=jnp.ones(LISTENERS),
        pause=jnp.ones(LISTENERS),
        exposure=jnp.zeros(LISTENERS),
        is_show_user=jnp.zeros(LISTENERS, bool),
        vector=jax.random.normal(next(keys), (LISTENERS, WIDTH)),
        pools=jnp.tile(jnp.arange(POOLS, dtype=jnp.int32), (LISTENERS, 1)),
    )
    pools_PxN = jax.vmap(lambda key: jax.random.permutation(key, ITEMS)[:CANDIDATES])(
        jax.random.split(next(keys), POOLS)
    )
    return World(items, hidden, listeners, pools_PxN.astype(jnp.int32), jnp.arange(STYLES, dtype=jnp.int32))


def even(seen: Observation) -> jax.Array:
    """Logits of a policy that offers anything."""
    return jnp.zeros(seen.candidates.shape[-1])


ANYTHING = drawn(even)


def small_log(world: World, seed: int = 1, listeners: int = LISTENERS) -> Log:
    """Of the first so many listeners, offered anything."""
    return write_log(jax.random.key(seed), world, PARAMS, ANYTHING, np.arange(listeners), 128)[0]
