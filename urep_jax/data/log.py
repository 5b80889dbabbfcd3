"""`EventLog`: everybody's events as ragged columns, memory-mapped.

A log is one offset array and flat columns. Sequence `s` (a user, or a session where the data set's granularity says
so) owns the events `offsets[s]:offsets[s + 1]` of every column, sorted by time. Ids are numbered densely; the ids of
the source stay beside them as strings.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Int8, Int16, Int32, Int64

from urep_jax.data.draft import draft_folder
from urep_jax.data.id_files import read_ids, write_ids

Granularity = Literal["user", "session"]

NO_STATION = -1
"""`station` of an event that was not heard on a station."""

OPTIONAL_COLUMNS = {
    "station": np.int32,
    "device": np.int16,
    "played_ratio": np.float32,
    "utc_offset": np.int32,
    "affinity": np.float32,
}
"""Columns that a log may lack, with their type on disk."""

REQUIRED_COLUMNS = {"item": np.int32, "timestamp": np.int64, "feedback": np.int8}
"""Columns that every log has, with their type on disk."""

ID_COLUMNS = ("sequence_ids", "item_ids", "station_ids", "device_ids")
"""The source's ids that a log keeps beside its numbers."""

_FORMAT = 1
_PIECE = 1 << 22
"""Events of a column that are read at a time for a digest."""


@dataclasses.dataclass(frozen=True, eq=False)
class EventLog:
    """All events of a data set, sorted by sequence and time.

    Attributes:
        name: the data set's name.
        granularity: what one sequence is, `user` or `session`.
        offsets: where each sequence starts; the last entry is the number of events.
        item: dense item number of each event, an index into `item_ids`.
        timestamp: seconds since 1970, UTC.
        feedback: code of `core.types.Feedback`.
        sequence_ids: the source's user (or session) ids.
        item_ids: the source's item ids.
        station: index into `station_ids`, `NO_STATION` where none; absent if the data has no stations.
        station_ids: the source's station ids; empty if the data has none.
        device: index into `device_ids`, -1 where unknown.
        device_ids: the source's device names.
        played_ratio: share of the track that was heard, 0 to 1, NaN where unknown.
        utc_offset: seconds to add to `timestamp` for the listener's local time.
        affinity: simulated logs only: the noise-free value of the track to this listener at this moment. For oracles
            and tests; no model reads it.
    """

    name: str
    granularity: Granularity
    offsets: Int64[np.ndarray, "_"]
    item: Int32[np.ndarray, "E"]
    timestamp: Int64[np.ndarray, "E"]
    feedback: Int8[np.ndarray, "E"]
    sequence_ids: pa.StringArray
    item_ids: pa.StringArray
    station: Int32[np.ndarray, "E"] | None = None
    station_ids: pa.StringArray = dataclasses.field(default_factory=lambda: pa.array([], pa.string()))
    device: Int16[np.ndarray, "E"] | None = None
    device_ids: pa.StringArray = dataclasses.field(default_factory=lambda: pa.array([], pa.string()))
    played_ratio: Float32[np.ndarray, "E"] | None = None
    utc_offset: Int32[np.ndarray, "E"] | None = None
    affinity: Float32[np.ndarray, "E"] | None = None

    def __post_init__(self) -> None:
        if self.granularity not in ("user", "session"):
            raise ValueError(f"granularity is {self.granularity!r}, but must be 'user' or 'session'")
        if len(self.offsets) != len(self.sequence_ids) + 1 or self.offsets[0] != 0:
            raise ValueError(
                f"offsets has {len(self.offsets)} entries for {len(self.sequence_ids)} sequences; it must start at 0 "
                "and have one entry more than there are sequences"
            )
        for name, column in self.columns():
            if len(column) != self.offsets[-1]:
                raise ValueError(
                    f"column {name!r} has {len(column)} events, but offsets end at {self.offsets[-1]}; "
                    "every column must hold one entry for each event"
                )

    def columns(self) -> Iterator[tuple[str, np.ndarray]]:
        """The event columns that are present, by name."""
        for name in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS):
            column = getattr(self, name)
            if column is not None:
                yield name, column

    def digest(self) -> str:
        """A short name of all that the log holds: logs of the same events and ids have the same."""
        told = hashlib.sha256(f"{self.name} {self.granularity}".encode())
        for name, column in (("offsets", self.offsets), *self.columns()):
            told.update(name.encode())
            for first in range(0, len(column), _PIECE):
                told.update(np.ascontiguousarray(column[first : first + _PIECE]).data)
        for name in ID_COLUMNS:
            told.update("\0".join([name, *getattr(self, name).to_pylist()]).encode())
        return told.hexdigest()[:16]

    @property
    def num_sequences(self) -> int:
        """Number of users, or of sessions."""
        return len(self.sequence_ids)

    @property
    def num_events(self) -> int:
        """Number of events."""
        return int(self.offsets[-1])

    @property
    def num_items(self) -> int:
        """Number of distinct items."""
        return len(self.item_ids)

    @property
    def num_stations(self) -> int:
        """Number of distinct stations; 0 if the data has none."""
        return len(self.station_ids)


def save_log(log: EventLog, folder: str | os.PathLike[str]) -> None:
    """Write a log to `folder`, whole or not at all.

    The folder appears by one rename once every column lies on disk; what lay there before is replaced.
    """
    with draft_folder(folder) as draft:
        for name, column in log.columns():
            np.save(draft / f"{name}.npy", column, allow_pickle=False)
        ids = {name: getattr(log, name) for name in ID_COLUMNS}
        finish_log(draft, name=log.name, granularity=log.granularity, offsets=log.offsets, ids=ids)


def finish_log(
    folder: Path,
    *,
    name: str,
    granularity: Granularity,
    offsets: Int64[np.ndarray, "_"],
    ids: Mapping[str, pa.Array],
) -> None:
    """Write all of a log but its event columns, which lie in `folder` already.

    Args:
        folder: a draft; the event columns are in it as `<column>.npy`.
        name: the data set's name.
        granularity: what one sequence is.
        offsets: where each sequence starts.
        ids: the source's ids by the names of `ID_COLUMNS`; those left out are written empty.
    """
    np.save(folder / "offsets.npy", np.asarray(offsets, np.int64), allow_pickle=False)
    for column in ID_COLUMNS:
        write_ids(ids.get(column, pa.array([], pa.string())), folder / f"{column}.arrow")
    meta = {"format": _FORMAT, "name": name, "granularity": granularity}
    (folder / "log.json").write_text(json.dumps(meta, indent=1))


def load_log(folder: str | os.PathLike[str]) -> EventLog:
    """Open a log that `save_log` wrote; event columns are memory-mapped.

    Raises:
        FileNotFoundError: if `folder` holds no log.
        ValueError: if the log was written in a format that this version does not read.
    """
    folder = Path(folder)
    meta_path = folder / "log.json"
    if not meta_path.is_file():
        raise FileNotFoundError(f"{folder} holds no event log (no log.json); prepare the data set again")
    meta = json.loads(meta_path.read_text())
    if meta["format"] != _FORMAT:
        raise ValueError(
            f"{folder} is an event log of format {meta['format']}, and this version reads {_FORMAT}; "
            "delete the folder, it is made anew from the prepared data set"
        )
    columns = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        for name in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)
        if (folder / f"{name}.npy").is_file()
    }
    ids = {name: read_ids(folder / f"{name}.arrow") for name in ID_COLUMNS}
    offsets = np.load(folder / "offsets.npy", allow_pickle=False)
    return EventLog(name=meta["name"], granularity=meta["granularity"], offsets=offsets, **columns, **ids)
