"""Source files become rows of the table `checked`: each with what it says, or with what is wrong with it."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from urep_jax.data.ingest.fields import (
    count_lines,
    count_rows,
    literal,
    parquet_columns,
    parquet_fields,
    text_fields,
    unreadable,
)
from urep_jax.data.ingest.files import IngestError, is_parquet, read_lines, text_columns
from urep_jax.data.ingest.filters import Tally
from urep_jax.data.ingest.parts import Part
from urep_jax.data.ingest.rules import checked

Files = Sequence[tuple[Part, Path]]
"""The files of a source in the order in which their rows count, each with what tells of it."""


def connect(scratch: str, memory_limit: str, *, threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """A database on disk, with the empty tables `checked` and `contradicted`.

    Args:
        scratch: an empty folder for the database, and for what doesn't fit into memory.
        memory_limit: how much memory DuckDB may take before it goes to disk.
        threads: of DuckDB; as many as there are cores if None.
    """
    db = duckdb.connect(Path(scratch) / "events.duckdb")
    limit(db, scratch, memory_limit, threads=threads)
    db.execute(
        "CREATE TABLE checked (file INTEGER, line BIGINT, cut_short BOOLEAN, reason VARCHAR, blamed VARCHAR, "
        "value VARCHAR, user_id VARCHAR, item_id VARCHAR, timestamp BIGINT, feedback TINYINT, station_id VARCHAR, "
        "device VARCHAR, played_ratio FLOAT, utc_offset INTEGER, place INTEGER)"
    )
    db.execute("CREATE TABLE contradicted (file INTEGER, line BIGINT, feedback TINYINT)")
    return db


def limit(db: duckdb.DuckDBPyConnection, scratch: str, memory_limit: str, *, threads: int | None = None) -> None:
    """Keep a database within bounds; arguments as those of `connect`."""
    for setting, value in {"memory_limit": memory_limit, "temp_directory": scratch, "TimeZone": "UTC"}.items():
        db.execute(f"SET {setting} = {literal(value)}")
    db.execute("SET enable_progress_bar = false")
    if threads is not None:
        db.execute(f"SET threads = {threads}")


def columns_of(db: duckdb.DuckDBPyConnection, path: Path, part: Part) -> dict[str, str]:
    """Which columns of a file are read, by the names that values and rules know them by.

    Raises:
        IngestError: if a column is missing, or if there is nothing to look for it in.
    """
    return part.find(path, tuple(parquet_columns(db, path)) if is_parquet(path) else text_columns(path, part.text))


def read_file(db: duckdb.DuckDBPyConnection, path: Path, number: int, part: Part, now: int) -> int:
    """Add a file's rows to `checked`.

    Args:
        db: the database.
        path: the file.
        number: the file's number among all of the source.
        part: what tells of it.
        now: the latest second that an event may have.

    Returns:
        The number of rows that `part.where` leaves out.

    Raises:
        IngestError: if the file can't be read to its end.
    """
    checks, wanted = part.checks(now), columns_of(db, path, part)
    if is_parquet(path):
        fields = part.named(parquet_fields(path, parquet_columns(db, path), wanted))
        query = checked(fields, wanted, checks, number, constants=part.constants, kept=part.kept)
        try:
            added = scalar(db, "INSERT INTO checked " + query)
        except duckdb.InvalidInputException as error:
            raise unreadable(path, error) from error
        return scalar(db, count_rows(path)) - added
    fields = part.named(text_fields(text_columns(path, part.text), wanted, part.text))
    query = checked(fields, wanted, checks, number, constants=part.constants, kept=part.kept)
    left_out = 0
    # Each piece is committed by itself: what one transaction has written stays in memory until its end.
    for lines in read_lines(path, part.text.encoding):
        db.register("lines", lines)
        added = scalar(db, "INSERT INTO checked " + query)
        left_out += scalar(db, count_lines(part.text)) - added if part.where else 0
    db.unregister("lines")
    cut = db.execute("SELECT line, value FROM checked WHERE cut_short AND file = ?", [number]).fetchone()
    if cut is not None:
        raise IngestError(
            f"{path}, line {cut[0]}: the file ends in the middle of this line ({cut[1]!r})", "copy or export it again"
        )
    return left_out


def none_kept(db: duckdb.DuckDBPyConnection, files: Files, sources: str, rows: int) -> IngestError:
    """What to say where `where` keeps nothing: look at the sources once more, for what its columns hold.

    Args:
        db: the database.
        files: of the source.
        sources: how the message calls them.
        rows: how many of them were left out.
    """
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


def scalar(db: duckdb.DuckDBPyConnection, query: str) -> int:
    """The one number that a query gives."""
    # All rows, for a result that isn't read to its end keeps tables from being registered.
    ((value,),) = db.execute(query).fetchall()
    return int(value)
