"""The events that people bring to a trained model: one listener's columns, in memory.

They follow the events table (`data.schema.EVENTS`); `item_id` and `feedback` are needed, all else may be left out.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from urep_jax.core.types import FEEDBACK_WORDS, Feedback
from urep_jax.data.ingest.schema import EVENTS
from urep_jax.data.log import EventLog


@runtime_checkable
class Columns(Protocol):
    """Columns by name: a dict, or a pandas frame."""

    def keys(self) -> Any:
        """The columns' names."""

    def __getitem__(self, name: str, /) -> Any:
        """A column: a list, a NumPy or Arrow array, a pandas series."""


Events: TypeAlias = Columns | pa.Table
"""One listener's events."""

Id: TypeAlias = str | int
"""An id of the source; 7 and "7" are the same one."""

Ids: TypeAlias = Sequence[Id] | np.ndarray | pa.Array | pa.ChunkedArray
"""Several ids."""

_REQUIRED = ("item_id", "feedback")

_SHOWN = 60
"""Characters of a wrong value that a message shows."""


def read_events(events: Events) -> pa.Table:
    """Check one listener's events, and bring them in order of time.

    Args:
        events: columns of equal length: `item_id` and `feedback` (`up | down | skip | play`), and where they are known
            `station_id`, `timestamp` (seconds since 1970 in UTC, or dates and times), `device`, `played_ratio` (0 to 1)
            and `utc_offset` (seconds). `user_id` may be there and is not read. Columns of length 0 are a listener
            of whom nothing is known.

    Returns:
        Ids as strings, feedback as codes of `Feedback`, times and offsets in seconds; what is not known is null.
        Sorted by timestamp, ties in the order given; without timestamps, all in the order given.

    Raises:
        ValueError: if the events are no columns, if one is missing, unknown or of another length, if a value is not
            what it must be, or if the events are of several listeners.

    Example:
        >>> read_events({"item_id": [7, 8], "feedback": ["up", "skip"], "timestamp": [60, 0]})["item_id"].to_pylist()
        ['8', '7']
    """
    if not isinstance(events, pa.Table | Columns):
        raise ValueError(
            f"the events are a {type(events).__name__}, {_shown(events)}, but must be columns by name, such as "
            "{'item_id': [...], 'feedback': [...]}; turn a list of rows into them with pyarrow.Table.from_pylist(rows)"
        )
    names = events.column_names if isinstance(events, pa.Table) else list(events.keys())
    given = {name: _array(_column(name), events[name]) for name in names}
    _check_columns(given)
    size = len(given["item_id"])
    read = pa.table(
        {
            name: reader(_column(name), given[name]).cast(kind) if name in given else pa.nulls(size, kind)
            for name, (reader, kind) in _READERS.items()
        }
    )
    for name in (*_REQUIRED, "timestamp"):
        if name in given:
            _refuse_missing(_column(name), read[name])
    time = read["timestamp"].fill_null(0).to_numpy()
    return read.take(pa.array(np.argsort(time, kind="stable")))


def as_ids(what: str, values: Any) -> pa.StringArray:
    """Ids as ingest reads them: whole numbers are their digits, empty text and NaN are missing.

    Args:
        what: how a message names the values.
        values: a list, a NumPy or Arrow array, a pandas series.

    Raises:
        ValueError: if the values are neither text nor whole numbers.

    Example:
        >>> as_ids("station", [7, None]).to_pylist()
        ['7', None]
    """
    array = _array(what, values)
    if pa.types.is_floating(array.type):
        # pandas turns whole numbers into floats as soon as one is missing.
        array = _whole(what, array)
    if not (pa.types.is_integer(array.type) or _is_text(array.type) or array.null_count == len(array)):
        raise ValueError(f"{what} holds {array.type} values such as {array[0]}, but ids must be text or whole numbers")
    text = array.cast(pa.string())
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def as_item_ids(what: str, values: Any) -> pa.StringArray:
    """Ids of which none may be missing.

    Raises:
        ValueError: if an id is missing, or is neither text nor a whole number.
    """
    ids = as_ids(what, values)
    _refuse_missing(what, ids)
    return ids


def events_of(log: EventLog, start: int | np.integer, stop: int | np.integer) -> pa.Table:
    """The events `start:stop` of a log in the form that a trained model reads, with the source's ids.

    Args:
        log: the log.
        start: the first event, a flat index into the log's columns.
        stop: one past the last. Listener `s` owns the events from `log.offsets[s]` to `log.offsets[s + 1]`.
    """
    here = slice(start, stop)

    def ids(names: pa.StringArray, numbers: np.ndarray) -> pa.StringArray:
        return names.take(pa.array(numbers[here], mask=numbers[here] < 0))

    columns = {
        "item_id": ids(log.item_ids, log.item),
        "timestamp": log.timestamp[here],
        "feedback": np.array(["", *FEEDBACK_WORDS])[log.feedback[here]],
    }
    if log.station is not None:
        columns["station_id"] = ids(log.station_ids, log.station)
    if log.device is not None:
        columns["device"] = ids(log.device_ids, log.device)
    if log.played_ratio is not None:
        columns["played_ratio"] = pa.array(log.played_ratio[here], from_pandas=True)
    if log.utc_offset is not None:
        columns["utc_offset"] = log.utc_offset[here]
    return pa.table(columns)


def _column(name: str) -> str:
    return f"the events' column {name!r}"


def _check_columns(given: dict[str, pa.Array]) -> None:
    unknown = [name for name in given if name not in EVENTS.names]
    missing = [name for name in _REQUIRED if name not in given]
    if unknown or missing:
        wrong = " and ".join(
            f"{word} {', '.join(map(repr, which))}" for word, which in (("lack", missing), ("have", unknown)) if which
        )
        raise ValueError(
            f"the events {wrong}; their columns must be {' and '.join(_REQUIRED)}, and may be "
            f"{', '.join(name for name in EVENTS.names if name not in _REQUIRED)}: rename or drop columns"
        )
    lengths = {name: len(array) for name, array in given.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise ValueError(f"the events' columns have different lengths ({told}); give one value for each event")
    if "user_id" in given and len(users := pc.unique(given["user_id"])) > 1:
        raise ValueError(
            f"the events are of {len(users)} users, {users[0]} and {users[1]} among them, but must be of one; "
            "give each user's events by themselves"
        )


def _array(what: str, values: Any) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, pa.DictionaryArray):
        values = values.dictionary_decode()
    if isinstance(values, pa.Array):
        return values
    if isinstance(values, str | bytes | Mapping):
        raise ValueError(
            f"{what} is {_shown(values)}, a {type(values).__name__}, but must be a list or an array; put a single "
            "value in brackets"
        )
    try:
        return pa.array(values, from_pandas=True)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} can't be read ({error}); give a list or an array of values of one type") from error


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _codes(what: str, array: pa.Array) -> pa.Array:
    """Feedback words as codes."""
    code = pc.index_in(array.cast(pa.string()), value_set=pa.array([feedback.word for feedback in Feedback]))
    wrong = pc.and_(array.is_valid(), pc.or_kleene(code.is_null(), pc.equal(code, int(Feedback.NONE))))
    if pc.any(wrong).as_py():
        word = array.filter(wrong)[0].as_py()
        raise ValueError(f"{what} holds {word!r}, but must hold the words {', '.join(FEEDBACK_WORDS)}")
    return code


def _seconds(what: str, array: pa.Array) -> pa.Array:
    """Dates and times as seconds; whole numbers are seconds already."""
    if pa.types.is_date(array.type) or pa.types.is_timestamp(array.type):
        zone = getattr(array.type, "tz", None)
        return array.cast(pa.timestamp("s", zone), safe=False).cast(pa.int64())
    return _whole(what, array)


def _whole(what: str, array: pa.Array) -> pa.Array:
    try:
        if _is_text(array.type):
            raise pa.ArrowInvalid("they are text")
        return array.cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ValueError(f"{what} must hold whole numbers ({error})") from error


def _share(what: str, array: pa.Array) -> pa.Array:
    try:
        share = array.cast(pa.float32())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ValueError(f"{what} must hold numbers from 0 to 1 ({error})") from error
    wrong = pc.invert(pc.and_(pc.greater_equal(share, 0), pc.less_equal(share, 1)))
    if pc.any(wrong).as_py():
        raise ValueError(f"{what} holds {array.filter(wrong)[0].as_py()}, but must hold numbers from 0 to 1")
    return share


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _refuse_missing(what: str, array: pa.Array | pa.ChunkedArray) -> None:
    if array.null_count:
        place = pc.index(array.is_null(), True).as_py()
        raise ValueError(f"{what} has no value at {place} (counted from 0); fill it in, or leave the row out")


_READERS: dict[str, tuple[Callable[[str, pa.Array], pa.Array], pa.DataType]] = {
    "item_id": (as_ids, pa.string()),
    "feedback": (_codes, pa.int8()),
    "station_id": (as_ids, pa.string()),
    "timestamp": (_seconds, pa.int64()),
    "device": (as_ids, pa.string()),
    "played_ratio": (_share, pa.float32()),
    "utc_offset": (_whole, pa.int32()),
}
"""How each column is read, and its type afterwards."""
