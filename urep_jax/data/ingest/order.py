"""Rows of `checked` become a log: numbered, in order, without repeats, contradictions and what was taken back."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from urep_jax.core.types import SECONDS_PER_DAY, Feedback
from urep_jax.data.ingest.fields import literal
from urep_jax.data.ingest.files import IngestError
from urep_jax.data.ingest.repeats import find_repeats
from urep_jax.data.log import NO_STATION, REQUIRED_COLUMNS, EventLog, Granularity
from urep_jax.data.log_writer import LogWriter

SOURCE_COLUMN = {
    "station": "station_id",
    "device": "device",
    "played_ratio": "played_ratio",
    "utc_offset": "utc_offset",
}
"""Optional columns of the log, and the columns of the events table that they come from."""

_IDS = {"sequence_ids": "user_id", "item_ids": "item_id", "station_ids": "station_id", "device_ids": "device"}
_CHUNK = 1 << 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Orders:
    """How sound rows become a log.

    Attributes:
        name: the data set's name.
        granularity: what one sequence is.
        optional: the optional columns of the log.
        exclusive: feedback of which only one kind can hold for an item at a time.
        by_place: whether there are places, along which time must not fall.
        unsaid: numbers of the files whose feedback thresholds told, which nothing undoes.
    """

    name: str
    granularity: Granularity
    optional: tuple[str, ...]
    exclusive: tuple[Feedback, ...]
    by_place: bool
    unsaid: tuple[int, ...]


def write_log(db: duckdb.DuckDBPyConnection, scratch: Path, folder: Path, orders: Orders) -> tuple[EventLog, int]:
    """Write the sound rows of `checked` as a log; contradictions go to `contradicted`.

    Args:
        db: the database.
        scratch: a folder to sort in.
        folder: an empty folder, for the log.
        orders: how.

    Returns:
        The log, and the number of exact duplicates that it hasn't got.

    Raises:
        IngestError: if there are more devices than a log can hold.
    """
    ids = _number_ids(db)
    with LogWriter(folder, orders.optional) as writer:
        duplicates = _write_events(db, writer, orders, _sorted_events(db, scratch / "sorted.parquet", orders))
        log = writer.finish(name=orders.name, granularity=orders.granularity, ids=ids, drop_unused=True)
    return log, duplicates


def numbered(ids: str) -> str:
    """SQL that numbers what `ids` selects as `id`: shorter ids first, so that integers keep their order."""
    order = "row_number() OVER (ORDER BY length(id), id) - 1"
    return f"SELECT id, ({order})::INTEGER AS number FROM (SELECT DISTINCT id FROM ({ids}))"


def check_devices(number: int) -> None:
    """See that a log can hold so many devices.

    Raises:
        IngestError: if it can't.
    """
    most = np.iinfo(np.int16).max
    if number > most:
        # How many there are isn't told: of a part of a source nobody knows.
        raise IngestError(
            f"device holds more different names than the {most} that a log can hold",
            "map it to another column with columns={'device': ...}",
        )


def _number_ids(db: duckdb.DuckDBPyConnection) -> dict[str, pa.Array]:
    """Number the ids that sound rows carry, in tables of the columns' names."""
    ids = {}
    for name, column in _IDS.items():
        sound = f"SELECT {column} AS id FROM checked WHERE reason IS NULL AND {column} IS NOT NULL"
        db.execute(f"CREATE TABLE {name} AS {numbered(sound)}")
        table = db.sql(f"SELECT id FROM {name} ORDER BY number").to_arrow_table()
        ids[name] = table["id"].cast(pa.string()).combine_chunks()
    check_devices(len(ids["device_ids"]))
    return ids


def _write_events(
    db: duckdb.DuckDBPyConnection, writer: LogWriter, orders: Orders, sorted_events: Iterator[dict[str, np.ndarray]]
) -> int:
    """Write the sound events in order; contradictions go to `contradicted`. Returns the number of duplicates."""
    duplicates = 0
    for events in _moments(sorted_events):
        compared = {name: events[name] for name in ("sequence", *REQUIRED_COLUMNS, *orders.optional)}
        duplicate, contradiction = find_repeats(compared, orders.exclusive)
        duplicates += int(duplicate.sum())
        if contradiction.any():
            places = pa.table({name: events[name][contradiction] for name in ("file", "line", "feedback")})
            db.register("places", places)
            db.execute("INSERT INTO contradicted SELECT file, line, feedback FROM places")
            db.unregister("places")
        kept = ~(duplicate | contradiction)
        writer.append(events["sequence"][kept], {name: column[kept] for name, column in compared.items()})
    return duplicates


def _sorted_events(
    db: duckdb.DuckDBPyConnection, scratch_file: Path, orders: Orders
) -> Iterator[dict[str, np.ndarray]]:
    """The sound events that nothing undoes, by sequence and time."""
    db.execute(
        f"""
        CREATE TABLE undone AS
        SELECT user_id, item_id, station_id, -feedback AS feedback, timestamp // {SECONDS_PER_DAY} AS day,
            max(timestamp) AS until
        FROM checked WHERE feedback < 0 GROUP BY ALL"""
    )
    time = "e.timestamp"
    if orders.by_place:
        latest_hour = "max(e.timestamp - place) OVER (PARTITION BY e.user_id ORDER BY place)"
        time = f"coalesce(place + {latest_hour}, e.timestamp)"
    # Through a file, for DuckDB holds all of a result that Python reads, outside of its memory limit.
    query = f"""
        SELECT s.number AS sequence, {time} AS timestamp, i.number AS item, e.feedback,
            coalesce(st.number, {NO_STATION})::INTEGER AS station, coalesce(d.number, -1)::SMALLINT AS device,
            coalesce(played_ratio, 'nan')::FLOAT AS played_ratio, coalesce(utc_offset, 0)::INTEGER AS utc_offset,
            file, line
        FROM checked e
        JOIN sequence_ids s ON s.id = e.user_id
        JOIN item_ids i ON i.id = e.item_id
        LEFT JOIN station_ids st ON st.id = e.station_id
        LEFT JOIN device_ids d ON d.id = e.device
        LEFT JOIN undone u ON u.user_id = e.user_id AND u.item_id = e.item_id AND u.feedback = e.feedback
            AND u.station_id IS NOT DISTINCT FROM e.station_id AND u.day = e.timestamp // {SECONDS_PER_DAY}
            AND NOT list_contains({list(orders.unsaid)}::INTEGER[], file)
        WHERE reason IS NULL AND e.feedback > 0 AND (until IS NULL OR e.timestamp > until)
        ORDER BY sequence, 2, file, line"""
    db.execute(f"COPY ({query}) TO {literal(str(scratch_file))} (FORMAT parquet)")
    with pq.ParquetFile(scratch_file) as ordered:
        for batch in ordered.iter_batches(_CHUNK):
            yield {name: batch[name].to_numpy(zero_copy_only=False) for name in batch.schema.names}


def _moments(chunks: Iterator[dict[str, np.ndarray]]) -> Iterator[dict[str, np.ndarray]]:
    """The same events, cut where the time or the sequence changes."""
    held: dict[str, np.ndarray] = {}
    for chunk in chunks:
        chunk = {name: np.concatenate([held[name], column]) if held else column for name, column in chunk.items()}
        last = (chunk["sequence"] == chunk["sequence"][-1]) & (chunk["timestamp"] == chunk["timestamp"][-1])
        cut = int(np.argmax(last))
        yield {name: column[:cut] for name, column in chunk.items()}
        held = {name: column[cut:] for name, column in chunk.items()}
    if held:
        yield held
