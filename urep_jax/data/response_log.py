"""Anybody's event log as the response model reads it: sessions, what came of each event, and who was back when.

A real log tells less than a simulated one. Where it is silent the columns say what is least wrong: an item of unknown
share was heard to its end, a device that isn't named is none, and nobody knows with which probability an item was
offered.
"""

import numpy as np
from jaxtyping import Float32, Int

from urep_jax.core.types import SECONDS_PER_DAY
from urep_jax.data.listening_history import NO_DEVICE
from urep_jax.data.log import EventLog
from urep_jax.data.sessions import PAUSE, sessions_of
from urep_jax.simulation.satisfaction.logs import Log
from urep_jax.simulation.satisfaction.mechanisms import HOURS_PER_DAY
from urep_jax.simulation.streaming.params import DEVICES

_SECONDS_PER_HOUR = 3600


def response_log(
    log: EventLog,
    users: Int[np.ndarray, "U"],
    minutes: Float32[np.ndarray, "V"],
    most_events: int,
    repeat_days: float,
    pause: int = PAUSE,
) -> Log:
    """The first events of some users, a row for each.

    Sessions are those of `data.sessions`. Hours are counted from the log's first event; `Log.days_away` of the last
    event is the time until the log's end (right-censoring). Of a history that is cut, what comes next is known.

    Args:
        log: the log.
        users: its numbers of those who are wanted, each with at least one event.
        minutes: how long each item takes.
        most_events: of each user.
        repeat_days: days in which a hearing fades to a half in `Log.heard`.
        pause: as of `data.sessions`.

    Raises:
        ValueError: if `most_events` is below 1, or a user has no event.
    """
    if most_events < 1:
        raise ValueError(f"most_events is {most_events}, but must be at least 1; raise it")
    users = np.asarray(users, np.int64)
    count_U = np.diff(log.offsets)[users]
    if (count_U < 1).any():
        one = log.sequence_ids[int(users[np.argmin(count_U)])]
        raise ValueError(f"user {one} has no event, so nothing can be told of their responses; leave such users out")
    kept_U = np.minimum(count_U, most_events)
    T = int(kept_U.max()) if len(users) else 1
    there_UxT = np.arange(T) < kept_U[:, None]
    event_UxT = np.where(there_UxT, log.offsets[users][:, None] + np.arange(T), 0)

    def of(column: np.ndarray) -> np.ndarray:
        return np.where(there_UxT, np.asarray(column)[event_UxT], 0)

    first, end = (int(x) for x in (log.timestamp.min(), log.timestamp.max()))
    time_UxT, item_UxT = of(log.timestamp), of(log.item).astype(np.int32)
    ratio_UxT = np.where(there_UxT, 1.0, 0.0)
    if log.played_ratio is not None:
        told_UxT = of(log.played_ratio)
        ratio_UxT = np.where(there_UxT & np.isfinite(told_UxT), np.clip(told_UxT, 0.0, 1.0), ratio_UxT)

    follows_UxT = event_UxT + 1 < log.offsets[users + 1][:, None]
    next_UxT = np.asarray(log.timestamp)[np.where(follows_UxT, event_UxT + 1, event_UxT)]
    until_UxT = np.where(follows_UxT, next_UxT, end) - time_UxT
    sessions = sessions_of(log, pause)
    ends_E = np.zeros(log.num_events, bool)
    ends_E[sessions.stop - 1] = True
    over_UxT = there_UxT & ends_E[event_UxT]
    place_E = np.arange(log.num_events) - np.repeat(sessions.first, sessions.stop - sessions.first)
    place_UxT = of(place_E)
    began_UxT = (time_UxT - first) / _SECONDS_PER_HOUR * there_UxT
    ended_UxT = began_UxT + ratio_UxT * minutes[item_UxT] / 60
    # Where an item is longer than what a log has between two events, nothing lies between them.
    away_UxT = np.maximum(until_UxT / _SECONDS_PER_HOUR - (ended_UxT - began_UxT), 0) / HOURS_PER_DAY
    before_UxT = np.arange(T) - place_UxT - 1
    since_UxT = np.where(before_UxT >= 0, np.take_along_axis(away_UxT, np.maximum(before_UxT, 0), axis=1), 0)
    local_UxT = time_UxT if log.utc_offset is None else time_UxT + of(log.utc_offset)

    def floats(x_UxT: np.ndarray) -> np.ndarray:
        return np.where(there_UxT, x_UxT, 0).astype(np.float32)

    return Log(
        listener=users.astype(np.int32),
        is_there=there_UxT,
        item=item_UxT,
        feedback=of(log.feedback).astype(np.int32),
        ratio=floats(ratio_UxT),
        began=floats(began_UxT),
        hours=floats(ended_UxT),
        hour=floats(local_UxT % SECONDS_PER_DAY / _SECONDS_PER_HOUR),
        device=_devices(log, event_UxT, there_UxT),
        place=place_UxT.astype(np.int32),
        days_since=floats(since_UxT),
        heard=floats(_heard(item_UxT, ratio_UxT, time_UxT, there_UxT, repeat_days)),
        pool=np.zeros(there_UxT.shape, np.int32),
        session_over=over_UxT,
        came_back=over_UxT & follows_UxT,
        days_away=floats(np.where(over_UxT, away_UxT, 0)),
        probability=np.full(there_UxT.shape, np.nan, np.float32),
    )


def _devices(log: EventLog, event_UxT: np.ndarray, there_UxT: np.ndarray) -> np.ndarray:
    """By their names; another's device is none that is known."""
    if log.device is None:
        return np.full(event_UxT.shape, NO_DEVICE, np.int32)
    names = [DEVICES.index(name) if name in DEVICES else NO_DEVICE for name in log.device_ids.to_pylist()]
    number_UxT = np.asarray(log.device)[event_UxT]
    known_UxT = there_UxT & (number_UxT >= 0)
    return np.where(known_UxT, np.array([*names, NO_DEVICE], np.int32)[number_UxT], NO_DEVICE).astype(np.int32)


def _heard(
    item_UxT: np.ndarray, ratio_UxT: np.ndarray, time_UxT: np.ndarray, there_UxT: np.ndarray, repeat_days: float
) -> np.ndarray:
    """The share heard of an item so far, each hearing halved every `repeat_days`: hearing by hearing of each item."""
    row_N, place_N = np.nonzero(there_UxT)
    item_N, time_N, ratio_N = item_UxT[there_UxT], time_UxT[there_UxT], ratio_UxT[there_UxT]
    order = np.lexsort((place_N, item_N, row_N))
    same_N = (np.diff(row_N[order]) == 0) & (np.diff(item_N[order]) == 0)
    fade_N = 2.0 ** (-np.diff(time_N[order]) / (repeat_days * SECONDS_PER_DAY))
    heard_N = np.zeros(len(order))
    for n in np.flatnonzero(same_N):
        heard_N[n + 1] = (heard_N[n] + ratio_N[order[n]]) * fade_N[n]
    heard_UxT = np.zeros(item_UxT.shape)
    heard_UxT[row_N[order], place_N[order]] = heard_N
    return heard_UxT
