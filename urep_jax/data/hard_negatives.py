"""The ladder of hard negatives: which of a listener's own downs or skips is set against a liked song.

Source: Negative Feedback for Music Personalization, §3 and Fig. 1.
"""

import enum

import numpy as np
from jaxtyping import Bool, Int8, Int32, UInt64

from urep_jax.core.streams import row_uniform
from urep_jax.core.types import Feedback


class Rung(enum.IntEnum):
    """Where a position's negative comes from, the most telling source first."""

    SAME_DAY_DOWN = 0
    """A down of the same day on the same station, before or after the position."""
    SAME_DAY_SKIP = 1
    """A skip of the same day on the same station, before or after the position."""
    FUTURE_DOWN = 2
    """Any down after the position."""
    FUTURE_SKIP = 3
    """Any skip after the position."""
    RANDOM = 4
    """A random song: no hard negative was wanted, or none was left."""


def draw_hard_negatives(
    seed: UInt64[np.ndarray, "B"],
    item: Int32[np.ndarray, "B W"],
    feedback: Int8[np.ndarray, "B W"],
    day: Int32[np.ndarray, "B W"],
    station: Int32[np.ndarray, "B W"],
    position: Int32[np.ndarray, "B T"],
    wanted: Bool[np.ndarray, "B T"],
) -> tuple[Int32[np.ndarray, "B T"], Int8[np.ndarray, "B T"]]:
    """Give each position that wants one the best hard negative of its row that is still free.

    Within a rung the choice is uniform. An event serves at most one position; the positions of a row are served in
    random order.

    Args:
        seed: names each row's random choices, which hang on nothing in other rows.
        item: song of each event; a liked song that was skipped another time is no negative of its own.
        feedback: code of each event, `NONE` where there is no event.
        day: day of each event, in the listener's time where it is known.
        station: station of each event; where a data set has none, the same value everywhere.
        position: the task positions, columns of the above.
        wanted: which of the positions are to get a hard negative.

    Returns:
        `column` of the event that serves each position, -1 where none does, and its `Rung`.
    """
    B, W = feedback.shape
    T = position.shape[1]
    column_BxT = np.full((B, T), -1, np.int32)
    rung_BxT = np.full((B, T), Rung.RANDOM, np.int8)
    if not wanted.any():
        return column_BxT, rung_BxT
    is_down_BxW = feedback == Feedback.DOWN
    free_BxW = is_down_BxW | (feedback == Feedback.SKIP)
    # A skip stands one rung below a down of the same kind, so a rung is a sum and needs no nested choice.
    step_BxW = np.where(is_down_BxW, 0, 1).astype(np.float32)
    # Below 0.99, so that rounding never lifts a rung's luckiest event to the next rung.
    luck_BxW = 0.99 * row_uniform(seed, "hard_negatives", W)
    columns_W = np.arange(W)

    # The wanted positions come first in each row and in random order: turn i serves every row's i-th at once.
    turn_BxT = np.argsort(np.where(wanted, row_uniform(seed, "turns", T), 2.0), axis=1)
    num_wanted_B = wanted.sum(1)
    for turn in range(num_wanted_B.max(initial=0)):
        rows = np.flatnonzero((num_wanted_B > turn) & free_BxW.any(1))
        if not len(rows):
            break
        task = turn_BxT[rows, turn]
        at = position[rows, task]
        same = (day[rows] == day[rows, at][:, None]) & (station[rows] == station[rows, at][:, None])
        later = columns_W > at[:, None]
        other = item[rows] != item[rows, at][:, None]
        usable = free_BxW[rows] & (same | later) & other
        # Rung plus luck below 1: the smallest is a uniform choice within the best rung there is.
        order = np.where(usable, np.where(same, 0, 2) + step_BxW[rows] + luck_BxW[rows], np.inf)
        best = order.argmin(1)
        found = np.flatnonzero(np.isfinite(order[np.arange(len(rows)), best]))
        rows, task, best, rung = rows[found], task[found], best[found], order[found, best[found]]
        column_BxT[rows, task] = best
        rung_BxT[rows, task] = rung.astype(np.int8)
        free_BxW[rows, best] = False
    return column_BxT, rung_BxT
