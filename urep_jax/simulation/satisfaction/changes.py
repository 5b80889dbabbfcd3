"""Parts of a world: some of its listeners, some of its items; what wasn't part of a training's is new afterwards."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Int32

from urep_jax.simulation.ranges import require
from urep_jax.simulation.satisfaction.candidates import Offer, laid_out
from urep_jax.simulation.satisfaction.world import World


def with_listeners(world: World, listeners: Int32[np.ndarray, "L"]) -> World:
    """The world with these listeners alone, numbered anew in this order.

    Args:
        world: a world.
        listeners: who stays, by number; at least one.

    Raises:
        ValueError: if there is nobody, or somebody isn't of this world.
    """
    count = world.listeners.hour.shape[0]
    require(
        len(listeners) > 0 and bool(np.all((listeners >= 0) & (listeners < count))),
        f"listeners are {listeners}, but must be some of 0 to {count - 1}, the listeners of the world; name others",
    )
    return world._replace(listeners=jax.tree.map(lambda x: x[listeners], world.listeners))


def with_items(key: jax.Array, world: World, is_there: Bool[np.ndarray, "V"], offer: Offer) -> World:
    """The world where these items alone are played: the others are in no pool. Items keep their numbers.

    Args:
        key: for the pools.
        world: a world.
        is_there: which items can be played.
        offer: where candidates come from.

    Raises:
        ValueError: if there are fewer items than candidates.
    """
    numbers_I = jnp.asarray(np.flatnonzero(is_there), jnp.int32)
    known = jax.tree.map(lambda x: x[numbers_I], world.items)
    pools_PxN, pools_UxQ = offer(key, known, world.listeners.vector)
    return world._replace(
        listeners=world.listeners._replace(pools=pools_UxQ),
        pools=numbers_I[pools_PxN],
        offered=laid_out(known, pools_PxN),
    )


def some_are_new(key: jax.Array, count: int, share: float) -> tuple[Bool[np.ndarray, "V"], Bool[np.ndarray, "V"]]:
    """A catalogue before and after a change: each without a share of the items, which ones the other has.

    Args:
        key: decides which.
        count: items of both together.
        share: of the items of either that the other doesn't have, 0 to below 1.

    Returns:
        Which items are there before, and which after.

    Raises:
        ValueError: if the share is out of range.
    """
    require(0 <= share < 1, f"share is {share}, but must lie between 0 and below 1; set it within")
    order_V = np.asarray(jax.random.permutation(key, count))
    # Of v items n retire and n are released: n / (v - n) of either catalogue.
    changed = round(count * share / (1 + share))
    before_V, after_V = np.ones(count, bool), np.ones(count, bool)
    before_V[order_V[:changed]] = False
    after_V[order_V[changed : 2 * changed]] = False
    return before_V, after_V
