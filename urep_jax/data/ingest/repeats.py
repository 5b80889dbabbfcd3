"""Events that say the same twice, and events that contradict each other."""

from collections.abc import Collection, Mapping

import numpy as np
from jaxtyping import Bool

from urep_jax.core.types import Feedback

Columns = Mapping[str, np.ndarray]


def find_repeats(
    events: Columns, exclusive: Collection[Feedback] = tuple(Feedback)
) -> tuple[Bool[np.ndarray, "N"], Bool[np.ndarray, "N"]]:
    """Which events repeat an earlier one, and which are contradicted.

    Two events contradict each other if user, item, station and time are the same and the feedback isn't: there is no
    telling which one holds, so all of them go. An event repeats another if every column is the same.

    Args:
        events: columns `sequence`, `timestamp`, `item` and `feedback`, and any of the optional ones, sorted by
            sequence and time; all events of a moment must be there.
        exclusive: feedback of which only one kind can hold at a time; the other kinds contradict nothing.

    Returns:
        Two masks: exact duplicates (all but the first of each), and contradicted events; no event is in both.
    """
    size = len(events["item"])
    duplicate, contradicted = np.zeros(size, bool), np.zeros(size, bool)
    sequence, timestamp = events["sequence"], events["timestamp"]
    follows = (sequence[1:] == sequence[:-1]) & (timestamp[1:] == timestamp[:-1])
    in_moment = np.zeros(size, bool)
    in_moment[1:] |= follows
    in_moment[:-1] |= follows
    among = np.flatnonzero(in_moment)
    if len(among) == 0:
        return duplicate, contradicted

    moment = np.cumsum(~np.concatenate([[False], follows]))[among]
    same = {"moment": moment} | {name: events[name][among] for name in ("item", "station") if name in events}
    rest = [name for name in events if name not in ("sequence", "timestamp", "item", "station", "feedback")]
    told = {name: _comparable(events[name][among]) for name in ("feedback", *rest)}
    # A stable sort whose last key leads: by what must be the same, then by what may differ, then as they came.
    order = np.lexsort([*reversed(told.values()), *reversed(same.values())])
    among = among[order]
    new_key = _changes([column[order] for column in same.values()])
    new_event = new_key | _changes([column[order] for column in told.values()])
    key = np.cumsum(new_key) - 1
    first = np.flatnonzero(new_key)
    feedback = told["feedback"][order]
    asserts = np.isin(feedback, [kind.value for kind in exclusive])
    least = np.minimum.reduceat(np.where(asserts, feedback, len(Feedback)), first)
    most = np.maximum.reduceat(np.where(asserts, feedback, -1), first)
    clash = (least < most)[key] & asserts
    contradicted[among] = clash
    duplicate[among] = ~new_event & ~clash
    return duplicate, contradicted


def _comparable(column: np.ndarray) -> np.ndarray:
    # NaN stands for "unknown" and equals itself here; bits compare so.
    return column.view(np.int32) if column.dtype == np.float32 else column


def _changes(columns: list[np.ndarray]) -> np.ndarray:
    changed = np.zeros(len(columns[0]), bool)
    changed[0] = True
    for column in columns:
        changed[1:] |= column[1:] != column[:-1]
    return changed
