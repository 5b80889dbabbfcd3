"""What a listener will want later: a moment in a log, what was offered some time after it, and what came of that.

Of a question everything is known at its moment t but the items that are asked about and the hour of the day: who
forecasts what is wanted tomorrow at eight asks about tomorrow at eight. Nobody knows beforehand on which device that
is, unless it is soon, how many items of the session are over then, and what has been heard in between.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
from jaxtyping import Array, Bool, Float32, Float64, Int, Int32, Int64

from urep_jax.core.types import LISTENED
from urep_jax.data.epochs import RowBatches, Rows
from urep_jax.data.listening_history import NO_DEVICE, Asked, History, KnownItems
from urep_jax.data.response_windows import histories
from urep_jax.simulation.satisfaction.logs import Log
from urep_jax.simulation.satisfaction.mechanisms import HOURS_PER_DAY

STRIDE = 8
"""Events between the moments of a listener."""

MOST_ITEMS = 16
"""Items that a question asks about at most; the first ones, where more were offered."""

PSEUDO_COUNT = 10.0
"""Events that the mean of all items counts as, in how often an item was wanted."""


class Horizon(NamedTuple):
    """How far ahead is asked.

    Attributes:
        name: what it is called.
        hours: from the moment.
        earliest: hours from the moment before which nothing counts.
        latest: after which nothing counts.
        is_soon: whether the device is taken to be the present one.
    """

    name: str
    hours: float
    earliest: float
    latest: float
    is_soon: bool


HORIZONS = (
    Horizon("ten_minutes", 10 / 60, 5 / 60, 20 / 60, True),
    Horizon("one_day", 24.0, 12.0, 36.0, False),
    Horizon("one_week", 7 * 24.0, 6 * 24.0, 8 * 24.0, False),
)
"""Source: Spotify Engineering (2021), "How Spotify uses ML to create the future of personalization": "Guessing what a
user will want 10 minutes from now, one day from now, one week from now"."""


class Questions(NamedTuple):
    """`B` questions about `M` items each.

    Attributes:
        history: what is remembered at each question's moment.
        vector: what is known of its listener beforehand.
        asked: the items, and what is known of when they are offered.
        feedback: what was done with them, code of `core.types.Feedback`.
        is_there: which items there are.
    """

    history: History
    vector: Float32[Array, "B Z"]
    asked: Asked
    feedback: Int32[Array, "B M"]
    is_there: Bool[Array, "B M"]


class Places(NamedTuple):
    """Where in a log `N` questions lie.

    Attributes:
        row: the listener's.
        moment: t is when the event before this one was over.
        first: the first event that is asked about.
        count: how many are, this one and those after it.
    """

    row: Int64[np.ndarray, "N"]
    moment: Int64[np.ndarray, "N"]
    first: Int64[np.ndarray, "N"]
    count: Int64[np.ndarray, "N"]


class ForecastQuestions(RowBatches[Questions]):
    """The questions of one horizon about a log, as batches.

    Args:
        log: whose events.
        vectors: what is known of the log's listeners beforehand, a row for each of its rows.
        moments: what is remembered at its moments, from `remembered`.
        horizon: how far ahead.
        repeat_days: days in which a hearing fades to a half in `Log.heard`.
        batch_size: questions of a batch.
        seed: names the run's random streams.

    Raises:
        ValueError: if nothing was offered that far ahead of anything.
    """

    def __init__(
        self,
        log: Log,
        vectors: Float32[np.ndarray, "U Z"],
        moments: History,
        horizon: Horizon,
        repeat_days: float,
        batch_size: int,
        seed: int,
    ) -> None:
        self.horizon, self.places = horizon, places_of(log, horizon)
        row_N, _, first_N, count_N = self.places
        if not len(row_N):
            raise ValueError(
                f"nobody was offered anything from {horizon.earliest:g} to {horizon.latest:g} hours after one of their "
                f"every {STRIDE} events, so nothing can be asked; give a log of more listeners or weeks"
            )
        self.log, self._vectors = log, np.asarray(vectors)
        T = log.item.shape[1]
        self.event_NxM = np.minimum(first_N[:, None] + np.arange(MOST_ITEMS), T - 1)
        self.is_there_NxM = np.arange(MOST_ITEMS) < count_N[:, None]
        self._heard_NxM = heard_until(log, self.places, self.event_NxM, horizon.hours, repeat_days)
        self._moments = moments
        super().__init__(row_N, pa.array([str(one) for one in np.asarray(log.listener)]), batch_size, seed)

    def batch(self, rows: Rows) -> Questions:
        """These questions; of those that are none, no item counts."""
        log, row, is_row = self.log, rows.row, rows.is_row
        user_B, moment_B = self.places.row[row], self.places.moment[row]
        event_BxM, first_B = self.event_NxM[row], self.places.first[row]

        def same_for_all(x_B: Any, dtype: type) -> np.ndarray:
            return np.tile(np.asarray(x_B, dtype)[:, None], (1, MOST_ITEMS))

        zeros_B = np.zeros(len(row))
        device_B = log.device[user_B, moment_B - 1] if self.horizon.is_soon else zeros_B + NO_DEVICE
        return Questions(
            history=jax.tree.map(lambda x: x[moment_B // STRIDE, user_B], self._moments),
            vector=self._vectors[user_B],
            asked=Asked(
                item=log.item[user_B[:, None], event_BxM],
                heard=self._heard_NxM[row],
                hours=same_for_all(log.hours[user_B, moment_B - 1] + self.horizon.hours, np.float32),
                hour=same_for_all(log.hour[user_B, first_B], np.float32),
                device=same_for_all(device_B, np.int32),
                place=same_for_all(zeros_B, np.int32),
                days_since=same_for_all(zeros_B, np.float32),
            ),
            feedback=log.feedback[user_B[:, None], event_BxM],
            is_there=self.is_there_NxM[row] & is_row[:, None],
        )


def remembered(log: Log, items: KnownItems, num_styles: int) -> History:
    """What is remembered at the moments of a log, arrays of moments x listeners: the same for all horizons.

    Args:
        log: whose events.
        items: what is known of items.
        num_styles: styles that items may be of.
    """
    moments: History = jax.device_get(histories(log, items, num_styles, STRIDE, 1 + (log.item.shape[1] - 1) // STRIDE))
    return moments


def is_wanted(feedback: Int[np.ndarray, "*N"]) -> Bool[np.ndarray, "*N"]:
    """Whether an item was heard to its end or thumbed up, by its feedback's code; it was skipped or downed if not."""
    return np.isin(feedback, LISTENED)


def wanted_rate(log: Log, num_items: int) -> Float64[np.ndarray, "V"]:
    """The share of each item's offers in which it was wanted, `(wanted_v + a mean) / (offers_v + a)`.

    It is the mean of a Beta posterior whose prior is worth a = `PSEUDO_COUNT` events at the rate of all items.

    Args:
        log: that is counted.
        num_items: V.
    """
    item_N = log.item[log.is_there]
    offers_V = np.bincount(item_N, minlength=num_items)
    wanted_V = np.bincount(item_N, weights=is_wanted(log.feedback[log.is_there]), minlength=num_items)
    mean = wanted_V.sum() / max(offers_V.sum(), 1)
    return (wanted_V + PSEUDO_COUNT * mean) / (offers_V + PSEUDO_COUNT)


def with_rates(items: KnownItems, log: Log) -> KnownItems:
    """The same items, of which it is known besides how often each was wanted: `wanted_rate`, with variance 1.

    Args:
        items: what is known of them.
        log: that is counted: one that is learnt from.
    """
    rate_V = wanted_rate(log, len(items.minutes))
    column_V = (rate_V - rate_V.mean()) / max(rate_V.std(), 1e-6)
    return items._replace(numbers=jnp.concatenate([items.numbers, jnp.asarray(column_V, jnp.float32)[:, None]], 1))


def places_of(log: Log, horizon: Horizon) -> Places:
    """Where the questions of a log lie: of each moment the events of one session, that which is nearest to the horizon.

    Moments are the ends of every `STRIDE`th event of a listener. An event counts that was offered from `earliest` to
    `latest` hours later.

    Args:
        log: the log.
        horizon: how far ahead is asked.
    """
    found = []
    for row in range(log.item.shape[0]):
        count = int(log.is_there[row].sum())
        moment_Q = np.arange(STRIDE, count, STRIDE)
        began_T = log.began[row, :count].astype(np.float64)
        now_Q = log.hours[row, moment_Q - 1].astype(np.float64)
        low_Q = np.searchsorted(began_T, now_Q + horizon.earliest)
        high_Q = np.searchsorted(began_T, now_Q + horizon.latest, side="right")
        after_Q = np.clip(np.searchsorted(began_T, now_Q + horizon.hours), 1, count - 1)
        is_before_Q = now_Q + horizon.hours - began_T[after_Q - 1] < began_T[after_Q] - now_Q - horizon.hours
        nearest_Q = np.clip(after_Q - is_before_Q, low_Q, np.maximum(high_Q - 1, low_Q))
        nearest_Q = np.minimum(nearest_Q, count - 1)
        begins_T = np.flatnonzero(log.place[row, :count] == 0)
        session_Q = np.searchsorted(begins_T, nearest_Q, side="right")
        first_Q = np.maximum(low_Q, begins_T[session_Q - 1])
        stop_Q = np.minimum(high_Q, np.append(begins_T, count)[session_Q])
        asked_Q = np.minimum(stop_Q - first_Q, MOST_ITEMS)
        is_any_Q = asked_Q > 0
        found.append(np.stack([np.full(len(moment_Q), row), moment_Q, first_Q, asked_Q])[:, is_any_Q])
    return Places(*np.concatenate(found, axis=1).astype(np.int64))


def heard_until(
    log: Log, places: Places, event_NxM: np.ndarray, hours: float, repeat_days: float
) -> Float32[np.ndarray, "N M"]:
    """How often the listener had heard each item at a question's moment, as far as that will be remembered then:

        sum over events before the moment of this item: share heard 2^(-(t + hours - began) / repeat_days).

    Args:
        log: the log.
        places: where the questions lie.
        event_NxM: the events whose items are asked about.
        hours: from the moment until it is asked.
        repeat_days: days in which a hearing fades to a half.
    """
    heard_NxM = np.zeros(event_NxM.shape, np.float32)
    for row in np.unique(places.row):
        of_row = np.flatnonzero(places.row == row)
        moment_Q = places.moment[of_row]
        until = int(moment_Q.max())
        item_T = log.item[row]
        is_same_QxMxT = item_T[event_NxM[of_row]][..., None] == item_T[:until]
        then_Qx1 = (log.hours[row, moment_Q - 1] + hours)[:, None]
        fades_QxT = 2.0 ** (-(then_Qx1 - log.began[row, :until]) / (HOURS_PER_DAY * repeat_days))
        weight_QxT = log.ratio[row, :until] * fades_QxT * (np.arange(until) < moment_Q[:, None])
        heard_NxM[of_row] = np.einsum("qmt,qt->qm", is_same_QxMxT, weight_QxT)
    return heard_NxM
