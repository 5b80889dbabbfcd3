"""What is remembered of all that a listener has heard, event by event, and what is seen of an item that is offered now.

A few numbers stand for a history of any length: means that fade at several rates, of the content of what was heard and
of what was left early, of feedback, of pauses. Nothing of them is an item's id, so that new items are as good as old
ones, and nothing of them is hidden from a service.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float32, Int32

from urep_jax.core.types import RESPONSES
from urep_jax.simulation.satisfaction.mechanisms import HOURS_PER_DAY
from urep_jax.simulation.satisfaction.world import Items
from urep_jax.simulation.streaming.params import DEVICES

RATES = (0.8, 0.95, 0.99)
"""Share of a mean that outlasts one more item: of the last few, of a session or two, and of weeks."""

STYLE_RATES, STYLE_HALF_HOURS = (0.7, 0.9), (12.0, 24.0)
"""Share of what was heard of a style that outlasts one more item, and hours in which it halves."""

SESSION_RATE = 0.9
"""Share of the means over sessions that outlasts one more session."""

NO_DEVICE = -1
"""In place of a device that nobody knows."""

_TYPICAL_MINUTES = 4.0


class KnownItems(NamedTuple):
    """What is known of each item.

    Attributes:
        numbers: content, fame, length, and whether it is a show, of mean 0 and variance 1 or near it.
        style: which style it is of.
        minutes: its length.
        brings_back: log of how many times as soon those are back who hear nothing else, as far as logs tell
            (`training.brings_back`); 0 before that has been learnt.
    """

    numbers: Float32[Array, "V F"]
    style: Int32[Array, "V"]
    minutes: Float32[Array, "V"]
    brings_back: Float32[Array, "V"]


class Asked(NamedTuple):
    """An item that is offered, and when.

    Attributes:
        item: its number.
        heard: how often the listener has heard it.
        hours: since the beginning.
        hour: of the day.
        device: index into `DEVICES`; `NO_DEVICE` where unknown.
        place: items that were heard in this session.
        days_since: days between the session before and this one.
    """

    item: Int32[Array, "*B"]
    heard: Float32[Array, "*B"]
    hours: Float32[Array, "*B"]
    hour: Float32[Array, "*B"]
    device: Int32[Array, "*B"]
    place: Int32[Array, "*B"]
    days_since: Float32[Array, "*B"]


class Outcome(NamedTuple):
    """What came of it.

    Attributes:
        feedback: code of `core.types.Feedback`.
        ratio: share of it that was heard.
        session_over: whether the session ended.
        came_back: whether another one is known to have begun.
        days_away: until then, or that have passed since without one; 0 where the session went on.
    """

    feedback: Int32[Array, "*B"]
    ratio: Float32[Array, "*B"]
    session_over: Bool[Array, "*B"]
    came_back: Bool[Array, "*B"]
    days_away: Float32[Array, "*B"]


class History(NamedTuple):
    """What is remembered of a listener.

    Attributes:
        heard: mean of the numbers of what was heard, weighted by how much of it was, at each of `RATES`.
        left: of what was left early; it fades as one listens, like `heard`, so that the two can be compared.
        lefts: how much was left early beside what was heard: likewise, of ones.
        brought: mean of how soon what was heard brings back, like `heard`.
        kinds: share of each of `RESPONSES`.
        styles: how much of each style was heard lately, at each of `STYLE_RATES`.
        pause: mean of log(1 + days) away.
        length: mean of log(1 + items) of a session.
        items: that were offered.
        sessions: that are over.
        here: of this session, items that were left early, items that were not, and those left in a row just now.
        last: what came of the latest item: one of `RESPONSES`, and the share heard.
        ended: when that was over, in hours.
    """

    heard: Float32[Array, "*B J F"]
    left: Float32[Array, "*B J F"]
    lefts: Float32[Array, "*B J"]
    brought: Float32[Array, "*B J"]
    kinds: Float32[Array, "*B J 4"]
    styles: Float32[Array, "*B 2 G"]
    pause: Float32[Array, "*B"]
    length: Float32[Array, "*B"]
    items: Float32[Array, "*B"]
    sessions: Float32[Array, "*B"]
    here: Float32[Array, "*B 3"]
    last: Float32[Array, "*B 5"]
    ended: Float32[Array, "*B"]


class Features(NamedTuple):
    """What a model reads at one event, before its outcome.

    Attributes:
        listener: numbers of the listener now, and of the moment.
        item: of the item.
        relation: of how the two stand to each other.
        lasting: of what outlasts a session: of the listener, with no content but in how soon it brings back.
    """

    listener: Float32[Array, "*B X"]
    item: Float32[Array, "*B F"]
    relation: Float32[Array, "*B M"]
    lasting: Float32[Array, "*B Y"]


def known_items(items: Items) -> KnownItems:
    """What is known of these items."""
    fame_V = items.log_popularity - items.log_popularity.mean()
    long_V = jnp.log(items.minutes) - jnp.log(items.minutes).mean()
    columns = (fame_V / jnp.maximum(fame_V.std(), 1e-6), long_V, items.is_show.astype(jnp.float32))
    numbers_VxF = jnp.concatenate([items.content, jnp.stack(columns, 1)], 1)
    return KnownItems(numbers_VxF, items.style, items.minutes, jnp.zeros_like(items.minutes))


def no_history(items: KnownItems, num_styles: int) -> History:
    """That of a listener who has heard nothing."""
    rates, width, zero = len(RATES), items.numbers.shape[1], jnp.float32(0)
    return History(
        heard=jnp.zeros((rates, width)),
        left=jnp.zeros((rates, width)),
        lefts=jnp.zeros(rates),
        brought=jnp.zeros(rates),
        kinds=jnp.zeros((rates, len(RESPONSES))),
        styles=jnp.zeros((len(STYLE_RATES), num_styles)),
        pause=zero,
        length=zero,
        items=zero,
        sessions=zero,
        here=jnp.zeros(3),
        last=jnp.zeros(len(RESPONSES) + 1),
        ended=zero,
    )


def features(history: History, asked: Asked, vector: Float32[Array, "Z"], items: KnownItems) -> Features:
    """What is seen of one listener and the item that is offered.

    Args:
        history: what came before.
        asked: the item, and when.
        vector: what is known of the listener beforehand, in the space of the items' first numbers or of any width.
        items: what is known of all items.
    """
    x_F = items.numbers[asked.item]
    rate_J = jnp.array(RATES)
    # A mean that fades slowly varies little; brought to the scale of one item.
    scale_Jx1 = jnp.sqrt((1 + rate_J) / (1 - rate_J))[:, None]
    heard_JxF, left_JxF = scale_Jx1 * history.heard, scale_Jx1 * history.left
    angle = 2 * jnp.pi * asked.hour / HOURS_PER_DAY
    had_sessions = history.sessions > 0
    moment = jnp.stack(
        [
            jnp.log1p(history.items) / 3,
            jnp.log1p(history.sessions) / 2,
            jnp.where(had_sessions, history.pause - 1, 0.0),
            jnp.where(had_sessions, history.length - 2, 0.0),
            had_sessions.astype(jnp.float32),
            jnp.log1p(jnp.maximum(asked.hours - history.ended, 0.0)) / 3,
            jnp.sin(angle),
            jnp.cos(angle),
            jnp.log1p(asked.place.astype(jnp.float32)),
            jnp.log1p(asked.days_since),
        ]
    )
    latest = jnp.concatenate([history.lefts, jnp.log1p(history.here), history.last])
    device = jax.nn.one_hot(asked.device, len(DEVICES))
    without_content = (2 * history.kinds.ravel(), latest, moment, device)
    tired_2 = _rested(history.styles, asked.hours - history.ended)[:, items.style[asked.item]]
    times = jnp.minimum(asked.heard / 3, 3.0)
    width = min(vector.shape[0], x_F.shape[0])
    near = jnp.concatenate([heard_JxF @ x_F, left_JxF @ x_F, (vector[:width] @ x_F[:width])[None]])
    return Features(
        listener=jnp.concatenate([vector, heard_JxF.ravel(), left_JxF.ravel(), *without_content]),
        item=x_F,
        relation=jnp.concatenate([near / x_F.shape[0] ** 0.5, tired_2, jnp.stack([times, times**2])]),
        lasting=jnp.concatenate([vector, *without_content, history.brought]),
    )


def remember(history: History, asked: Asked, outcome: Outcome, items: KnownItems) -> History:
    """The history of one listener after one more event.

    Args:
        history: what came before.
        asked: the item, and when.
        outcome: what came of it.
        items: what is known of all items.
    """
    x_F, minutes = items.numbers[asked.item], outcome.ratio * items.minutes[asked.item]
    kind_4 = (outcome.feedback == jnp.array(RESPONSES)).astype(jnp.float32)
    is_left = kind_4[2] + kind_4[3]
    rate_Jx1 = jnp.array(RATES)[:, None]
    dose, stays_J = _doses(minutes), outlasting(minutes)
    stays_Jx1 = stays_J[:, None]
    style_rate_2x1 = jnp.array(STYLE_RATES)[:, None] ** dose
    is_style_G = jax.nn.one_hot(items.style[asked.item], history.styles.shape[-1])
    rested_2xG = _rested(history.styles, asked.hours - history.ended)
    over = outcome.session_over
    left, not_left, in_a_row = history.here
    here_3 = jnp.stack([left + is_left, not_left + 1 - is_left, (in_a_row + 1) * is_left])
    return History(
        heard=stays_Jx1 * history.heard + (1 - stays_Jx1) * x_F,
        left=stays_Jx1 * history.left + (1 - rate_Jx1) * is_left * x_F,
        lefts=stays_J * history.lefts + (1 - rate_Jx1[:, 0]) * is_left,
        brought=stays_J * history.brought + (1 - stays_J) * items.brings_back[asked.item],
        kinds=rate_Jx1 * history.kinds + (1 - rate_Jx1) * kind_4,
        styles=style_rate_2x1 * rested_2xG + (1 - style_rate_2x1) * is_style_G,
        pause=_mean_after(history.pause, jnp.log1p(outcome.days_away), history.sessions, over & outcome.came_back),
        length=_mean_after(history.length, jnp.log(asked.place + 2.0), history.sessions, over),
        items=history.items + 1,
        sessions=history.sessions + over,
        here=jnp.where(over, 0.0, here_3),
        last=jnp.append(kind_4, outcome.ratio),
        ended=asked.hours + minutes / 60,
    )


def outlasting(minutes: Float32[Array, "*B"]) -> Float32[Array, "*B J"]:
    """Share of a mean over what was heard that outlasts so many minutes more of it, at each of `RATES`."""
    return jnp.array(RATES) ** _doses(minutes)[..., None]


def _doses(minutes: jax.Array) -> jax.Array:
    """How many items' worth of listening it is: a longer item counts for more, but not in proportion."""
    return jnp.log1p(minutes) / jnp.log1p(_TYPICAL_MINUTES)


def _rested(styles_2xG: jax.Array, hours: jax.Array) -> jax.Array:
    return styles_2xG * 2.0 ** (-jnp.maximum(hours, 0.0) / jnp.array(STYLE_HALF_HOURS))[:, None]


def _mean_after(mean: jax.Array, new: jax.Array, count: jax.Array, is_new: jax.Array) -> jax.Array:
    """A mean that fades, and is plain at first."""
    share = jnp.maximum(1 / (count + 1), 1 - SESSION_RATE)
    return jnp.where(is_new, mean + share * (new - mean), mean)
