"""The tables beside the events: read from Parquet or text, checked, and kept as one Parquet file each."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from urep_jax.data.ingest.fields import (
    find_columns,
    literal,
    name,
    parquet_columns,
    parquet_fields,
    text_fields,
    unreadable,
)
from urep_jax.data.ingest.files import CSV, IngestError, TextFormat, find_files, is_parquet, read_lines, text_columns
from urep_jax.data.ingest.schema import COMPANIONS, Column, Table

_SQL_TYPES = {
    pa.string(): "VARCHAR",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float32(): "FLOAT",
    pa.list_(pa.string()): "VARCHAR[]",
}

_SPELLED = "%b %d, %Y"
"""A date as it is spelled out: `Feb 1, 2006`."""


def write_companion(
    table: str,
    source: str | os.PathLike[str],
    out_file: str | os.PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    text: TextFormat = CSV,
    memory_limit: str = "768MB",
) -> int:
    """Read a companion table and write it as one Parquet file under the library's column names.

    The columns of the schema take its types; ids become strings, times and dates seconds (`2006-02-01`, and as well
    `Feb 1, 2006`). Lists in text files are split at `|`. Further columns pass through. These tables are small and every
    row of them counts: the first bad row is an error.

    Args:
        table: one of `schema.COMPANIONS`.
        source: a Parquet or text file, a folder of them, or a pattern with `*`.
        out_file: the Parquet file to write.
        columns: the source's column names by the library's, where they differ.
        text: how text files are laid out.
        memory_limit: how much memory DuckDB may take before it goes to disk.

    Returns:
        The number of rows.

    Raises:
        FileNotFoundError: if there is nothing to read at `source`.
        IngestError: naming file and line of what can't be read.
    """
    if table not in COMPANIONS:
        raise ValueError(f"table is {table!r}, but must be one of {', '.join(COMPANIONS)}")
    schema = COMPANIONS[table]
    parts = []
    with tempfile.TemporaryDirectory(dir=Path(out_file).parent) as scratch, duckdb.connect() as db:
        for setting, value in {"memory_limit": memory_limit, "temp_directory": scratch, "TimeZone": "UTC"}.items():
            db.execute(f"SET {setting} = {literal(value)}")
        for number, path in enumerate(find_files(source)):
            parts.append(_read_part(db, path, f"part_{number}", schema, columns or {}, text))
        every = " UNION ALL BY NAME ".join(parts)
        row = db.execute(f"SELECT count(*) FROM ({every})").fetchone()
        db.execute(f"COPY ({every}) TO {literal(str(out_file))} (FORMAT parquet)")
    assert row is not None
    return int(row[0])


def _read_part(
    db: duckdb.DuckDBPyConnection, path: Path, part: str, schema: Table, mapping: Mapping[str, str], text: TextFormat
) -> str:
    """Load a file into the table `part`; returns SQL that gives its rows, checked and typed."""
    if is_parquet(path):
        types = parquet_columns(db, path)
        names = _names(path, tuple(types), schema, mapping)
        try:
            db.execute(f"CREATE TABLE {part} AS {parquet_fields(path, types, _aliases(names))}")
        except duckdb.InvalidInputException as error:
            raise unreadable(path, error) from error
    else:
        found = text_columns(path, text)
        types = dict.fromkeys(found, "VARCHAR")
        names = _names(path, found, schema, mapping)
        query = text_fields(found, _aliases(names), text)
        for number, lines in enumerate(read_lines(path, text.encoding)):
            db.register("lines", lines)
            db.execute(f"CREATE TABLE {part} AS {query}" if number == 0 else f"INSERT INTO {part} {query}")
        db.unregister("lines")
    damaged = db.execute(f"SELECT line, damage FROM {part} WHERE damage IS NOT NULL ORDER BY line LIMIT 1").fetchone()
    if damaged is not None:
        raise IngestError(f"{path}, line {damaged[0]}: {damaged[1]}", "mend the line")
    known = {column.name: column for column in schema.columns}
    picked = []
    for alias, (to, source) in zip(_aliases(names), names.items(), strict=True):
        value = alias
        if to in known:
            value = _typed(alias, known[to], is_list=types[source].endswith("]"))
            _refuse_broken(db, path, part, alias, known[to], value)
        picked.append(f"{value} AS {name(to)}")
    return f"SELECT {', '.join(picked)} FROM {part}"


def _names(path: Path, found: tuple[str, ...], schema: Table, mapping: Mapping[str, str]) -> dict[str, str]:
    """The source's columns by the names they get: the schema's first, then what else there is."""
    wanted = find_columns(path, found, schema, mapping)
    return wanted | {source: source for source in found if source not in wanted.values() and source not in wanted}


def _aliases(names: Mapping[str, str]) -> dict[str, str]:
    # Sources may call their columns what `text_fields` calls its own.
    return {f"c{number}": source for number, source in enumerate(names.values())}


def _typed(raw: str, column: Column, is_list: bool) -> str:
    sql_type = _SQL_TYPES[column.type]
    if sql_type.endswith("[]") and not is_list:
        return f"string_split({raw}, '|')"
    if sql_type == "BIGINT":
        # Every whole number of this size in the companions is a moment, so dates are understood as well.
        moment = f"floor(epoch(coalesce(TRY_CAST({raw} AS TIMESTAMPTZ), try_strptime({raw}, {literal(_SPELLED)}))))"
        return f"TRY_CAST(CASE WHEN TRY_CAST({raw} AS DOUBLE) IS NULL THEN {moment} ELSE {raw}::DOUBLE END AS BIGINT)"
    return f"TRY_CAST({raw} AS {sql_type})"


def _refuse_broken(db: duckdb.DuckDBPyConnection, path: Path, part: str, raw: str, column: Column, typed: str) -> None:
    broken = f"{raw} IS NOT NULL AND {typed} IS NULL" + (f" OR {raw} IS NULL" if column.required else "")
    row = db.execute(f"SELECT line, {raw} FROM {part} WHERE {broken} ORDER BY line LIMIT 1").fetchone()
    if row is not None:
        value = "missing" if row[1] is None else repr(row[1])
        raise IngestError(
            f"{path}, line {row[0]}: {column.name} is {value}, but must be a {column.type}: {column.about}",
            "mend the line",
        )
