"""SQL that brings any source file to one shape: a row number, and every known column as text."""

import re
from collections.abc import Mapping
from pathlib import Path

import duckdb

from urep_jax.data.ingest.files import IngestError, TextFormat, is_parquet
from urep_jax.data.ingest.schema import EVENTS, Table


def name(text: str) -> str:
    """A column's name as SQL, whatever is in it."""
    return '"' + text.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string as SQL, whatever is in it."""
    return "'" + text.replace("'", "''") + "'"


def find_columns(
    path: Path, found: tuple[str, ...], table: Table, mapping: Mapping[str, str], may_lack: tuple[str, ...] = ()
) -> dict[str, str]:
    """Which column of a file holds which column of a table.

    Args:
        path: the file, for the message.
        found: the columns that it has.
        table: the table that it should be.
        mapping: names in the file by names in the library, where they differ.
        may_lack: required columns that the file may lack all the same.

    Returns:
        Names in the file by names in the library, of those that are there.

    Raises:
        IngestError: if a required or a mapped column is missing.
    """
    unknown = [column for column in mapping if column not in table.names]
    if unknown:
        raise IngestError(
            f"{'columns' if table is EVENTS else 'companion_columns'} maps {', '.join(map(repr, unknown))}, but the "
            f"{table.name} table has only the columns {', '.join(table.names)}",
            "map these",
        )
    wanted = {column: mapping.get(column, column) for column in table.names}
    needed = [c for c in table.names if c in mapping or (c in table.required and c not in may_lack)]
    missing = [column for column in needed if wanted[column] not in found]
    if missing:
        told = ", ".join(repr(wanted[column]) for column in missing)
        example = "{" + ", ".join(f"{column!r}: ..." for column in missing) + "}"
        knob = f"columns={example}" if table is EVENTS else f"companion_columns={{{table.name!r}: {example}}}"
        raise lacking(path, told, found, f"say which of them to read with {knob}")
    return {column: source for column, source in wanted.items() if source in found}


def lacking(path: Path, told: str, found: tuple[str, ...], mend: str) -> IngestError:
    """What to say of a file that lacks columns.

    Args:
        path: the file.
        told: the columns.
        found: those that it has.
        mend: what to do if it has them under other names.
    """
    problem = f"{path} has no column {told}; its columns are {', '.join(map(repr, found))}"
    if len(found) == 1 and not is_parquet(path):
        mend += ", or what stands between them with text.delimiter, if this is several"
    return IngestError(problem, mend)


def text_fields(columns: tuple[str, ...], wanted: Mapping[str, str], text: TextFormat) -> str:
    """SQL over a table `lines` (see `read_lines`): `line`, the wanted columns as text, and what is wrong with the line.

    Empty fields are null and blanks around a field go. `damage` is null for a sound line, `whole` is the line itself,
    and `cut_short` marks a last line without a line end that has too few fields.
    """
    quote, delimiter = literal(text.quote), literal(text.delimiter)
    fields = f"string_split(text, {delimiter})"
    damage = [("NOT intact", f"the line isn't {text.encoding} text")]
    if text.quote:
        q, d = re.escape(text.quote), re.escape(text.delimiter)
        pattern = literal(f"({q}(?:[^{q}]|{q}{q})*{q}|.*?){d}")
        wrapped = f"length(f) > 1 AND starts_with(f, {quote}) AND ends_with(f, {quote})"
        inner = f"CASE WHEN {wrapped} THEN replace(f[2:-2], {quote} || {quote}, {quote}) ELSE f END"
        quoted = (
            f"list_transform(list_transform(regexp_extract_all(text || {delimiter}, {pattern}, 1), "
            f"lambda f: trim(f)), lambda f: {inner})"
        )
        fields = f"CASE WHEN contains(text, {quote}) THEN {quoted} ELSE {fields} END"
        odd = f"contains(text, {quote}) AND (length(text) - length(replace(text, {quote}, ''))) % 2 = 1"
        damage += [(odd, "a quote isn't closed on its line")]
    number = len(columns)
    damage += [(f"len(fields) <> {number}", f"the line should have {number} fields, as the header or names say")]
    damage_case = " ".join(f"WHEN {broken} THEN {literal(reason)}" for broken, reason in damage)
    picked = "".join(
        f", nullif(trim(fields[{columns.index(source) + 1}]), '') AS {name(column)}"
        for column, source in wanted.items()
    )
    header = 0 if text.names is not None else 1
    return f"""
        SELECT line, CASE {damage_case} END AS damage, text AS whole,
            NOT ended AND len(fields) < {number} AS cut_short {picked}
        FROM (
            SELECT *, {fields} AS fields FROM (
                SELECT line, intact, rtrim(text, chr(10) || chr(13)) AS text, ends_with(text, chr(10)) AS ended
                FROM lines WHERE line > {header}
            )
        ) WHERE trim(text) <> ''"""


def count_lines(text: TextFormat) -> str:
    """SQL over a table `lines`: how many rows `text_fields` finds in it."""
    header = 0 if text.names is not None else 1
    return f"SELECT count(*) FROM lines WHERE line > {header} AND trim(rtrim(text, chr(10) || chr(13))) <> ''"


def count_rows(path: Path) -> str:
    """SQL: how many rows a Parquet file has."""
    return f"SELECT count(*) FROM {_scan(path, row_number=False)}"


def parquet_columns(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, str]:
    """The columns of a Parquet file and their DuckDB types.

    Raises:
        IngestError: if the file is empty or cut short, or isn't Parquet.
    """
    if path.stat().st_size == 0:
        raise IngestError(f"{path} is empty", "export it again, or leave it out")
    try:
        rows = connection.execute(f"DESCRIBE SELECT * FROM {_scan(path, row_number=False)}").fetchall()
    except duckdb.Error as error:
        raise unreadable(path, error) from error
    return {row[0]: row[1] for row in rows}


def unreadable(path: Path, error: duckdb.Error) -> IngestError:
    """What to say of a Parquet file that DuckDB gives up on."""
    reason = str(error).splitlines()[0]
    return IngestError(f"{path} can't be read as Parquet, it may be cut short: {reason}", "copy or export it again")


def parquet_fields(path: Path, types: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """SQL over a Parquet file in the shape of `text_fields`; `line` is the row, from 1, and lists stay lists."""
    picked = "".join(f", {_as_text(name(source), types[source])} AS {name(to)}" for to, source in wanted.items())
    return f"""
        SELECT file_row_number + 1 AS line, NULL::VARCHAR AS damage, NULL::VARCHAR AS whole, false AS cut_short {picked}
        FROM {_scan(path, row_number=True)}"""


def _scan(path: Path, row_number: bool) -> str:
    # Brackets keep DuckDB from taking `*` or `?` in a file's name for a pattern.
    escaped = re.sub(r"([*?\[])", r"[\1]", str(path))
    return f"read_parquet({literal(escaped)}, hive_partitioning = false, file_row_number = {str(row_number).lower()})"


def _as_text(column: str, sql_type: str) -> str:
    if sql_type.endswith("]"):
        return column
    if sql_type.startswith("TIMESTAMP") or sql_type == "DATE":
        return f"floor(epoch({column}::TIMESTAMPTZ))::BIGINT::VARCHAR"
    if sql_type in ("FLOAT", "DOUBLE") or sql_type.startswith("DECIMAL"):
        # pandas turns a column of integer ids into floats as soon as one is missing.
        whole = f"coalesce(TRY_CAST({column} AS HUGEINT)::VARCHAR, {column}::VARCHAR)"
        # To DuckDB, NaN equals NaN; isnan() is false for it where the file's statistics leave it out.
        return f"nullif(CASE WHEN {column} = trunc({column}) THEN {whole} ELSE {column}::VARCHAR END, 'nan')"
    return f"nullif({column}::VARCHAR, '')"
