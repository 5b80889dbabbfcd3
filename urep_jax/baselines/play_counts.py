"""How often users listened to items before a moment, as a matrix."""

import numpy as np
from jaxtyping import Int, Int64
from scipy.sparse import csr_array

from urep_jax.core.types import LISTENED
from urep_jax.data.log import EventLog
from urep_jax.data.ragged import offsets_of, ranges, running_count
from urep_jax.data.user_features.windows import events_before


def play_counts(log: EventLog, user: Int[np.ndarray, "N"], time: Int64[np.ndarray, "N"]) -> csr_array:
    """Plays and ups of each user and item before a moment; what was skipped or thumbed down wasn't listened to.

    Args:
        log: the log.
        user: its numbers of users.
        time: seconds since 1970, UTC, for each of them.

    Returns:
        N x V, float32.
    """
    start_N, stop_N = log.offsets[user], events_before(log, user, time)
    event_E, offsets = ranges(start_N, stop_N), offsets_of(stop_N - start_N)
    heard_E = np.isin(log.feedback[event_E], LISTENED)
    item = np.asarray(log.item[event_E])[heard_E]
    counts = csr_array(
        (np.ones(len(item), np.float32), item, running_count(heard_E)[offsets]), shape=(len(user), log.num_items)
    )
    counts.sum_duplicates()
    return counts
