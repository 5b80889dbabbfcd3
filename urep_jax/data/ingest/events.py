"""`ingest`: anybody's event files become an event log, in memory that doesn't grow with them."""

import dataclasses
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from urep_jax.data.draft import draft_folder
from urep_jax.data.ingest.fields import find_columns, literal, parquet_columns, parquet_fields, text_fields, unreadable
from urep_jax.data.ingest.files import IngestError, TextFormat, find_files, is_parquet, read_lines, text_columns
from urep_jax.data.ingest.rejects import CONTRADICTED, REJECTS_FILE, Rejects
from urep_jax.data.ingest.repeats import find_repeats
from urep_jax.data.ingest.rules import Checks, Thresholds, checked, event_checks
from urep_jax.data.ingest.schema import EVENTS
from urep_jax.data.log import NO_STATION, REQUIRED_COLUMNS, Granularity
from urep_jax.data.log_writer import LogWriter

REPORT_FILE = "ingest.json"
"""Beside the log: the `IngestReport`."""

_CHUNK = 1 << 20
_SOURCE_COLUMN = {
    "station": "station_id",
    "device": "device",
    "played_ratio": "played_ratio",
    "utc_offset": "utc_offset",
}
_IDS = {"sequence_ids": "user_id", "item_ids": "item_id", "station_ids": "station_id", "device_ids": "device"}


@dataclasses.dataclass(frozen=True)
class IngestReport:
    """What became of the rows: `rows == events + duplicates + rejected`.

    Attributes:
        files: number of files read.
        rows: rows found in them; blank lines don't count.
        events: events of the log.
        sequences: users (or sessions) of the log.
        items: distinct items of the log.
        stations: distinct stations of the log.
        duplicates: rows dropped because every column repeats an earlier row.
        rejected: rows dropped because they break a rule, contradictions among them.
        contradictions: rows whose user, item, station and time came with another feedback too.
        reasons: number of rejected rows by reason.
    """

    files: int
    rows: int
    events: int
    sequences: int
    items: int
    stations: int
    duplicates: int
    rejected: int
    contradictions: int
    reasons: dict[str, int]


def ingest(
    source: str | os.PathLike[str],
    out_folder: str | os.PathLike[str],
    *,
    name: str = "interactions",
    granularity: Granularity = "user",
    columns: Mapping[str, str] | None = None,
    feedback_words: Mapping[str, str] | None = None,
    thresholds: Thresholds | None = None,
    text: TextFormat = TextFormat(),  # noqa: B008 - frozen
    max_rejected_share: float = 0.01,
    now: float | None = None,
    memory_limit: str = "768MB",
) -> IngestReport:
    r"""Read event files and write them as an event log, with the rejects and a report beside it.

    Events are sorted by user, time and original row (files by path, then rows). Users, items, stations and devices
    are numbered by their ids, shorter ids first, so that integers keep their order.

    Args:
        source: a Parquet or CSV file (`.gz` too), a folder of them, or a pattern with `*`.
        out_folder: where the log goes; read it with `load_log`. It appears whole at the end, or not at all.
        name: the data set's name.
        granularity: what the ids in `user_id` stand for, a `user` or a `session`.
        columns: the source's column names by the names of `schema.EVENTS`, where they differ.
        feedback_words: the library's feedback words by the source's, such as `{"thumb_up": "up"}`.
        thresholds: take the feedback from a number instead.
        text: how text files are laid out.
        max_rejected_share: largest share of rows, 0 to 1, that may be rejected before the run stops.
        now: seconds since 1970; later events are rejected. Defaults to this moment.
        memory_limit: how much memory DuckDB may take before it goes to disk.

    Returns:
        What became of the rows.

    Raises:
        FileNotFoundError: if there is nothing to read at `source`.
        IngestError: if a file is empty, cut short or lacks a column, or if too many rows are rejected.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     csv = Path(folder) / "events.csv"
        ...     _ = csv.write_text("user_id,item_id,timestamp,liked\nann,7,1000,yes\nann,8,1010,no\n")
        ...     words = {"yes": "up", "no": "down"}
        ...     ingest(csv, f"{folder}/log", columns={"feedback": "liked"}, feedback_words=words).events
        2
    """
    if not 0 <= max_rejected_share <= 1:
        raise ValueError(f"max_rejected_share is {max_rejected_share}, but must be a share from 0 to 1")
    if thresholds is not None and feedback_words:
        raise ValueError("feedback_words and thresholds are both given; feedback comes from words or from a number")
    checks = event_checks(feedback_words or {}, thresholds, int(time.time() if now is None else now))
    mapping = dict(columns or {}) | ({"feedback": thresholds.column} if thresholds else {})
    files = find_files(source)
    with (
        draft_folder(out_folder) as draft,
        tempfile.TemporaryDirectory(dir=draft) as scratch,
        _connect(scratch, memory_limit) as db,
    ):
        present: set[str] = set()
        for number, path in enumerate(files):
            present |= _read_file(db, path, number, mapping, text, checks)
        rows = _scalar(db, "SELECT count(*) FROM checked")
        if rows == 0:
            raise IngestError(f"{source} has a header but no rows; export it again")
        rejects = Rejects(db, files, max_rejected_share)
        rejects.check(rows)
        ids = _number_ids(db)
        optional = [column for column, raw in _SOURCE_COLUMN.items() if raw in present]
        with LogWriter(draft, optional) as writer:
            duplicates = _write_events(db, writer, optional, Path(scratch) / "sorted.parquet")
            rejects.check(rows)
            log = writer.finish(name=name, granularity=granularity, ids=ids, drop_unused=True)
        if log.num_events == 0:
            raise IngestError(f"{source}: none of its {rows} rows can be used; " + rejects.first_few())
        reasons = rejects.write(draft / REJECTS_FILE)
        report = IngestReport(
            files=len(files),
            rows=rows,
            events=log.num_events,
            sequences=log.num_sequences,
            items=log.num_items,
            stations=log.num_stations,
            duplicates=duplicates,
            rejected=sum(reasons.values()),
            contradictions=reasons.get(CONTRADICTED, 0),
            reasons=reasons,
        )
        (draft / REPORT_FILE).write_text(json.dumps(dataclasses.asdict(report), indent=1))
    return report


def _connect(scratch: str, memory_limit: str) -> duckdb.DuckDBPyConnection:
    db = duckdb.connect(Path(scratch) / "events.duckdb")
    for setting, value in {"memory_limit": memory_limit, "temp_directory": scratch, "TimeZone": "UTC"}.items():
        db.execute(f"SET {setting} = {literal(value)}")
    db.execute("SET enable_progress_bar = false")
    db.execute(
        "CREATE TABLE checked (file INTEGER, line BIGINT, cut_short BOOLEAN, reason VARCHAR, blamed VARCHAR, "
        "value VARCHAR, user_id VARCHAR, item_id VARCHAR, timestamp BIGINT, feedback TINYINT, station_id VARCHAR, "
        "device VARCHAR, played_ratio FLOAT, utc_offset INTEGER)"
    )
    return db


def _read_file(
    db: duckdb.DuckDBPyConnection,
    path: Path,
    number: int,
    mapping: Mapping[str, str],
    text: TextFormat,
    checks: Checks,
) -> set[str]:
    """Add a file's rows to `checked`; returns the columns of the events table that it has."""
    if is_parquet(path):
        types = parquet_columns(db, path)
        wanted = find_columns(path, tuple(types), EVENTS, mapping)
        try:
            db.execute("INSERT INTO checked " + checked(parquet_fields(path, types, wanted), wanted, checks, number))
        except duckdb.InvalidInputException as error:
            raise unreadable(path, error) from error
        return set(wanted)
    found = text_columns(path, text)
    wanted = find_columns(path, found, EVENTS, mapping)
    query = "INSERT INTO checked " + checked(text_fields(found, wanted, text), wanted, checks, number)
    # Each piece is committed by itself: what one transaction has written stays in memory until its end.
    for lines in read_lines(path, text.encoding):
        db.register("lines", lines)
        db.execute(query)
    db.unregister("lines")
    cut = db.execute("SELECT line, value FROM checked WHERE cut_short AND file = ?", [number]).fetchone()
    if cut is not None:
        raise IngestError(
            f"{path}, line {cut[0]}: the file ends in the middle of this line ({cut[1]!r}); copy or export it again"
        )
    return set(wanted)


def _number_ids(db: duckdb.DuckDBPyConnection) -> dict[str, pa.Array]:
    """Number the ids that sound rows carry, in tables of the columns' names."""
    ids = {}
    for name, column in _IDS.items():
        db.execute(
            f"CREATE TABLE {name} AS SELECT id, (row_number() OVER (ORDER BY length(id), id) - 1)::INTEGER AS number "
            f"FROM (SELECT DISTINCT {column} AS id FROM checked WHERE reason IS NULL AND {column} IS NOT NULL)"
        )
        table = db.sql(f"SELECT id FROM {name} ORDER BY number").to_arrow_table()
        ids[name] = table["id"].cast(pa.string()).combine_chunks()
    if len(ids["device_ids"]) > np.iinfo(np.int16).max:
        raise IngestError(
            f"device holds {len(ids['device_ids'])} different names, and a log holds 32767; map it to another column"
        )
    return ids


def _write_events(db: duckdb.DuckDBPyConnection, writer: LogWriter, optional: Sequence[str], scratch_file: Path) -> int:
    """Write the sound events in order; contradictions go to `contradicted`. Returns the number of duplicates."""
    duplicates = 0
    for events in _moments(_sorted_events(db, scratch_file)):
        compared = {name: events[name] for name in ("sequence", *REQUIRED_COLUMNS, *optional)}
        duplicate, contradiction = find_repeats(compared)
        duplicates += int(duplicate.sum())
        if contradiction.any():
            places = pa.table({name: events[name][contradiction] for name in ("file", "line")})
            db.register("places", places)
            db.execute("INSERT INTO contradicted SELECT file, line FROM places")
            db.unregister("places")
        kept = ~(duplicate | contradiction)
        writer.append(events["sequence"][kept], {name: column[kept] for name, column in compared.items()})
    return duplicates


def _sorted_events(db: duckdb.DuckDBPyConnection, scratch_file: Path) -> Iterator[dict[str, np.ndarray]]:
    # Through a file, for DuckDB holds all of a result that Python reads, outside of its memory limit.
    query = f"""
        SELECT s.number AS sequence, timestamp, i.number AS item, feedback,
            coalesce(st.number, {NO_STATION})::INTEGER AS station, coalesce(d.number, -1)::SMALLINT AS device,
            coalesce(played_ratio, 'nan')::FLOAT AS played_ratio, coalesce(utc_offset, 0)::INTEGER AS utc_offset,
            file, line
        FROM checked
        JOIN sequence_ids s ON s.id = user_id
        JOIN item_ids i ON i.id = item_id
        LEFT JOIN station_ids st ON st.id = station_id
        LEFT JOIN device_ids d ON d.id = device
        WHERE reason IS NULL
        ORDER BY sequence, timestamp, file, line"""
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


def _scalar(db: duckdb.DuckDBPyConnection, query: str) -> int:
    row = db.execute(query).fetchone()
    assert row is not None
    return int(row[0])
