"""A world learned from logs, in which agents can be trained as in the true one: the same `reset` and `step`.

A response model (`models.response_model`) stands in for listeners. It draws what is done with an item, how much of it
is heard, whether the session ends, and the days until the next; what a listener is like comes from the log: the vector
that a service has, and the moments at which sessions began, one of which is drawn for each new session. Nothing hidden
is read, and nothing hidden comes out: `Info.satisfaction` and `Info.utility` are NaN.

How soon listeners come back is held within what the model says of its logs (`training.returns_said`): an agent would
find whatever it says too much of elsewhere.

Who stays away past the last of `ResponseConfig.days` counts as gone for good, as services count it: `terminated`.

    learned = learned_world(service_of(world), log, items, response, returns, model)
    walk = rollout.start(key, learned, params, listeners, LEARNED)
    walk, taken = rollout.go_on(key, walk, choose, learned, params, steps, LEARNED)

Source: Chen et al. 2019, "Generative adversarial user model for reinforcement learning based recommendation system";
Ha and Schmidhuber 2018, "World models".
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float32, Int32

from urep_jax.core.hazards import time_of
from urep_jax.core.types import RESPONSES, Feedback
from urep_jax.data.listening_history import (
    Asked,
    Features,
    History,
    KnownItems,
    Outcome,
    features,
    no_history,
    remember,
)
from urep_jax.models import response_model
from urep_jax.models.response_model import ResponseConfig
from urep_jax.simulation.satisfaction.environment import NOTHING, RECENT, Info, Observation, Recent, observe
from urep_jax.simulation.satisfaction.logs import Log
from urep_jax.simulation.satisfaction.mechanisms import HOURS_PER_DAY, faded
from urep_jax.simulation.satisfaction.params import SatisfactionParams
from urep_jax.simulation.satisfaction.passing import passed
from urep_jax.simulation.satisfaction.rollout import Environment
from urep_jax.simulation.satisfaction.world import Items, World
from urep_jax.training.returns_said import Range, held

CONTEXTS = 32
"""Sessions of each listener from which the moment of a new one is drawn."""

_DRAWN = ("feedback", "ratio", "end", "away", "session")


class Service(NamedTuple):
    """What a service knows beforehand, of a simulated world or of real listeners.

    Attributes:
        items: what can be played.
        vector: what is known of each listener.
        pools_of: the pools that each listener's candidates come from.
        pools: the candidates of each pool.
        styles: the numbers of the styles.
        offered: content of each pool's candidates, from `candidates.laid_out`, or None.
    """

    items: Items
    vector: Float32[Array, "U Z"]
    pools_of: Int32[Array, "U Q"]
    pools: Int32[Array, "P N"]
    styles: Int32[Array, "G"]
    offered: Float32[Array, "P F N"] | None = None


class KnownListeners(NamedTuple):
    """Who was logged.

    Attributes:
        vector: what is known of each beforehand.
        pools: where candidates come from.
        hour: of the day at which sessions began.
        device: on which they did.
    """

    vector: Float32[Array, "U Z"]
    pools: Int32[Array, "U Q"]
    hour: Float32[Array, "U C"]
    device: Int32[Array, "U C"]


class LearnedWorld(NamedTuple):
    """What a service knows, and the model that it has learnt.

    Attributes:
        items: what can be played.
        known: the numbers of it that the model reads.
        listeners: who was logged.
        pools: the candidates of each pool.
        styles: the numbers of the styles.
        response: the model's parameters, and its line of returns.
        returns: within which its hazards of coming back are held.
        offered: content of each pool's candidates, as in a `World`.
        model: its size.
    """

    items: Items
    known: KnownItems
    listeners: KnownListeners
    pools: Int32[Array, "P N"]
    styles: Int32[Array, "G"]
    response: Any
    returns: Range
    offered: Float32[Array, "P F N"] | None
    model: ResponseConfig


class LearnedSession(NamedTuple):
    """What stays as it is while a session lasts; as in `environment.Session`."""

    pool: Int32[Array, "*B"]
    device: Int32[Array, "*B"]
    days_since: Float32[Array, "*B"]


class LearnedState(NamedTuple):
    """All there is to a listener here.

    Attributes:
        listener: who it is, by row of the log.
        history: what is remembered.
        vectors: of the latest events, as the model reads them; the latest last.
        times: that each item has been heard, as far as it is remembered.
        session: the session.
        hour: of the day, 0 to 24.
        place: items that were heard in this session.
        items: that were heard in the episode.
        hours: since the beginning of the episode.
        recent: the latest events.
    """

    listener: Int32[Array, "*B"]
    history: History
    vectors: Float32[Array, "*B R D"]
    times: Float32[Array, "*B V"]
    session: LearnedSession
    hour: Float32[Array, "*B"]
    place: Int32[Array, "*B"]
    items: Int32[Array, "*B"]
    hours: Float32[Array, "*B"]
    recent: Recent


def service_of(world: World) -> Service:
    """What a service has of a world."""
    return Service(world.items, world.listeners.vector, world.listeners.pools, world.pools, world.styles, world.offered)


def learned_world(
    of: Service, log: Log, items: KnownItems, response: Any, returns: Range, model: ResponseConfig
) -> LearnedWorld:
    """The listeners of a log, and the model that was learnt from it or another.

    Args:
        of: what a service has of the world that was logged.
        log: who is to live in the learned world, one listener a row, each with at least one event.
        items: what is known of what can be played, as the model reads it.
        response: the model's parameters, and its line of returns.
        returns: the range of hazards of coming back, from `training.returns_said.range_of_returns`.
        model: its size.
    """
    begins_UxT = np.asarray(log.is_there) & (np.asarray(log.place) == 0)
    count_Ux1 = np.maximum(begins_UxT.sum(1, keepdims=True), 1)
    first_UxT = np.argsort(~begins_UxT, axis=1, kind="stable")
    # Few sessions are repeated, so that each is as likely as any other; of many, they are spread over the log.
    spread_UxC = np.arange(CONTEXTS) * np.maximum(count_Ux1, CONTEXTS) // CONTEXTS % count_Ux1
    at_UxC = np.take_along_axis(first_UxT, spread_UxC, axis=1)
    who_U = np.asarray(log.listener)
    listeners = KnownListeners(
        vector=of.vector[who_U],
        pools=of.pools_of[who_U],
        hour=jnp.asarray(np.take_along_axis(np.asarray(log.hour), at_UxC, axis=1)),
        device=jnp.asarray(np.take_along_axis(np.asarray(log.device), at_UxC, axis=1)),
    )
    return LearnedWorld(of.items, items, listeners, of.pools, of.styles, response, returns, of.offered, model)


def reset(
    key: jax.Array,
    world: LearnedWorld,
    params: SatisfactionParams,
    listener: Int32[Array, ""] | int | None = None,
) -> tuple[Observation, LearnedState]:
    """A listener of the learned world, at the beginning of a session; as `environment.reset`."""
    who, first = jax.random.split(key)
    if listener is None:
        listener = jax.random.randint(who, (), 0, world.listeners.hour.shape[0])
    listener = jnp.asarray(listener, jnp.int32)
    session, hour = _session(first, world, listener, jnp.float32(0))
    nothing = jnp.zeros(RECENT, jnp.float32)
    state = LearnedState(
        listener=listener,
        history=no_history(world.known, world.styles.shape[0]),
        vectors=jnp.zeros((world.model.window - 1, world.model.width)),
        times=jnp.zeros(world.items.style.shape[0]),
        session=session,
        hour=hour,
        place=jnp.int32(0),
        items=jnp.int32(0),
        hours=jnp.float32(0),
        recent=Recent(jnp.full(RECENT, NOTHING, jnp.int32), jnp.zeros(RECENT, jnp.int32), nothing, nothing),
    )
    return observe(state, world), state


def step(
    key: jax.Array, state: LearnedState, action: Int32[Array, "*S"], world: LearnedWorld, params: SatisfactionParams
) -> tuple[Observation, LearnedState, Float32[Array, ""], Bool[Array, ""], Bool[Array, ""], Info]:
    """Offer an item, and see what the model says comes of it; as `environment.step`.

    Args:
        key: decides what is drawn.
        state: of the listener.
        action: the place among the candidates of what is offered, 0 to N - 1.
        world: the learned world.
        params: of its numbers only those are read that a service sets or sees: `weeks`, `most_items`, `repeat_days`
            and those of the reward.

    Raises:
        ValueError: if more than one item is offered.
    """
    if jnp.size(action) != 1:
        raise ValueError(
            f"action offers {jnp.size(action)} items, but logs of single items tell nothing of which of several is "
            "taken; offer one"
        )
    keys = dict(zip(_DRAWN, jax.random.split(key, len(_DRAWN)), strict=True))
    item = world.pools[state.session.pool][jnp.reshape(action, ())]
    asked = asked_now(state, item)
    seen, hidden, vectors = hidden_now(state, asked, world)
    response = response_model.respond(world.response, hidden, world.model)

    kind = jax.random.categorical(keys["feedback"], response.feedback)
    feedback = jnp.array(RESPONSES, jnp.int32)[kind]
    is_left = (feedback == Feedback.SKIP) | (feedback == Feedback.DOWN)
    share = jax.random.uniform(keys["ratio"]) ** jnp.exp(-response.log_power)
    ratio = jnp.where(is_left, share, 1.0)
    length = world.items.minutes[item]
    minutes = ratio * length
    done = response_model.done(feedback, ratio, length)
    after = held(response_model.follow(world.response, hidden, seen.lasting, done, world.model), world.returns)
    is_over = jax.random.uniform(keys["end"]) < jax.nn.sigmoid(after.session_over)
    pause = time_of(after.log_hazard, jax.random.exponential(keys["away"]), world.model.days)
    terminated = is_over & ~jnp.isfinite(pause)
    days = jnp.where(is_over, jnp.minimum(pause, world.model.days[-1]), 0.0)

    took = passed(
        params,
        hours=state.hours,
        items=state.items,
        heard=minutes,
        minutes=minutes,
        feedback=feedback,
        is_over=is_over,
        days=days,
        terminated=terminated,
    )

    session, hour = _session(keys["session"], world, state.listener, days)
    event = Recent(item, feedback, ratio, state.hours + took.here)
    outcome = Outcome(feedback, ratio, is_over, took.comes_back, days)
    later = LearnedState(
        listener=state.listener,
        history=remember(state.history, asked, outcome, world.known),
        vectors=vectors,
        times=faded(params, state.times.at[item].add(ratio), took.hours),
        session=jax.tree.map(lambda new, old: jnp.where(is_over, new, old), session, state.session),
        hour=jnp.where(is_over, hour, (state.hour + took.here) % HOURS_PER_DAY),
        place=jnp.where(is_over, 0, state.place + 1),
        items=state.items + 1,
        hours=state.hours + took.hours,
        recent=jax.tree.map(lambda x, new: jnp.append(x[1:], new.astype(x.dtype)), state.recent, event),
    )
    info = Info(
        item=item,
        feedback=feedback,
        ratio=ratio,
        minutes=minutes,
        session_over=is_over,
        days_away=days,
        hours=took.within,
        satisfaction=jnp.float32(jnp.nan),
        intent=jnp.int32(NOTHING),
        probability=jnp.float32(1),
        utility=jnp.float32(jnp.nan),
    )
    return observe(later, world), later, took.reward, terminated, took.truncated, info


def asked_now(state: LearnedState, item: Int32[Array, ""]) -> Asked:
    """The question of what a listener would do with this item now."""
    session = state.session
    heard = state.times[item]
    return Asked(item, heard, state.hours, state.hour, session.device, state.place, session.days_since)


def hidden_now(
    state: LearnedState, asked: Asked, world: LearnedWorld
) -> tuple[Features, Float32[Array, "D"], Float32[Array, "R D"]]:
    """What is seen of this item now, what the model makes of it for its heads, and vectors of the latest events."""
    vector = world.listeners.vector[state.listener]
    seen = features(state.history, asked, vector, world.known)
    new_D = response_model.embed(world.response, seen, world.model)
    vectors_RxD = jnp.concatenate([state.vectors, new_D[None]])
    is_there_R = jnp.arange(world.model.window) >= world.model.window - 1 - state.items
    hidden = response_model.encode(world.response, vectors_RxD[None], is_there_R[None], world.model)
    return seen, hidden[0, -1], vectors_RxD[1:]


LEARNED = Environment(reset, step, observe)
"""For `rollout`: where listeners of a `LearnedWorld` live."""


def _session(key: jax.Array, world: LearnedWorld, who: jax.Array, days: jax.Array) -> tuple[LearnedSession, jax.Array]:
    """A new session, and the hour at which it begins."""
    which, when = jax.random.split(key)
    of = world.listeners
    pool = of.pools[who, jax.random.randint(which, (), 0, of.pools.shape[1])]
    at = jax.random.randint(when, (), 0, of.hour.shape[1])
    return LearnedSession(pool, of.device[who, at], days), of.hour[who, at]
