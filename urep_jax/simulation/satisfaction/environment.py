"""One listener, step by step: items are offered, one is heard, and what that does lasts for weeks.

A step is one item. It takes the minutes that are heard of it; when the listener has had enough, the session ends, and
the step takes the days until the next one as well. Three horizons: the item (feedback), the session (patience), and
weeks (satisfaction, and whether the listener comes back). A listener who doesn't come back terminates the episode; the
end of the `weeks` truncates it.

    utility = <wishes + mood, parts> + pull - satiation trait g_style + repeat_gain(times) + engagement (s - 1/2),
    mood = context by_intent(i) + mood z,     i ~ intent_logits(hour, device),

with i and z drawn for each session. The interface is that of gymnax 1.0, none of which is needed: `reset(key, world,
params)` gives an observation and a state, `step(key, state, action, world, params)` these and reward, terminated,
truncated and info.

Sources: RecSim's long-term satisfaction (Ie et al. 2019), SARDINE (Deffayet et al. 2023), KuaiSim (Zhao et al. 2023).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float32, Int32

from urep_jax.core.types import RESPONSES, Feedback
from urep_jax.simulation.satisfaction.draws import Draws, category, draw, exponential, gumbel, normal, whole
from urep_jax.simulation.satisfaction.mechanisms import (
    HOURS_PER_DAY,
    chance_to_leave,
    days_away,
    doses,
    engaged_minutes,
    enough,
    exposure_after,
    faded,
    feedback_logits,
    intent_logits,
    patience_after,
    recovered,
    repeat_gain,
    satiation_after,
    satisfaction_of,
)
from urep_jax.simulation.satisfaction.params import SatisfactionParams
from urep_jax.simulation.satisfaction.passing import passed
from urep_jax.simulation.satisfaction.world import World
from urep_jax.simulation.streaming.params import DEVICES
from urep_jax.simulation.taste import unit

RECENT = 24
"""Events that are observed."""

NOTHING = -1
"""In place of an item, where nothing was heard yet."""

MAIN_DEVICE = 0.7
"""Share of sessions on the main device, as in the streaming world; the others fall on any."""

HOUR_SPREAD = 3.0
"""Standard deviation in hours of when sessions begin, about the listener's own hour. No number is published."""


AnyWorld = Any
"""A pytree with the `items`, `listeners` and `pools` of a `World`."""

AnyState = Any
"""What is carried of a listener in such a world, with what `observe` reads of it."""


class Recent(NamedTuple):
    """The latest events, the latest last.

    Attributes:
        item: what was heard; `NOTHING` for no event.
        feedback: code of `core.types.Feedback`.
        ratio: share of it that was heard.
        hours: when it was over, since the beginning of the episode.
    """

    item: Int32[Array, "*B R"]
    feedback: Int32[Array, "*B R"]
    ratio: Float32[Array, "*B R"]
    hours: Float32[Array, "*B R"]


class Observation(NamedTuple):
    """What a service sees, and nothing else.

    Attributes:
        vector: what it knows of the listener beforehand.
        candidates: items that may be offered.
        heard: how often the listener has heard each of them here, halved each `repeat_days`.
        recent: the listener's latest events.
        hour: of the day, 0 to 24.
        device: index into `streaming.params.DEVICES`.
        place: items that were heard in this session.
        days_since: days between the session before and this one; 0 in the first.
        hours: since the beginning of the episode.
    """

    vector: Float32[Array, "*B Z"]
    candidates: Int32[Array, "*B N"]
    heard: Float32[Array, "*B N"]
    recent: Recent
    hour: Float32[Array, "*B"]
    device: Int32[Array, "*B"]
    place: Int32[Array, "*B"]
    days_since: Float32[Array, "*B"]
    hours: Float32[Array, "*B"]


class Session(NamedTuple):
    """What stays as it is while a session lasts.

    Attributes:
        pool: where candidates come from.
        intent: index into `mechanisms.INTENTS`.
        mood: what is wanted beside taste, in the space of style.
        device: index into `streaming.params.DEVICES`.
        days_since: days between the session before and this one.
    """

    pool: Int32[Array, "*B"]
    intent: Int32[Array, "*B"]
    mood: Float32[Array, "*B D"]
    device: Int32[Array, "*B"]
    days_since: Float32[Array, "*B"]


class State(NamedTuple):
    """All there is to a listener, most of it hidden from a service.

    Attributes:
        listener: who it is.
        exposure: net exposure to what nourishes.
        satiation: of each style, 0 to 1.
        times: that each item has been heard, as far as it is remembered.
        patience: that is left of this session's, 0 to 1.
        session: the session.
        hour: of the day, 0 to 24.
        place: items that were heard in this session.
        items: that were heard in the episode.
        hours: since the beginning of the episode.
        recent: the latest events.
    """

    listener: Int32[Array, "*B"]
    exposure: Float32[Array, "*B"]
    satiation: Float32[Array, "*B G"]
    times: Float32[Array, "*B V"]
    patience: Float32[Array, "*B"]
    session: Session
    hour: Float32[Array, "*B"]
    place: Int32[Array, "*B"]
    items: Int32[Array, "*B"]
    hours: Float32[Array, "*B"]
    recent: Recent


class Info(NamedTuple):
    """What happened in a step; `satisfaction` and what follows it is hidden from a service.

    Attributes:
        item: that was taken.
        feedback: code of `core.types.Feedback`.
        ratio: share of it that was heard.
        minutes: of engagement.
        session_over: whether the session ended.
        days_away: until the next session; 0 if this one goes on.
        hours: that the step took, those away among them, within the episode; none away for who left for good.
        satisfaction: after the item, 0 to 1.
        intent: of the session.
        probability: with which the listener took the item of those offered.
        utility: of the item, before it was heard.
    """

    item: Int32[Array, "*B"]
    feedback: Int32[Array, "*B"]
    ratio: Float32[Array, "*B"]
    minutes: Float32[Array, "*B"]
    session_over: Bool[Array, "*B"]
    days_away: Float32[Array, "*B"]
    hours: Float32[Array, "*B"]
    satisfaction: Float32[Array, "*B"]
    intent: Int32[Array, "*B"]
    probability: Float32[Array, "*B"]
    utility: Float32[Array, "*B"]


def reset(
    key: jax.Array, world: World, params: SatisfactionParams, listener: Int32[Array, ""] | int | None = None
) -> tuple[Observation, State]:
    """A listener of the world, at the beginning of a session.

    Args:
        key: decides what is drawn, and who it is.
        world: the world.
        params: its parameters.
        listener: who it is, by number; drawn evenly, if None.

    Returns:
        What a service sees of the listener, and the state.
    """
    drawn = draw(key, 0, world.listeners.by_intent.shape[-1])
    if listener is None:
        listener = whole(drawn.listener, world.listeners.hour.shape[0])
    listener = jnp.asarray(listener, jnp.int32)
    nothing = jnp.zeros(RECENT, jnp.float32)
    session, hour = _session(drawn, world, params, listener, jnp.float32(0))
    state = State(
        listener=listener,
        exposure=world.listeners.exposure[listener] + params.innovation * normal(drawn.exposure),
        satiation=jnp.zeros(world.styles.shape[0]),
        times=jnp.zeros(world.items.style.shape[0]),
        patience=jnp.float32(1),
        session=session,
        hour=hour,
        place=jnp.int32(0),
        items=jnp.int32(0),
        hours=jnp.float32(0),
        recent=Recent(jnp.full(RECENT, NOTHING, jnp.int32), jnp.zeros(RECENT, jnp.int32), nothing, nothing),
    )
    return observe(state, world), state


def observe(state: AnyState, world: AnyWorld) -> Observation:
    """What a service sees of a listener.

    Args:
        state: a `State`, or what stands in for one: of its session the pool, the device and the days since are read.
        world: a `World`, or what stands in for it.
    """
    candidates_N = world.pools[state.session.pool]
    return Observation(
        vector=world.listeners.vector[state.listener],
        candidates=candidates_N,
        heard=state.times[candidates_N],
        recent=state.recent,
        hour=state.hour,
        device=state.session.device,
        place=state.place,
        days_since=state.session.days_since,
        hours=state.hours,
    )


def utility(state: State, items: Int32[Array, "N"], world: World, params: SatisfactionParams) -> Float32[Array, "N"]:
    """What items are worth to the listener now (the equation is in the module's docstring)."""
    of, who, mood_D = world.hidden, state.listener, state.session.mood
    wishes_K = world.listeners.wishes[who].at[: mood_D.shape[0]].add(mood_D)
    tired_N = world.listeners.satiation[who] * state.satiation[world.items.style[items]]
    return (
        of.parts[items] @ wishes_K
        + of.pull[items]
        - params.satiation * tired_N
        + repeat_gain(params, state.times[items])
        + params.engagement * (satisfaction_of(params, state.exposure) - 0.5)
    )


def step(
    key: jax.Array, state: State, action: Int32[Array, "*S"], world: World, params: SatisfactionParams
) -> tuple[Observation, State, Float32[Array, ""], Bool[Array, ""], Bool[Array, ""], Info]:
    """Offer items, and see what comes of it.

    Args:
        key: decides what is drawn.
        state: of the listener.
        action: the places among the candidates of what is offered, 0 to N - 1: one, or a slate of which the listener
            takes one, by a multinomial logit over their utilities.
        world: the world.
        params: its parameters.

    Returns:
        What a service sees afterwards, the state, the reward `reward_minutes minutes + reward_up ([up] - [down]) +
        reward_return 2^(-days / reward_return_days) [comes back within the episode]`, whether the listener left for
        good, whether the episode was cut, and what happened.
    """
    who, of = state.listener, world.items
    slate_S = world.pools[state.session.pool][jnp.atleast_1d(action)]
    drawn = draw(key, slate_S.shape[0], world.listeners.by_intent.shape[-1])
    utility_S = utility(state, slate_S, world, params)
    taken = jnp.argmax(utility_S + gumbel(drawn.choice))
    item = slate_S[taken]

    kind = category(drawn.feedback, feedback_logits(params, utility_S[taken]))
    feedback = jnp.array(RESPONSES, jnp.int32)[kind]
    is_left = (feedback == Feedback.SKIP) | (feedback == Feedback.DOWN)
    # Most of what is left is left early.
    ratio = jnp.where(is_left, drawn.ratio**2, 1.0)
    before = satisfaction_of(params, state.exposure)
    log_engaged, spread = world.hidden.log_engaged[item], world.hidden.engaged_spread[item]
    minutes = ratio * engaged_minutes(params, log_engaged, spread, before, normal(drawn.engaged))

    dose = doses(params, ratio, of.minutes[item])
    nourishment, noise = world.hidden.nourishment[item], normal(drawn.exposure)
    exposure = exposure_after(params, state.exposure, nourishment, dose, is_left, noise)
    satisfaction = satisfaction_of(params, exposure)
    satiation_G = satiation_after(params, state.satiation, of.style[item], dose)
    times_V = state.times.at[item].add(ratio)

    patience = patience_after(params, state.patience, is_left, world.listeners.patience[who])
    is_over = (patience <= 0) | (drawn.end < enough(params, ratio * of.minutes[item]))
    pause = days_away(params, satisfaction, world.listeners.pause[who], exponential(drawn.away))
    days = jnp.where(is_over, pause, 0.0)
    terminated = is_over & (drawn.leave < chance_to_leave(params, satisfaction))
    took = passed(
        params,
        hours=state.hours,
        items=state.items,
        heard=ratio * of.minutes[item],
        minutes=minutes,
        feedback=feedback,
        is_over=is_over,
        days=days,
        terminated=terminated,
    )

    session, hour = _session(drawn, world, params, who, days)
    event = Recent(item, feedback, ratio, state.hours + took.here)
    after = State(
        listener=who,
        exposure=exposure,
        satiation=recovered(params, satiation_G, took.hours),
        times=faded(params, times_V, took.hours),
        patience=jnp.where(is_over, 1.0, patience),
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
        satisfaction=satisfaction,
        intent=state.session.intent,
        probability=jax.nn.softmax(utility_S)[taken],
        utility=utility_S[taken],
    )
    return observe(after, world), after, took.reward, terminated, took.truncated, info


def _session(
    drawn: Draws, world: World, params: SatisfactionParams, who: jax.Array, days: jax.Array
) -> tuple[Session, jax.Array]:
    """A new session, and the hour at which it begins."""
    of = world.listeners
    hour = (of.hour[who] + HOUR_SPREAD * normal(drawn.hour)) % HOURS_PER_DAY
    device = jnp.where(drawn.is_main < MAIN_DEVICE, of.device[who], whole(drawn.device, len(DEVICES)))
    intent = category(drawn.intent, intent_logits(hour, device))
    by_intent_D = of.by_intent[who, intent]
    random_D = unit(normal(drawn.mood)) * jnp.linalg.norm(by_intent_D)
    pool = of.pools[who, whole(drawn.pool, of.pools.shape[1])]
    mood_D = params.context * by_intent_D + params.mood * random_D
    return Session(pool, intent, mood_D, device.astype(jnp.int32), days), hour
