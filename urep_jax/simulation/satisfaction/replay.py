"""A log, looked at again: at each event what the service saw then, so that another policy can be asked about it.

Nothing hidden is read: what has been heard, and how long ago, follows from the log's own columns.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from urep_jax.simulation.satisfaction.environment import NOTHING, RECENT, AnyWorld, Observation, Recent, observe
from urep_jax.simulation.satisfaction.logs import Log
from urep_jax.simulation.satisfaction.mechanisms import faded
from urep_jax.simulation.satisfaction.params import SatisfactionParams

Tree = TypeVar("Tree")


class _Session(NamedTuple):
    pool: jax.Array
    device: jax.Array
    days_since: jax.Array


class _Seen(NamedTuple):
    """What `observe` reads of a state."""

    listener: jax.Array
    session: _Session
    times: jax.Array
    recent: Recent
    hour: jax.Array
    place: jax.Array
    hours: jax.Array


@partial(jax.jit, static_argnames="read")
def replay(
    log: Log, world: AnyWorld, params: SatisfactionParams, read: Callable[[Observation, jax.Array], Tree]
) -> Tree:
    """What `read(observation, action)` makes of each event of a log.

    An observation is what the service had before its eyes at the event; the action is the place among the candidates of
    what it offered. `lambda seen, action: seen` gives the observations themselves: mind their size.

    Args:
        log: of listeners from the beginning of an episode each, as `write_log` writes it.
        world: the world; the items' numbers, the pools and what a service knows of listeners beforehand are read.
        params: its parameters, of which only `repeat_days` is read.
        read: a function of one listener's event; it is compiled, and another function is compiled anew.

    Returns:
        The tree that `read` gives, with arrays U x T x its own shape. Where no event is, it means nothing.
    """

    def one(of: Log) -> Tree:
        wait_T = jnp.append(of.began[1:] - of.began[:-1], 0.0)
        zeros_R = jnp.zeros(RECENT, jnp.float32)
        recent = Recent(jnp.full(RECENT, NOTHING, jnp.int32), jnp.zeros(RECENT, jnp.int32), zeros_R, zeros_R)

        def event(before: tuple[jax.Array, Recent], at: tuple[Log, jax.Array]) -> tuple[tuple[jax.Array, Recent], Tree]:
            (times_V, recent), (now, wait) = before, at
            session = _Session(now.pool, now.device, now.days_since)
            seen = observe(_Seen(now.listener, session, times_V, recent, now.hour, now.place, now.began), world)
            found = read(seen, jnp.argmax(seen.candidates == now.item))
            times_V = faded(params, times_V.at[now.item].add(now.ratio), wait)
            latest = Recent(now.item, now.feedback, now.ratio, now.hours)
            return (times_V, jax.tree.map(lambda x, new: jnp.append(x[1:], new), recent, latest)), found

        by_event = of._replace(listener=jnp.broadcast_to(of.listener, of.item.shape))
        return jax.lax.scan(event, (jnp.zeros(world.items.style.shape[0]), recent), (by_event, wait_T))[1]

    return jax.vmap(one)(log)
