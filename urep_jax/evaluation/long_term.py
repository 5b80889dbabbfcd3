"""Long-term satisfaction: what becomes of listeners over weeks, judged by what no service sees.

    total satisfaction of a listener = integral of s(t) dt over the weeks, in weeks,

0 from the moment that a listener leaves for good; the most that there can be is the number of weeks.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float32, Int32

from urep_jax.core.types import Feedback
from urep_jax.simulation.satisfaction.environment import AnyState, AnyWorld, Info, Observation
from urep_jax.simulation.satisfaction.mechanisms import DAYS_PER_WEEK, HOURS_PER_DAY, INTENTS
from urep_jax.simulation.satisfaction.params import SatisfactionParams
from urep_jax.simulation.satisfaction.rollout import (
    SMALL_PRODUCTS,
    TRUE,
    Environment,
    Walk,
    go_on,
    start,
    where,
)
from urep_jax.simulation.satisfaction.world import Listeners, World

STEPS, LANES = 64, 32
"""Steps that are taken at once, and listeners who are followed at once. Another number of steps draws other numbers."""

SOON = 2.0
"""Days within which a return counts."""

TAIL = 0.8
"""Share of the items, the least popular ones, that are the tail."""

DAYS_PER_MONTH = 30.0

Act = Callable[[Any, AnyWorld, SatisfactionParams, jax.Array, AnyState, Observation], jax.Array]
"""`act(learnt, world, params, key, state, observation)`: the place among the candidates of what is offered.

What doesn't look into `state`, `world.hidden` or `params` could be a service; what does is an oracle.
"""


class Episodes(NamedTuple):
    """What happened to listeners until the weeks were over, or they had left.

    Attributes:
        listener: who they are.
        is_there: whether a step was taken.
        terminated: whether the listener left for good in it.
        reward: of the step.
        info: what happened.
    """

    listener: Int32[np.ndarray, "U"]
    is_there: Bool[np.ndarray, "T U"]
    terminated: Bool[np.ndarray, "T U"]
    reward: Float32[np.ndarray, "T U"]
    info: Info


def follow(
    key: jax.Array,
    world: AnyWorld,
    params: SatisfactionParams,
    act: Act,
    learnt: Any,
    listeners: Int32[np.ndarray, "U"],
    most_steps: int = 20_000,
    environment: Environment = TRUE,
) -> Episodes:
    """Follow listeners through an episode each. What becomes of the n-th hangs on the key and n, not on the others.

    Args:
        key: decides what is drawn.
        world: the world.
        params: its parameters.
        act: the policy, `act(learnt, world, params, key, state, observation)`.
        learnt: what it has learnt.
        listeners: who is followed, by number.
        most_steps: steps after which nobody is followed any further.
        environment: where they live: the world itself, or what stands in for it.
    """
    keys_U = jax.random.split(key, len(listeners))
    lanes = min(LANES, len(listeners))
    # Who is done makes room for the next listener, so that nobody waits for the one who listens longest.
    episode_B, taken_B = np.arange(lanes), np.zeros(lanes, np.int64)
    waiting = lanes
    walk = _enter(keys_U[:lanes], world, params, jnp.asarray(listeners[:lanes], jnp.int32), environment)
    pieces: list[tuple[np.ndarray, np.ndarray, Any]] = []
    while True:
        walk, piece = _walk_on(keys_U[episode_B], jnp.asarray(taken_B), walk, world, params, learnt, act, environment)
        pieces.append((episode_B.copy(), taken_B.copy(), jax.tree.map(np.asarray, piece)))
        taken_B += STEPS
        is_free_B = np.asarray(walk.is_done)[:, 0] | (taken_B >= most_steps)
        count = min(int(is_free_B.sum()), len(listeners) - waiting)
        if is_free_B.all() and not count:
            break
        if count:
            entering = np.flatnonzero(is_free_B)[:count]
            episode_B[entering], taken_B[entering] = np.arange(waiting, waiting + count), 0
            waiting += count
            who_B = jnp.asarray(listeners[episode_B], jnp.int32)
            new = _enter(keys_U[episode_B], world, params, who_B, environment)
            walk = _replaced(jnp.asarray(np.isin(np.arange(lanes), entering)), new, walk)
    length = min(max(int(first_B.max()) for _, first_B, _ in pieces) + STEPS, -(-most_steps // STEPS) * STEPS)
    reward, terminated, is_there, info = _by_listener(pieces, length, len(listeners))
    return Episodes(np.asarray(listeners), is_there, terminated, reward, info)


def _by_listener(pieces: Sequence[tuple[np.ndarray, np.ndarray, Any]], length: int, count: int) -> Any:
    """What was taken of each listener, T x U, from pieces of some of them."""

    def whole(*parts: np.ndarray) -> np.ndarray:
        out = np.zeros((length, count, *parts[0].shape[2:]), parts[0].dtype)
        for (episode_B, first_B, _), part in zip(pieces, parts, strict=True):
            step_SxB = first_B + np.arange(STEPS)[:, None]
            is_within_B = first_B < length
            out[step_SxB[:, is_within_B], episode_B[is_within_B]] = part[:, is_within_B]
        return out

    return jax.tree.map(whole, *(piece for _, _, piece in pieces))


@partial(jax.jit, static_argnames="environment")
def _enter(
    keys_B: jax.Array, world: AnyWorld, params: SatisfactionParams, listeners_B: jax.Array, environment: Environment
) -> Walk:
    # Each walks alone, as the one listener of a walk.
    def one(key: jax.Array, who: jax.Array) -> Walk:
        return start(jax.random.fold_in(key, 0), world, params, who[None], environment)

    return jax.vmap(one)(keys_B, listeners_B)


@jax.jit
def _replaced(is_new_B: jax.Array, new: Walk, walk: Walk) -> Walk:
    return jax.vmap(where)(is_new_B, new, walk)


@partial(jax.jit, static_argnames=("act", "environment"), compiler_options=SMALL_PRODUCTS)
def _walk_on(
    keys_B: jax.Array,
    taken_B: jax.Array,
    walk: Walk,
    world: AnyWorld,
    params: SatisfactionParams,
    learnt: Any,
    act: Act,
    environment: Environment,
) -> tuple[Walk, Any]:
    """A piece of everybody's walk; each draws with a key of its own, whoever else is followed beside."""

    def one(key: jax.Array, taken: jax.Array, walk: Walk) -> tuple[Walk, Any]:
        def choose(key: jax.Array, state: AnyState, seen: Observation) -> tuple[jax.Array, tuple[()]]:
            return act(learnt, world, params, key, state, seen), ()

        return go_on(jax.random.fold_in(key, 1 + taken), walk, choose, world, params, STEPS, environment)

    walk, taken = jax.vmap(one, out_axes=(0, 1))(keys_B, taken_B, walk)
    piece = taken.reward, taken.terminated, taken.is_there, taken.info
    return walk, jax.tree.map(lambda x_SxBx1: x_SxBx1[:, :, 0], piece)


class Outcome(NamedTuple):
    """What became of each listener.

    Attributes:
        satisfaction: total satisfaction in each week, 0 to 1.
        sessions: that began in each week, the first of the episode aside.
        up: ups of each week.
        total_satisfaction: over all weeks.
        return_rate: share of the sessions that ended in the weeks after which the listener was back within `SOON` days;
            NaN for who ended none.
        stays: 1 for who hasn't left for good, 0 else.
        reward: over all weeks.
        minutes: that were heard.
        nourishing: share of these of items that nourish.
        styles: effective number of styles, exp of the entropy of minutes over them.
        tail: share of plays of the least popular `TAIL` of the items.
        shows: share of minutes of shows.
        new_artists: artists who were heard for the first time, in 30 days.
        small_artists: share of plays of artists of the least popular half.
        left_early: share of items that were skipped or thumbed down, of sessions with each of the `INTENTS`; NaN where
            there were none.
    """

    satisfaction: Float32[np.ndarray, "U W"]
    sessions: Float32[np.ndarray, "U W"]
    up: Float32[np.ndarray, "U W"]
    total_satisfaction: Float32[np.ndarray, "U"]
    return_rate: Float32[np.ndarray, "U"]
    stays: Float32[np.ndarray, "U"]
    reward: Float32[np.ndarray, "U"]
    minutes: Float32[np.ndarray, "U"]
    nourishing: Float32[np.ndarray, "U"]
    styles: Float32[np.ndarray, "U"]
    tail: Float32[np.ndarray, "U"]
    shows: Float32[np.ndarray, "U"]
    new_artists: Float32[np.ndarray, "U"]
    small_artists: Float32[np.ndarray, "U"]
    left_early: Float32[np.ndarray, "U I"]


def outcome(episodes: Episodes, world: World, params: SatisfactionParams) -> Outcome:
    """What became of each listener.

    Args:
        episodes: from `follow`.
        world: the world that they happened in.
        params: its parameters.
    """
    info, is_there_TxU = episodes.info, episodes.is_there
    items, hidden = jax.tree.map(np.asarray, (world.items, world.hidden))
    hours_TxU = np.where(is_there_TxU, info.hours, 0.0).astype(np.float64)
    after_TxU = np.cumsum(hours_TxU, axis=0)
    before_TxU = after_TxU - hours_TxU
    hours_per_week = HOURS_PER_DAY * DAYS_PER_WEEK
    weeks = int(np.ceil(float(params.weeks) - 1e-9))

    satisfied, sessions, up = [], [], []
    is_up_TxU = is_there_TxU & (info.feedback == Feedback.UP)
    is_back_TxU = is_there_TxU & info.session_over & ~episodes.terminated
    is_back_TxU &= before_TxU + info.days_away * HOURS_PER_DAY < float(params.weeks) * hours_per_week
    for week in range(weeks):
        begin, end = week * hours_per_week, (week + 1) * hours_per_week
        within_TxU = np.clip(np.minimum(after_TxU, end) - np.maximum(before_TxU, begin), 0, None)
        satisfied.append((within_TxU * info.satisfaction).sum(0) / hours_per_week)
        sessions.append((is_back_TxU & (after_TxU >= begin) & (after_TxU < end)).sum(0))
        up.append((is_up_TxU & (before_TxU >= begin) & (before_TxU < end)).sum(0))
    satisfied_UxW, sessions_UxW, up_UxW = (np.stack(x, axis=1).astype(np.float32) for x in (satisfied, sessions, up))

    # Whether who had a session in the last two days came back in time nobody will know.
    is_known_TxU = is_there_TxU & info.session_over
    is_known_TxU &= before_TxU + SOON * HOURS_PER_DAY < float(params.weeks) * hours_per_week
    is_soon_TxU = is_known_TxU & ~episodes.terminated & (info.days_away <= SOON)
    heard_TxU = np.where(is_there_TxU, info.ratio * items.minutes[info.item], 0.0)
    minutes_U = heard_TxU.sum(0)

    def share(of_TxU: np.ndarray) -> np.ndarray:
        return (heard_TxU * of_TxU).sum(0) / np.maximum(minutes_U, 1e-9)

    is_left_TxU = is_there_TxU & np.isin(info.feedback, (Feedback.SKIP, Feedback.DOWN))

    def left_early(of_TxU: np.ndarray) -> np.ndarray:
        return _ratio((is_left_TxU & of_TxU).sum(0), (is_there_TxU & of_TxU).sum(0))

    is_played_TxU = is_there_TxU & np.isin(info.feedback, (Feedback.PLAY, Feedback.UP))
    plays_U = np.maximum(is_played_TxU.sum(0), 1)
    is_tail_V = items.log_popularity <= np.quantile(items.log_popularity, TAIL)
    is_small_A = small_artists(items.artist, items.log_popularity)
    months = float(params.weeks) * DAYS_PER_WEEK / DAYS_PER_MONTH
    return Outcome(
        satisfaction=satisfied_UxW,
        sessions=sessions_UxW,
        up=up_UxW,
        total_satisfaction=satisfied_UxW.sum(1),
        return_rate=_ratio(is_soon_TxU.sum(0), is_known_TxU.sum(0)),
        stays=1.0 - episodes.terminated.any(0),
        reward=np.where(is_there_TxU, episodes.reward, 0.0).sum(0),
        minutes=minutes_U,
        nourishing=share(hidden.nourishment[info.item] > 0),
        styles=_effective(heard_TxU, items.style[info.item]),
        tail=(is_played_TxU & is_tail_V[info.item]).sum(0) / plays_U,
        shows=share(items.is_show[info.item]),
        new_artists=_different(is_played_TxU, items.artist[info.item]) / months,
        small_artists=(is_played_TxU & is_small_A[items.artist[info.item]]).sum(0) / plays_U,
        left_early=np.stack([left_early(info.intent == intent) for intent in range(len(INTENTS))], axis=1),
    )


def kinds_of_listeners(listeners: Listeners) -> dict[str, Bool[np.ndarray, "U"]]:
    """Who is of each kind, by name; each listener is of one of the two kinds of each pair.

    Args:
        listeners: of the world; of their traits a half is above the median.
    """
    kinds: dict[str, np.ndarray] = {}
    for trait, (high, low) in _TRAITS.items():
        value_U = np.asarray(getattr(listeners, trait))
        is_high_U = value_U > (np.median(value_U) if value_U.dtype != bool else 0.5)
        kinds |= {high: is_high_U, low: ~is_high_U}
    return kinds


_TRAITS = {
    "patience": ("patient", "impatient"),
    "satiation": ("tires fast", "tires slowly"),
    "pause": ("long pauses", "short pauses"),
    "is_show_user": ("hears shows", "no shows"),
}


def small_artists(
    artist_V: Int32[np.ndarray, "V"], log_popularity_V: Float32[np.ndarray, "V"]
) -> Bool[np.ndarray, "A"]:
    """Which artists had the fewest plays before: half of those who have an item.

    Args:
        artist_V: of each item.
        log_popularity_V: log of each item's share of plays.
    """
    plays_A = np.bincount(artist_V, weights=np.exp(log_popularity_V))
    has_items_A = np.bincount(artist_V) > 0
    return has_items_A & (plays_A <= np.median(plays_A[has_items_A]))


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


def _effective(weight_TxU: np.ndarray, kind_TxU: np.ndarray) -> np.ndarray:
    """Exp of the entropy of weights over kinds."""
    columns = np.broadcast_to(np.arange(weight_TxU.shape[1]), weight_TxU.shape)
    sums_UxG = np.zeros((weight_TxU.shape[1], int(kind_TxU.max()) + 1))
    np.add.at(sums_UxG, (columns, kind_TxU), weight_TxU)
    share_UxG = sums_UxG / np.maximum(sums_UxG.sum(1, keepdims=True), 1e-12)
    return np.exp(-(share_UxG * np.log(np.maximum(share_UxG, 1e-12))).sum(1))


def _different(is_counted_TxU: np.ndarray, kind_TxU: np.ndarray) -> np.ndarray:
    """How many kinds there are in each column."""
    columns = np.broadcast_to(np.arange(kind_TxU.shape[1]), kind_TxU.shape)
    is_met_UxA = np.zeros((kind_TxU.shape[1], int(kind_TxU.max()) + 1), bool)
    is_met_UxA[columns[is_counted_TxU], kind_TxU[is_counted_TxU]] = True
    return is_met_UxA.sum(1)
