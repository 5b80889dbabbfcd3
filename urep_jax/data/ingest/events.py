"""`ingest`: anybody's event files become an event log, in memory that doesn't grow with them."""

import dataclasses
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from urep_jax.core.types import FEEDBACK_WORDS, SECONDS_PER_DAY, Feedback
from urep_jax.data.draft import draft_folder
from urep_jax.data.ingest.fields import (
    count_lines,
    count_rows,
    literal,
    parquet_columns,
    parquet_fields,
    text_fields,
    unreadable,
)
from urep_jax.data.ingest.files import IngestError, find_files, is_parquet, read_lines, text_columns
from urep_jax.data.ingest.filters import Tally
from urep_jax.data.ingest.parts import Part
from urep_jax.data.ingest.rejects import CONTRADICTED, REJECTS_FILE, Rejects
from urep_jax.data.ingest.repeats import find_repeats
from urep_jax.data.ingest.rules import checked
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
    """What became of the rows: `rows == events + left_out + duplicates + undone + rejected`.

    Attributes:
        files: number of files read.
        rows: rows found in them; blank lines don't count.
        events: events of the log.
        sequences: users (or sessions) of the log.
        items: distinct items of the log.
        stations: distinct stations of the log.
        left_out: rows that `where` doesn't keep.
        duplicates: rows dropped because every column repeats an earlier row.
        undone: rows whose feedback was taken back the same day, and rows that take feedback back.
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
    left_out: int
    duplicates: int
    undone: int
    rejected: int
    contradictions: int
    reasons: dict[str, int]


def ingest(
    source: str | os.PathLike[str] | Part | Sequence[Part],
    out_folder: str | os.PathLike[str],
    *,
    name: str = "interactions",
    granularity: Granularity = "user",
    exclusive: Sequence[str] = FEEDBACK_WORDS,
    max_rejected_share: float = 0.01,
    now: float | None = None,
    memory_limit: str = "768MB",
) -> IngestReport:
    r"""Read event files and write them as an event log, with the rejects and a report beside it.

    Events are sorted by user, time and original row (parts as given, files by path, then rows). Users, items, stations
    and devices are numbered by their ids, shorter ids first, so that integers keep their order.

    A row that says `undo up` or `undo down` takes back what the user said of the item on the station earlier on the
    same UTC day, or in the same second, and neither gets into the log. What was read from a number by thresholds was
    never said, and stays. So does what is taken back on a later day, for that is a change of mind: no later row changes
    an earlier day, and a cut at midnight leaks nothing.

    Args:
        source: a Parquet or CSV file (`.gz` and `.zip` too), a folder of them, or a pattern with `*`, all in the
            library's names and words; files that are told otherwise are a `Part`, or several.
        out_folder: where the log goes; read it with `load_log`. It appears whole at the end, or not at all.
        name: the data set's name.
        granularity: what the ids in `user_id` stand for, a `user` or a `session`.
        exclusive: feedback words of which only one can hold for an item at a time; rows where several do are rejected.
        max_rejected_share: largest share of rows, 0 to 1, that may be rejected before the run stops.
        now: seconds since 1970; later events are rejected. Defaults to this moment.
        memory_limit: how much memory DuckDB may take before it goes to disk.

    Returns:
        What became of the rows.

    Raises:
        FileNotFoundError: if there is nothing to read at `source`.
        IngestError: if a file is empty, cut short or lacks a column, if `where` keeps nothing, or if too many rows are
            rejected.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     csv = Path(folder) / "events.csv"
        ...     _ = csv.write_text("user_id,item_id,timestamp,liked\nann,7,1000,yes\nann,8,1010,no\n")
        ...     words = {"yes": "up", "no": "down"}
        ...     part = Part(source=csv, columns={"feedback": "liked"}, feedback_words=words)
        ...     ingest(part, f"{folder}/log").events
        2
    """
    if not 0 <= max_rejected_share <= 1:
        raise ValueError(f"max_rejected_share is {max_rejected_share}, but must be a share from 0 to 1")
    if isinstance(source, str | os.PathLike):
        source = Part(source=source)
    parts = [source] if isinstance(source, Part) else list(source)
    kinds = [Feedback.from_word(word) for word in exclusive]
    now = int(time.time() if now is None else now)
    sources = ", ".join(str(part.source) for part in parts)
    files = [(part, path) for part in parts for path in find_files(part.source)]
    with (
        draft_folder(out_folder) as draft,
        tempfile.TemporaryDirectory(dir=draft) as scratch,
        _connect(scratch, memory_limit) as db,
    ):
        present: set[str] = set()
        left_out = 0
        for number, (part, path) in enumerate(files):
            columns_there, skipped = _read_file(db, path, number, part, now)
            present |= columns_there
            left_out += skipped
        rows = _scalar(db, "SELECT count(*) FROM checked")
        # Nobody knows whether a damaged line would have been kept: it speaks for no other.
        if left_out and not _scalar(db, "SELECT count(*) FROM checked WHERE blamed IS DISTINCT FROM ''"):
            raise _none_kept(db, files, sources, left_out)
        if rows == 0:
            raise IngestError(f"{sources} has a header but no rows", "export it again")
        rejects = Rejects(db, [path for _, path in files], max_rejected_share)
        rejects.check(rows)
        ids = _number_ids(db)
        optional = [column for column, raw in _SOURCE_COLUMN.items() if raw in present]
        with LogWriter(draft, optional) as writer:
            by_place = any(part.clock for part in parts)
            unsaid = [number for number, (part, _) in enumerate(files) if part.thresholds]
            sorted_events = _sorted_events(db, Path(scratch) / "sorted.parquet", by_place, unsaid)
            duplicates = _write_events(db, writer, optional, sorted_events, kinds)
            rejects.check(rows)
            log = writer.finish(name=name, granularity=granularity, ids=ids, drop_unused=True)
        if log.num_events == 0:
            raise rejects.error(f"{sources}: none of its {rows:,} rows can be used")
        reasons = rejects.write(draft / REJECTS_FILE)
        rejected = sum(reasons.values())
        report = IngestReport(
            files=len(files),
            rows=rows + left_out,
            events=log.num_events,
            sequences=log.num_sequences,
            items=log.num_items,
            stations=log.num_stations,
            left_out=left_out,
            duplicates=duplicates,
            undone=rows - log.num_events - duplicates - rejected,
            rejected=rejected,
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
        "device VARCHAR, played_ratio FLOAT, utc_offset INTEGER, place INTEGER)"
    )
    return db


def _read_file(db: duckdb.DuckDBPyConnection, path: Path, number: int, part: Part, now: int) -> tuple[set[str], int]:
    """Add a file's rows to `checked`.

    Returns:
        The columns of the events table that the file has, and the number of rows that `part.where` leaves out.
    """
    checks = part.checks(now)
    if is_parquet(path):
        types = parquet_columns(db, path)
        wanted = part.find(path, tuple(types))
        fields = part.named(parquet_fields(path, types, wanted))
        query = checked(fields, wanted, checks, number, constants=part.constants, kept=part.kept)
        try:
            added = _scalar(db, "INSERT INTO checked " + query)
        except duckdb.InvalidInputException as error:
            raise unreadable(path, error) from error
        return set(wanted), _scalar(db, count_rows(path)) - added
    found = text_columns(path, part.text)
    wanted = part.find(path, found)
    fields = part.named(text_fields(found, wanted, part.text))
    query = checked(fields, wanted, checks, number, constants=part.constants, kept=part.kept)
    left_out = 0
    # Each piece is committed by itself: what one transaction has written stays in memory until its end.
    for lines in read_lines(path, part.text.encoding):
        db.register("lines", lines)
        added = _scalar(db, "INSERT INTO checked " + query)
        left_out += _scalar(db, count_lines(part.text)) - added if part.where else 0
    db.unregister("lines")
    cut = db.execute("SELECT line, value FROM checked WHERE cut_short AND file = ?", [number]).fetchone()
    if cut is not None:
        raise IngestError(
            f"{path}, line {cut[0]}: the file ends in the middle of this line ({cut[1]!r})", "copy or export it again"
        )
    return set(wanted), left_out


def _none_kept(
    db: duckdb.DuckDBPyConnection, files: Sequence[tuple[Part, Path]], sources: str, rows: int
) -> IngestError:
    """Look at the sources once more, for what the columns hold that `where` names."""
    tally = Tally()
    for part, path in files:
        wanted = {told.raw: told.column for told in part.filters}
        if not wanted:
            continue
        if is_parquet(path):
            tally.add(db, parquet_fields(path, parquet_columns(db, path), wanted), part.filters)
            continue
        fields = text_fields(text_columns(path, part.text), wanted, part.text)
        for lines in read_lines(path, part.text.encoding):
            db.register("lines", lines)
            tally.add(db, fields, part.filters)
        db.unregister("lines")
    return tally.error(sources, rows)


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
            f"device holds {len(ids['device_ids'])} different names, and a log holds 32767",
            "map it to another column with columns={'device': ...}",
        )
    return ids


def _write_events(
    db: duckdb.DuckDBPyConnection,
    writer: LogWriter,
    optional: Sequence[str],
    sorted_events: Iterator[dict[str, np.ndarray]],
    exclusive: Sequence[Feedback],
) -> int:
    """Write the sound events in order; contradictions go to `contradicted`. Returns the number of duplicates."""
    duplicates = 0
    for events in _moments(sorted_events):
        compared = {name: events[name] for name in ("sequence", *REQUIRED_COLUMNS, *optional)}
        duplicate, contradiction = find_repeats(compared, exclusive)
        duplicates += int(duplicate.sum())
        if contradiction.any():
            places = pa.table({name: events[name][contradiction] for name in ("file", "line")})
            db.register("places", places)
            db.execute("INSERT INTO contradicted SELECT file, line FROM places")
            db.unregister("places")
        kept = ~(duplicate | contradiction)
        writer.append(events["sequence"][kept], {name: column[kept] for name, column in compared.items()})
    return duplicates


def _sorted_events(
    db: duckdb.DuckDBPyConnection, scratch_file: Path, by_place: bool, unsaid: Sequence[int]
) -> Iterator[dict[str, np.ndarray]]:
    """The sound events that nothing undoes, by sequence and time.

    Args:
        db: the run's database.
        scratch_file: where to sort them to.
        by_place: whether there are places, along which time must not fall.
        unsaid: numbers of the files whose feedback thresholds told, which nothing undoes.
    """
    db.execute(
        f"""
        CREATE TABLE undone AS
        SELECT user_id, item_id, station_id, -feedback AS feedback, timestamp // {SECONDS_PER_DAY} AS day,
            max(timestamp) AS until
        FROM checked WHERE feedback < 0 GROUP BY ALL"""
    )
    time = "e.timestamp"
    if by_place:
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
            AND NOT list_contains({list(unsaid)}::INTEGER[], file)
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


def _scalar(db: duckdb.DuckDBPyConnection, query: str) -> int:
    # All rows, for a result that isn't read to its end keeps tables from being registered.
    ((value,),) = db.execute(query).fetchall()
    return int(value)
