"""The radio: one listener hears one track after another and presses the buttons. Pure functions of one listener.

A track's worth to a listener at a moment is its affinity, in log odds of up against down:

    a = taste_strength sqrt(D) <taste', style> + appeal_strength appeal + fit_strength sqrt(D) <station, style>
        - overplay ln(1 + heard),        taste' = unit(taste(t) + mood)

Feedback is a multinomial logit (random utility) whose utilities are, with `r = response`,

    play: 0    up: u_up + r a / 2    down: u_down - r a / 2    skip: u_skip - r skip_aversion a

so that for one listener `ln P(up) / P(down) = const + r a` and `ln P(up) / P(skip) = const + r (1/2 + skip_aversion)
a`: both rise with `a`. No ranking of a listener's ups against their downs on one station is better, in the mean, than
by `a`; that holds at every moment when a thumb can be given. A thumb is given at most once to a track on a station:
after a down the station never plays it again (§1 of the paper), after an up it plays on, to be heard out or skipped.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float32, Int8, Int32

from urep_jax.core.types import Feedback
from urep_jax.simulation.catalogue import Catalogue
from urep_jax.simulation.keys import Keys
from urep_jax.simulation.listeners import Listener, taste_at
from urep_jax.simulation.params import RadioParams

FEEDBACKS = (Feedback.UP, Feedback.SKIP, Feedback.DOWN, Feedback.PLAY)
"""The order of `feedback_logits`."""


class RadioState(NamedTuple):
    """What a listener's next event depends on.

    Attributes:
        clock: seconds since the start of the window.
        slot: index into the listener's stations of the one that plays; -1 before the first session.
        mood: this session's shift of taste.
        due: when each station plays each of its tracks next, on the station's own clock; `inf` after a thumb down.
        thumbed: whether the track was thumbed on the station.
        heard: how often the track was heard on the station.
    """

    clock: Int32[Array, "*U"]
    slot: Int32[Array, "*U"]
    mood: Float32[Array, "*U D"]
    due: Float32[Array, "*U H M"]
    thumbed: Bool[Array, "*U H M"]
    heard: Int32[Array, "*U H M"]


class Noise(NamedTuple):
    """All that is random in an event; uniform on [0, 1) but for `pause`.

    Attributes:
        leave: whether the session ended with the event before.
        pause: standard normal: the pause between sessions.
        station: the session's station.
        mood: the session's mood.
        wait: how long the station waits before it repeats the track.
        feedback: the listener's feedback.
        ratio: when the listener leaves the track.
        random_track: the track that stands in the log under `random_downs`.
    """

    leave: Float32[Array, "*N"]
    pause: Float32[Array, "*N"]
    station: Float32[Array, "*N"]
    mood: Float32[Array, "*N"]
    wait: Float32[Array, "*N"]
    feedback: Float32[Array, "*N"]
    ratio: Float32[Array, "*N"]
    random_track: Float32[Array, "*N"]


class RadioEvent(NamedTuple):
    """One track heard, as the log tells it.

    Attributes:
        track: the track.
        station: the station that played it.
        seconds: when the feedback was given, seconds since the start of the window.
        feedback: code of `core.types.Feedback`; `NONE` where nothing was heard, the window or the station being over.
        played_ratio: share of the track that was heard, 0 to 1.
        affinity: the noise-free `a` of the track, log odds of up against down.
    """

    track: Int32[Array, "*N"]
    station: Int32[Array, "*N"]
    seconds: Int32[Array, "*N"]
    feedback: Int8[Array, "*N"]
    played_ratio: Float32[Array, "*N"]
    affinity: Float32[Array, "*N"]


def draw_noise(keys: Keys, length: int) -> Noise:
    """The noise of `length` events in a row.

    Args:
        keys: keys of these events of one listener, from `keys.fold`.
        length: number of events, at least 1.
    """
    draw = {name: jax.random.uniform(keys[name], (length,)) for name in Noise._fields if name != "pause"}
    return Noise(pause=jax.random.normal(keys["pause"], (length,)), **draw)


def affinity(
    params: RadioParams,
    catalogue: Catalogue,
    listener: Listener,
    track: int | Int32[Array, ""],
    station: int | Int32[Array, ""],
    *,
    seconds: int | Int32[Array, ""] = 0,
    mood: float | Float32[Array, "D"] = 0.0,
    heard: int | Int32[Array, ""] = 0,
) -> Float32[Array, ""]:
    """The noise-free worth `a` of a track to a listener (the equation is in the module's docstring).

    Args:
        params: the radio's parameters.
        catalogue: the catalogue that the track and the station belong to.
        listener: one listener.
        track: the track.
        station: the station that plays it.
        seconds: time since the start of the window, which turns taste.
        mood: the session's shift of taste; 0 for none.
        heard: how often the listener has heard the track on the station.

    Returns:
        Log odds of up against down, but for the listener's habit.
    """
    taste_D = taste_at(params, listener, jnp.asarray(seconds)) + mood
    taste_D = taste_D / jnp.linalg.norm(taste_D)
    direction_D = params.taste_strength * taste_D + params.fit_strength * catalogue.seed_direction[station]
    personal = math.sqrt(params.latent_dim) * (catalogue.style[track] @ direction_D)
    return personal + params.appeal_strength * catalogue.appeal[track] - params.overplay * jnp.log1p(heard)


def feedback_logits(
    params: RadioParams, utility: Float32[Array, "3"], worth: Float32[Array, ""], thumbed: Bool[Array, ""]
) -> Float32[Array, "4"]:
    """Utilities of up, skip, down and play (the equations are in the module's docstring).

    Args:
        params: the radio's parameters.
        utility: the listener's utilities of up, skip and down at affinity 0.
        worth: the affinity `a`.
        thumbed: whether the track was thumbed on this station, so that no thumb can be given.
    """
    up, skip, down = utility
    a = params.response * worth
    closed = jnp.where(thumbed, -jnp.inf, 0.0)
    return jnp.stack([up + a / 2 + closed, skip - params.skip_aversion * a, down - a / 2 + closed, jnp.zeros_like(a)])


def start(params: RadioParams, catalogue: Catalogue, listener: Listener, *, key: jax.Array) -> RadioState:
    """The state before a listener's first event.

    Args:
        params: the radio's parameters.
        catalogue: what can be played.
        listener: one listener.
        key: consumed; decides what each of the listener's stations plays first.
    """
    rate_HxM = catalogue.station_rate[listener.stations]
    return RadioState(
        clock=listener.arrival,
        slot=jnp.int32(-1),
        mood=jnp.zeros(params.latent_dim),
        due=jax.random.exponential(key, rate_HxM.shape) / rate_HxM,
        thumbed=jnp.zeros(rate_HxM.shape, bool),
        heard=jnp.zeros(rate_HxM.shape, jnp.int32),
    )


def step(
    params: RadioParams, catalogue: Catalogue, listener: Listener, state: RadioState, noise: Noise
) -> tuple[RadioState, RadioEvent]:
    """One event: perhaps a new session, the station's next track, the listener's feedback.

    A station plays the track that is due first, and is due with it again after `repeat_gap + Exp(1) / rate`: without
    the gap that is the same as drawing tracks with probability proportional to `station_rate`. Sessions end after
    each event with probability `1 / session_length`; pauses are lognormal; a mood leans towards the style of some
    track.

    Args:
        params: the radio's parameters.
        catalogue: what can be played.
        listener: one listener.
        state: the listener's state.
        noise: all that is random in this event.
    """
    is_first = state.slot < 0
    begins = is_first | (noise.leave < 1 / params.session_length)
    pause = listener.gap * jnp.exp(params.gap_spread * noise.pause - params.gap_spread**2 / 2)
    pause = jnp.where(begins & ~is_first, jnp.minimum(pause, params.num_seconds), 0).astype(jnp.int32)
    now = state.clock + pause
    slot = jnp.where(begins, _pick(jax.nn.softmax(listener.station_odds), noise.station), state.slot)
    leaning_D = catalogue.style[(noise.mood * params.num_tracks).astype(jnp.int32)]
    mood_D = jnp.where(begins, params.mood_strength * leaning_D, state.mood)

    station = listener.stations[slot]
    due_M = state.due[slot]
    place = jnp.argmin(due_M)
    track = catalogue.station_tracks[station, place]
    heard = state.heard[slot, place]

    worth = affinity(params, catalogue, listener, track, station, seconds=now, mood=mood_D, heard=heard)
    logits_4 = feedback_logits(params, listener.utility, worth, state.thumbed[slot, place])
    feedback = jnp.array(FEEDBACKS, jnp.int8)[_pick(jax.nn.softmax(logits_4), noise.feedback)]
    is_left = (feedback == Feedback.SKIP) | (feedback == Feedback.DOWN)
    is_thumb = (feedback == Feedback.UP) | (feedback == Feedback.DOWN)
    # Most tracks that are left are left early; a second at least keeps a listener's times apart.
    ratio = jnp.where(is_left, noise.ratio**2, 1.0)
    after = now + jnp.maximum(ratio * catalogue.seconds[track], 1.0).astype(jnp.int32)
    is_heard = (after < params.num_seconds) & jnp.isfinite(due_M[place])

    wait = params.repeat_gap - jnp.log1p(-noise.wait) / catalogue.station_rate[station, place]
    due = jnp.where(feedback == Feedback.DOWN, jnp.inf, due_M[place] + wait)
    new_state = RadioState(
        clock=jnp.minimum(after, params.num_seconds),
        slot=slot,
        mood=mood_D,
        due=state.due.at[slot, place].set(due),
        thumbed=state.thumbed.at[slot, place].max(is_thumb),
        heard=state.heard.at[slot, place].add(1),
    )
    if params.random_downs:
        other = (noise.random_track * params.num_tracks).astype(jnp.int32)
        other_worth = affinity(params, catalogue, listener, other, station, seconds=now, mood=mood_D)
        track, worth = jnp.where(is_left, other, track), jnp.where(is_left, other_worth, worth)
    event = RadioEvent(
        track=track,
        station=station,
        seconds=after,
        feedback=jnp.where(is_heard, feedback, Feedback.NONE).astype(jnp.int8),
        played_ratio=ratio,
        affinity=worth,
    )
    return new_state, event


def _pick(share_K: jax.Array, uniform: jax.Array) -> jax.Array:
    """Index drawn with these probabilities; rounding can only fall to the last, which must not be impossible."""
    return (uniform >= jnp.cumsum(share_K)[:-1]).sum()
