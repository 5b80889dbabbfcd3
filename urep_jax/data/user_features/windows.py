"""Which events of a user lie in the time before a moment."""

import numpy as np
from jaxtyping import Int64

from urep_jax.data.log import EventLog


def events_before(log: EventLog, user: Int64[np.ndarray, "N"], time: Int64[np.ndarray, "N"]) -> Int64[np.ndarray, "N"]:
    """Where each user's events stop that were before `time`, a flat index: of `offsets[u]:stop` all are earlier.

    Args:
        log: the log.
        user: its numbers of users.
        time: seconds since 1970, UTC.
    """
    low_N, high_N = log.offsets[user], log.offsets[user + 1]
    last = max(log.num_events - 1, 0)
    # By halves, all users at once: a user's events are in order of time.
    while (searching_N := low_N < high_N).any():
        middle_N = (low_N + high_N) // 2
        earlier_N = searching_N & (log.timestamp[np.minimum(middle_N, last)] < time)
        low_N = np.where(earlier_N, middle_N + 1, low_N)
        high_N = np.where(searching_N & ~earlier_N, middle_N, high_N)
    return low_N
