"""`LogWriter`: an event log written piece by piece, in memory that doesn't grow with the number of events."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from urep_jax.data.log import OPTIONAL_COLUMNS, REQUIRED_COLUMNS, EventLog, Granularity, finish_log, load_log

_NUMBERED = {"item": "item_ids", "station": "station_ids", "device": "device_ids"}
_PIECE = 1 << 22
"""Events that are held at once when a column is numbered anew."""


class LogWriter:
    """Writes a log into a draft folder: `append` any number of times, then `finish`.

    Events come in their final order.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with LogWriter(Path(folder), optional=()) as writer:
        ...         columns = {"item": np.array([1, 0]), "timestamp": np.array([10, 20]), "feedback": np.array([1, 3])}
        ...         writer.append(np.array([0, 0]), columns)
        ...         ids = {"sequence_ids": pa.array(["u"]), "item_ids": pa.array(["a", "b"])}
        ...         writer.finish(name="tiny", granularity="user", ids=ids).num_events
        2
    """

    def __init__(self, folder: Path, optional: Iterable[str]) -> None:
        """Open the columns of a log.

        Args:
            folder: an existing, empty folder.
            optional: which of `OPTIONAL_COLUMNS` the log has.
        """
        types = REQUIRED_COLUMNS | {name: OPTIONAL_COLUMNS[name] for name in optional}
        self._folder = folder
        self._columns = {name: _ColumnFile(folder / f"{name}.npy", np.dtype(dtype)) for name, dtype in types.items()}
        self._last = -1
        self._lengths: list[tuple[int, np.ndarray]] = []  # First sequence of a piece, and how long each from it on is.
        self._used = {name: np.zeros(0, bool) for name in _NUMBERED if name in types}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for column in self._columns.values():
            column.close()

    def append(self, sequence: Int[np.ndarray, "N"], columns: Mapping[str, np.ndarray]) -> None:
        """Add events.

        Args:
            sequence: number of each event's sequence, never falling from event to event or from call to call.
            columns: every column of the log for these events.
        """
        sequence = np.asarray(sequence)
        if len(sequence) == 0:
            return
        if sequence[0] < self._last or np.any(np.diff(sequence) < 0):
            raise ValueError("sequence numbers fall from one event to the next; sort the events by sequence and time")
        self._last = int(sequence[-1])
        self._lengths.append((int(sequence[0]), np.bincount(sequence - sequence[0])))
        for name, column in self._columns.items():
            values = np.asarray(columns[name])
            column.append(values)
            if name in self._used:
                self._used[name] = _mark(self._used[name], values)

    def finish(
        self, *, name: str, granularity: Granularity, ids: Mapping[str, pa.Array], drop_unused: bool = False
    ) -> EventLog:
        """Close the columns and write what else a log needs.

        Args:
            name: the data set's name.
            granularity: what one sequence is.
            ids: the source's ids, indexed by the numbers that were appended.
            drop_unused: whether ids that no event carries leave the log, and the rest are numbered anew in the same
                order. Otherwise every id keeps its number.

        Returns:
            The log, open where it lies.
        """
        for column in self._columns.values():
            column.close()
        kept = dict(ids)
        lengths = np.zeros(len(ids["sequence_ids"]), np.int64)
        for first, piece in self._lengths:
            lengths[first : first + len(piece)] += piece
        if drop_unused:
            for column_name, used in self._used.items():
                id_name = _NUMBERED[column_name]
                used = np.pad(used, (0, len(ids[id_name]) - len(used)))
                if not used.all():
                    kept[id_name] = ids[id_name].filter(pa.array(used))
                    _renumber(self._folder / f"{column_name}.npy", np.cumsum(used) - 1)
            kept["sequence_ids"] = ids["sequence_ids"].filter(pa.array(lengths > 0))
            lengths = lengths[lengths > 0]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        finish_log(self._folder, name=name, granularity=granularity, offsets=offsets, ids=kept)
        return load_log(self._folder)


class _ColumnFile:
    """One `.npy` file of unknown length: NumPy leaves room in the header for the length to grow into."""

    def __init__(self, path: Path, dtype: np.dtype) -> None:
        self._dtype = dtype
        self._length = 0
        self._file: BinaryIO = path.open("wb")
        self._write_header()

    def append(self, values: np.ndarray) -> None:
        self._file.write(np.ascontiguousarray(values, self._dtype).data)
        self._length += len(values)

    def close(self) -> None:
        if not self._file.closed:
            self._file.seek(0, os.SEEK_SET)
            self._write_header()
            self._file.close()

    def _write_header(self) -> None:
        descr = np.lib.format.dtype_to_descr(self._dtype)
        header = {"descr": descr, "fortran_order": False, "shape": (self._length,)}
        np.lib.format.write_array_header_1_0(self._file, header)


def _mark(used: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    top = int(numbers.max(initial=-1)) + 1
    used = np.pad(used, (0, max(0, top - len(used))))
    used[numbers[numbers >= 0]] = True
    return used


def _renumber(path: Path, new_number: np.ndarray) -> None:
    column = np.load(path, mmap_mode="r+", allow_pickle=False)
    for start in range(0, len(column), _PIECE):
        piece = column[start : start + _PIECE]
        piece[piece >= 0] = new_number[piece[piece >= 0]]
    column.flush()
