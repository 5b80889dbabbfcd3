"""What a log and its companion tables tell of users, as a store keeps it: what a stream goes on from."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int64

from urep_jax.core.types import Feedback
from urep_jax.data.log import EventLog
from urep_jax.serving.online.messages import (
    MOST_PICKED,
    Age,
    Id,
    Onboarding,
    Profile,
    Time,
    digests,
    event_key,
    fact_of,
)
from urep_jax.serving.online.parts import RECORD, Addition


def additions_of(
    log: EventLog,
    tables: Mapping[str, pa.Table],
    categories: Sequence[str],
    since: Callable[[Int64[np.ndarray, "E"]], int] | None = None,
) -> Iterator[Addition]:
    """One for each user of a log.

    Args:
        log: the log.
        tables: its companions, `users` and `onboarding`, those that there are.
        categories: columns of `users` that are categories.
        since: from the times of a user's events, ascending and at least one, the moment before which they are left out,
            such as `Keep.since`; None leaves out none.
    """
    item_V, station_S, device_D = (digests(ids.to_pylist()) for ids in (log.item_ids, log.station_ids, log.device_ids))
    items, stations = log.item_ids.to_pylist(), log.station_ids.to_pylist()
    facts = _facts(log, tables, categories)
    for number, user_id in enumerate(log.sequence_ids.to_pylist()):
        own = slice(int(log.offsets[number]), int(log.offsets[number + 1]))
        if since is not None and own.start < own.stop:
            own = slice(own.start + int(np.searchsorted(log.timestamp[own], since(log.timestamp[own]))), own.stop)
        records = np.zeros(own.stop - own.start, RECORD)
        records["time"], records["item"] = log.timestamp[own], item_V[log.item[own]]
        records["feedback"], records["played_ratio"] = log.feedback[own], np.nan
        station = np.full(len(records), -1) if log.station is None else log.station[own]
        if log.station is not None:
            records["station"] = _of(station_S, station)
        if log.device is not None:
            records["device"] = _of(device_D, log.device[own])
        for name in ("played_ratio", "utc_offset"):
            if (column := getattr(log, name)) is not None:
                records[name] = column[own]
        seen: Counter[tuple[int, ...]] = Counter()
        columns = (log.item[own], log.timestamp[own], log.feedback[own], station)
        keys = []
        for item, time, feedback, at in zip(*(column.tolist() for column in columns), strict=True):
            station_id = stations[at] if at >= 0 else None
            keys.append(
                event_key(items[item], time, Feedback(feedback).word, station_id, seen[item, time, feedback, at])
            )
            seen[item, time, feedback, at] += 1
        records["key"] = keys
        yield Addition(user_id, records, tuple(facts.get(user_id, ())))


def _of(digest: np.ndarray, code: np.ndarray) -> np.ndarray:
    """The digest of each code; 0 for a negative one."""
    return np.append(digest, np.uint64(0))[np.where(code < 0, len(digest), code)]


def _facts(log: EventLog, tables: Mapping[str, pa.Table], categories: Sequence[str]) -> dict[str, list[bytes]]:
    """What the tables tell of the log's users. What no message could tell is left out, such as an age of 200."""
    found: dict[str, list[bytes]] = {}
    first: dict[str, dict[str, Any]] = {}
    for row in _rows(log, tables.get("users")):
        # Of several rows of a user the first counts, as in batch inference.
        first.setdefault(row["user_id"], row)
    for user_id, row in first.items():
        words = {name: row[name] for name in categories if _may_be_told(row.get(name), Id)}
        registered, age = (
            row.get(name) if _may_be_told(row.get(name), kind) else None
            for name, kind in (("registered_at", Time), ("age", Age))
        )
        profile = Profile(user_id=user_id, told_at=registered or 0, categories=words, age=age, registered_at=registered)
        found.setdefault(user_id, []).append(fact_of(profile))
    for row in _rows(log, tables.get("onboarding")):
        if _may_be_told(row["timestamp"], Time):
            picked = {
                name: [one for one in row.get(name) or [] if _may_be_told(one, Id)][:MOST_PICKED]
                for name in ("artists", "languages")
            }
            answers = Onboarding(user_id=row["user_id"], answered_at=row["timestamp"], **picked)
            found.setdefault(row["user_id"], []).append(fact_of(answers))
    return found


def _may_be_told(value: Any, kind: Any) -> bool:
    """Whether a message could tell it; a store couldn't be read that held something else."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _rows(log: EventLog, table: pa.Table | None) -> list[dict[str, Any]]:
    if table is None:
        return []
    return table.filter(pc.is_in(table["user_id"], value_set=log.sequence_ids)).to_pylist()
