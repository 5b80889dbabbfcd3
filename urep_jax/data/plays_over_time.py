"""How often items had been listened to at moments a week apart: what is known of their popularity, and since when."""

import dataclasses

import numpy as np
from jaxtyping import Float32, Int, Int64

from urep_jax.core.types import LISTENED, SECONDS_PER_DAY
from urep_jax.data.log import EventLog

_WEEK = 7 * SECONDS_PER_DAY
_EVENTS = 1 << 22
"""Events that are counted at once; it changes no result."""


@dataclasses.dataclass(frozen=True, eq=False)
class PlaysOverTime:
    """Plays of items before moments.

    Attributes:
        time: G moments, a week apart, ascending; seconds since 1970, UTC. Nothing was listened to before the first.
        plays: how often each item had been listened to before each of them.
    """

    time: Int64[np.ndarray, "G"]
    plays: Int64[np.ndarray, "G V"]

    def moment(self, time: Int[np.ndarray, "N"]) -> Int64[np.ndarray, "N"]:
        """The last of the moments that isn't later than each time; the first one, where all are."""
        return np.maximum(np.searchsorted(self.time, time, side="right") - 1, 0)

    def before(self, time: Int[np.ndarray, "N"], item: Int[np.ndarray, "N"]) -> Float32[np.ndarray, "N 2"]:
        """log(1 + plays) of items as it was known at a time: of all plays, and of those of four weeks.

        They are of the time up to the last moment before, so that no play at `time` or later is among them.

        Args:
            time: seconds since 1970, UTC.
            item: the log's number of an item, for each of them.
        """
        moment_N = self.moment(time)
        all_N = self.plays[moment_N, item]
        recent_N = all_N - self.plays[np.maximum(moment_N - 4, 0), item]
        return np.log1p(np.stack([all_N, recent_N], axis=1)).astype(np.float32)


def plays_over_time(log: EventLog, until: int) -> PlaysOverTime:
    """Count everybody's plays and ups up to each moment: `until`, and week by week before it.

    Args:
        log: the log.
        until: seconds since 1970, UTC.
    """
    first = min(int(log.timestamp.min()), until) if log.num_events else until
    weeks = -(-(until - first) // _WEEK)
    time_G = until - _WEEK * np.arange(weeks, -1, -1, dtype=np.int64)
    # A play counts from the first moment on that is later than it; the last row takes what is later than all.
    plays = np.zeros((len(time_G) + 1) * log.num_items, np.int64)
    for start in range(0, log.num_events, _EVENTS):
        own = slice(start, start + _EVENTS)
        heard = np.isin(log.feedback[own], LISTENED)
        moment = np.searchsorted(time_G, log.timestamp[own][heard], side="right")
        plays += np.bincount(moment * log.num_items + log.item[own][heard], minlength=len(plays))
    counts = plays.reshape(len(time_G) + 1, log.num_items)[:-1].cumsum(axis=0)
    return PlaysOverTime(time_G, counts)
