"""Sessions: listening of a user that no long pause breaks."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from urep_jax.data.log import EventLog

PAUSE = 1_800
"""Seconds between two events after which the later one begins a session: half an hour, as is usual."""


class Sessions(NamedTuple):
    """The sessions of a log, in the order of its events.

    Attributes:
        user: the log's number of each session's user.
        first: its first event.
        stop: one past its last event.
        away: seconds since the user's event before it; -1 where there is none.
    """

    user: Int64[np.ndarray, "N"]
    first: Int64[np.ndarray, "N"]
    stop: Int64[np.ndarray, "N"]
    away: Int64[np.ndarray, "N"]


def sessions_of(log: EventLog, pause: int = PAUSE) -> Sessions:
    """Cut every user's events where more than `pause` seconds lie between two of them.

    A log tells one time of an event, so that an episode that lasts longer than the pause is a session of its own.

    Args:
        log: the log.
        pause: at least 0.

    Raises:
        ValueError: if `pause` is below 0.
    """
    if pause < 0:
        raise ValueError(f"pause is {pause}, but must be at least 0 seconds")
    length_S = np.diff(log.offsets)
    begins_E = np.ones(log.num_events, bool)
    gap = np.diff(log.timestamp)
    begins_E[1:] = gap > pause
    of_user = np.asarray(log.offsets[:-1][length_S > 0])
    begins_E[of_user] = True
    first_N = np.flatnonzero(begins_E)
    away_N = np.full(len(first_N), -1, np.int64)
    is_later_N = ~np.isin(first_N, of_user)
    away_N[is_later_N] = gap[first_N[is_later_N] - 1]
    user_N = np.searchsorted(log.offsets, first_N, side="right") - 1
    return Sessions(user_N, first_N, np.append(first_N[1:], log.num_events), away_N)
