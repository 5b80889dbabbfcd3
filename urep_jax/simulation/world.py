"""From parameters and a seed to a log: all listeners of a world.

Listeners sit side by side in lanes; who is done makes room for the next, so that heavy listeners keep no others
waiting. None of that can be seen in the log: every draw hangs on the numbers of the listener and the event.
"""

import dataclasses
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32, Int8, Int32, Int64

from urep_jax.core.types import Feedback
from urep_jax.simulation.catalogue import Catalogue, make_catalogue
from urep_jax.simulation.keys import EVENT_STREAMS, Keys, fold, world_keys
from urep_jax.simulation.listeners import Listener, make_listener
from urep_jax.simulation.params import RadioParams
from urep_jax.simulation.radio import Noise, RadioEvent, RadioState, draw_noise, start, step

LANES = 512
"""Listeners that are simulated side by side: enough to fill vector units, few enough for their state to stay in
cache."""

SEGMENT = 64
"""Events of each lane between two looks at who is done. Noise is drawn by segments: another number is another world."""


class World(NamedTuple):
    """A simulated world: what can be played, and who listens."""

    catalogue: Catalogue
    listeners: Listener


class RadioLog(NamedTuple):
    """The log of a simulated radio, ragged: listener `u` owns the events `offsets[u]:offsets[u + 1]`, sorted by time.

    Attributes:
        offsets: where each listener's events start; the last entry is the number of events. Nobody is left out:
            who never came has no events.
        track: number of the track.
        station: number of the station.
        timestamp: when the feedback was given, seconds since 1970, UTC; a listener's are all different.
        feedback: code of `core.types.Feedback`.
        played_ratio: share of the track that was heard, 0 to 1.
        affinity: the noise-free worth of the track to the listener at that moment, in log odds of up against down. The
            best ranking of a listener's ups against their downs on one station is by this (see `radio`).
    """

    offsets: Int64[np.ndarray, "U+1"]
    track: Int32[np.ndarray, "E"]
    station: Int32[np.ndarray, "E"]
    timestamp: Int64[np.ndarray, "E"]
    feedback: Int8[np.ndarray, "E"]
    played_ratio: Float32[np.ndarray, "E"]
    affinity: Float32[np.ndarray, "E"]

    @property
    def listener(self) -> Int32[np.ndarray, "E"]:
        """The listener of each event."""
        return np.repeat(np.arange(len(self.offsets) - 1, dtype=np.int32), np.diff(self.offsets))


def make_world(params: RadioParams, seed: int) -> World:
    """Draw a world's catalogue and listeners.

    Args:
        params: the radio's parameters.
        seed: the world's seed, at least 0.
    """
    keys, numbers_U = world_keys(seed), jnp.arange(params.num_listeners)
    params = _shape_free(params)
    catalogue = _make_catalogue(params, keys)
    return World(catalogue, _make_listeners(params, catalogue, numbers_U, keys))


def simulate(params: RadioParams, seed: int, *, lanes: int = LANES) -> RadioLog:
    """Simulate a radio over its whole window.

    Args:
        params: the radio's parameters.
        seed: the world's seed, at least 0. The same seed gives the same log, and listener `u` has the same log however
            many listeners there are.
        lanes: listeners that are simulated side by side, at least 1; changes memory and speed, never the log.
    """
    world, keys = make_world(params, seed), world_keys(seed)
    everybody = jax.tree.map(np.asarray, world.listeners)
    num_listeners, max_events = params.num_listeners, params.max_events
    params, catalogue, start_time = _shape_free(params), world.catalogue, params.start

    def rows(numbers: np.ndarray) -> Listener:
        return jax.tree.map(lambda x: x[numbers], everybody)

    lanes = min(lanes, num_listeners)
    refill = -(-lanes // 8)
    listener_C, next_listener = np.arange(lanes), lanes
    segment_C, is_active_C = np.zeros(lanes, np.int32), np.ones(lanes, bool)
    state = _start(params, catalogue, rows(listener_C), keys)
    pieces: list[tuple[np.ndarray, RadioEvent]] = []
    while is_active_C.any():
        state, events = _advance(params, catalogue, rows(listener_C), state, segment_C, keys)
        is_in_CxN = is_active_C[:, None] & (segment_C[:, None] * SEGMENT + np.arange(SEGMENT) < max_events)
        pieces.append(_heard(listener_C, is_in_CxN, events))
        segment_C += 1
        is_active_C &= (np.asarray(state.clock) < params.num_seconds) & (segment_C * SEGMENT < max_events)
        # Some at a time, since a new listener's state costs as much as many events.
        while next_listener < num_listeners and (~is_active_C).sum() >= refill:
            seats = np.flatnonzero(~is_active_C)[:refill]
            numbers = next_listener + np.arange(refill)
            next_listener += refill
            # Past the last listener a seat stays empty: its lane is out of range, which the update drops.
            taken = numbers < num_listeners
            state = _restart(
                params, catalogue, rows(numbers % num_listeners), state, np.where(taken, seats, lanes), keys
            )
            listener_C[seats[taken]], segment_C[seats[taken]] = numbers[taken], 0
            is_active_C[seats[taken]] = True
    return _gather(pieces, num_listeners, start_time)


def _heard(listener_C: np.ndarray, is_in_CxN: np.ndarray, events_NxC: RadioEvent) -> tuple[np.ndarray, RadioEvent]:
    """The listener of each event that was heard, and the events, listener by listener."""
    events_CxN = jax.tree.map(lambda x: np.asarray(x).T, events_NxC)
    is_heard_CxN = is_in_CxN & (events_CxN.feedback != Feedback.NONE)
    listener_E = np.repeat(listener_C, is_heard_CxN.sum(1)).astype(np.int32)
    return listener_E, jax.tree.map(lambda x: x[is_heard_CxN], events_CxN)


def _gather(pieces: list[tuple[np.ndarray, RadioEvent]], num_listeners: int, start_time: int) -> RadioLog:
    """All pieces as one log; within a listener they come in order of time. Empties `pieces`."""
    listener_E = np.concatenate([listener for listener, _ in pieces])
    order_E = np.argsort(listener_E, kind="stable")
    counts_U = np.bincount(listener_E, minlength=num_listeners)
    columns = {name: [getattr(events, name) for _, events in pieces] for name in RadioEvent._fields}
    pieces.clear()

    def column(name: str) -> np.ndarray:
        # Popped, so that no more than one column lies in memory twice.
        return np.concatenate(columns.pop(name))[order_E]

    return RadioLog(
        offsets=np.concatenate([[0], np.cumsum(counts_U)]).astype(np.int64),
        track=column("track"),
        station=column("station"),
        timestamp=column("seconds").astype(np.int64) + start_time,
        feedback=column("feedback"),
        played_ratio=column("played_ratio"),
        affinity=column("affinity"),
    )


def _shape_free(params: RadioParams) -> RadioParams:
    """Without what traced functions don't read, so that a larger world needs no new trace."""
    return dataclasses.replace(params, num_listeners=1, start=0)


@partial(jax.jit, static_argnames="params")
def _make_catalogue(params: RadioParams, keys: Keys) -> Catalogue:
    return make_catalogue(params, keys=keys)


@partial(jax.jit, static_argnames="params")
def _make_listeners(params: RadioParams, catalogue: Catalogue, numbers_U: jax.Array, keys: Keys) -> Listener:
    return jax.vmap(lambda number: make_listener(params, catalogue, number, keys=keys))(numbers_U)


@partial(jax.jit, static_argnames="params")
def _start(params: RadioParams, catalogue: Catalogue, listeners: Listener, keys: Keys) -> RadioState:
    def one(listener: Listener) -> RadioState:
        return start(params, catalogue, listener, key=jax.random.fold_in(keys["first_due"], listener.number))

    return jax.vmap(one)(listeners)


@partial(jax.jit, static_argnames="params", donate_argnames="state")
def _restart(
    params: RadioParams,
    catalogue: Catalogue,
    listeners: Listener,
    state: RadioState,
    lanes: Int32[Array, "F"],
    keys: Keys,
) -> RadioState:
    """The state with these listeners' beginnings in these lanes."""
    fresh = _start(params, catalogue, listeners, keys)
    return jax.tree.map(lambda old, new: old.at[lanes].set(new, mode="drop"), state, fresh)


@partial(jax.jit, static_argnames="params", donate_argnames="state")
def _advance(
    params: RadioParams,
    catalogue: Catalogue,
    listeners: Listener,
    state: RadioState,
    segments: Int32[Array, "C"],
    keys: Keys,
) -> tuple[RadioState, RadioEvent]:
    """`SEGMENT` events of each lane: one scan over events, of steps that are vectorised over listeners."""
    event_keys = {name: keys[name] for name in EVENT_STREAMS}

    def noise(number: jax.Array, segment: jax.Array) -> Noise:
        return draw_noise(fold(fold(event_keys, number), segment), SEGMENT)

    noise_NxC = jax.tree.map(jnp.transpose, jax.vmap(noise)(listeners.number, segments))
    step_all = jax.vmap(partial(step, params, catalogue))
    return jax.lax.scan(lambda state, noise_C: step_all(listeners, state, noise_C), state, noise_NxC)
