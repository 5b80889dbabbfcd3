"""Logs of different users become one log, as if all had been read at once."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from urep_jax.data.log import REQUIRED_COLUMNS, EventLog
from urep_jax.data.log_writer import LogWriter

_PIECE = 1 << 20
"""Events that are put in order at once, where a user has no more."""


def merge_logs(
    logs: Sequence[EventLog],
    numbers: Sequence[Mapping[str, Int[np.ndarray, "_"]]],
    ids: Mapping[str, pa.Array],
    folder: Path,
    optional: Sequence[str],
) -> EventLog:
    """Write one log of several, no two of which have a user in common.

    Nothing grows with the number of events: the logs are memory-mapped, and a stretch of users is written at a time.

    Args:
        logs: the logs; the numbers of their ids are in the order of the ids.
        numbers: for each log and each of `log.ID_COLUMNS`, the number in `ids` of each of the log's ids, rising.
        ids: the ids of all logs.
        folder: an empty folder.
        optional: the optional columns of the one log; every log has them.
    """
    events_U = np.zeros(len(ids["sequence_ids"]), np.int64)
    for log, numbered in zip(logs, numbers, strict=True):
        events_U[numbered["sequence_ids"]] = np.diff(log.offsets)
    # A stretch ends before the user with whom it would hold more.
    ends = np.searchsorted(np.cumsum(events_U), np.arange(_PIECE, events_U.sum(), _PIECE))
    bounds = np.unique([0, *ends, len(events_U)])
    with LogWriter(folder, optional) as writer:
        for first, last in itertools.pairwise(bounds.tolist()):
            pieces = [_piece(log, of, first, last, optional) for log, of in zip(logs, numbers, strict=True)]
            columns = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
            order = np.argsort(columns["sequence"], kind="stable")
            columns = {name: column[order] for name, column in columns.items()}
            writer.append(columns.pop("sequence"), columns)
        return writer.finish(name=logs[0].name, granularity=logs[0].granularity, ids=ids)


def _piece(
    log: EventLog, numbers: Mapping[str, np.ndarray], first: int, last: int, optional: Sequence[str]
) -> dict[str, np.ndarray]:
    """A log's events of the users from `first` to before `last`, all by the numbers of the one log."""
    users = numbers["sequence_ids"]
    low, high = np.searchsorted(users, [first, last])
    start, stop = log.offsets[low], log.offsets[high]
    columns = {"sequence": np.repeat(users[low:high], np.diff(log.offsets[low : high + 1]))}
    for name, whole in log.columns():
        if name in (*REQUIRED_COLUMNS, *optional):
            column = np.asarray(whole[start:stop])
            of = numbers.get(f"{name}_ids", ())
            # Of what has no number the sign is kept.
            columns[name] = np.where(column < 0, column, of[column]) if len(of) else column
    return columns
