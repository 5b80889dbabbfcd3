"""From listeners' events to a batch of questions, by the code that training and evaluation read their logs with."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from jaxtyping import Int32

from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases
from urep_jax.data.log import EventLog
from urep_jax.data.sequences import Batch, SequenceConfig, Sequences
from urep_jax.data.vocabulary import Vocabulary
from urep_jax.serving.events import Events, Id, as_ids, read_events


class Questions(NamedTuple):
    """What C listeners are up for next."""

    batch: Batch
    """Each listener's input, and the question. The number of rows is a power of two; those past C repeat the last
    listener, so that few different shapes occur."""
    ups: list[Int32[np.ndarray, "_"]]
    """Rows of the items that each listener was up for, anywhere in the events."""


def questions(
    listeners: Sequence[Events],
    stations: Sequence[Id | None],
    vocabulary: Vocabulary,
    cfg: SequenceConfig,
    *,
    timed: bool = False,
) -> Questions:
    """Ask what each listener is up for next.

    Args:
        listeners: events of C listeners, at least one; see `read_events`.
        stations: the station that each is asked about, None for none.
        vocabulary: what the model knows.
        cfg: how the model's sequences are made.
        timed: whether the model reads the hour of the day, so that events need a timestamp.

    Raises:
        ValueError: if events or a station can't be read; where there are several listeners the message names the one.
    """
    C = len(listeners)
    read = [_read(place, C, *asked, timed) for place, asked in enumerate(zip(listeners, stations, strict=True))]
    log, cases = question_log([table for table, _ in read], pa.concat_arrays([station for _, station in read]))
    sequences = Sequences(log, vocabulary, cfg)
    rows = np.minimum(np.arange(power_of_two(C)), C - 1)
    row_E = sequences.item_rows[log.item]
    ups = [
        row_E[start:stop][log.feedback[start:stop] == Feedback.UP]
        for start, stop in zip(cases.start, cases.stop, strict=True)
    ]
    return Questions(sequences.question_batch(cases, rows), ups)


def question_log(tables: Sequence[pa.Table], stations: pa.StringArray) -> tuple[EventLog, Cases]:
    """Listeners' events as a log, and a case without targets for each listener.

    Args:
        tables: events of each listener, from `read_events`.
        stations: the station that each is asked about, null for none.
    """
    C = len(tables)
    offsets = np.concatenate([[0], np.cumsum([table.num_rows for table in tables])])
    # An empty range of events is still looked up, so there has to be one event: nobody's.
    nobody = {"item_id": "", "feedback": int(Feedback.PLAY), "timestamp": 0}
    events = pa.concat_tables([*tables, pa.Table.from_pylist([nobody], schema=tables[0].schema)]).combine_chunks()
    E = events.num_rows
    item_E, item_ids = _numbered(events["item_id"].combine_chunks())
    station, station_ids = _numbered(pa.concat_arrays([events["station_id"].combine_chunks(), stations]))
    device_E, device_ids = _numbered(events["device"].combine_chunks())
    log = EventLog(
        name="listeners",
        granularity="user",
        offsets=np.append(offsets, E),
        item=item_E,
        timestamp=events["timestamp"].fill_null(0).to_numpy(),
        feedback=events["feedback"].to_numpy(),
        sequence_ids=pa.array([*map(str, range(C)), "nobody"]),
        item_ids=item_ids,
        station=station[:E],
        station_ids=station_ids,
        device=device_E.astype(np.int16),
        device_ids=device_ids,
        played_ratio=events["played_ratio"].fill_null(np.nan).to_numpy(),
        utc_offset=events["utc_offset"].fill_null(0).to_numpy(),
    )
    cases = Cases.without_targets(np.arange(C, dtype=np.int32), offsets[:-1], offsets[1:], station[E:])
    return log, cases


def power_of_two(count: int) -> int:
    """The least power of two that is `count` or more; 1 for none.

    Example:
        >>> [power_of_two(count) for count in (0, 1, 5, 8)]
        [1, 1, 8, 8]
    """
    return 1 << max(count - 1, 0).bit_length()


def _read(place: int, count: int, events: Events, station: Id | None, timed: bool) -> tuple[pa.Table, pa.StringArray]:
    try:
        table = read_events(events)
        if timed and table["timestamp"].null_count:
            raise ValueError("the events have no 'timestamp', but this model reads the hour of the day; add the column")
        return table, as_ids("station", [station])
    except ValueError as error:
        if count == 1:
            raise
        raise ValueError(f"listener {place} (counted from 0): {error}") from error


def _numbered(ids: pa.StringArray) -> tuple[Int32[np.ndarray, "N"], pa.StringArray]:
    """Dense numbers of ids, -1 for a missing one, and the ids by number."""
    coded = ids.dictionary_encode()
    return coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32), coded.dictionary
