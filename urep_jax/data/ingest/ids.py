"""Tables of ids that come beside the events, such as candidates to be ranked: read as the events' ids are."""

import re
from collections.abc import Sequence
from pathlib import Path

import duckdb

from urep_jax.data.ingest.fields import literal, name, parquet_columns, parquet_fields
from urep_jax.data.ingest.files import IngestError, is_parquet


def ids_of(
    connection: duckdb.DuckDBPyConnection, path: Path, required: Sequence[str], optional: Sequence[str] = ()
) -> tuple[str, list[str]]:
    """SQL over a Parquet or CSV file: `line`, from 1, and the wanted columns as text, null where there is nothing.

    Args:
        connection: to look at the file with.
        path: of the file.
        required: columns that it must have.
        optional: columns that are taken if it has them.

    Returns:
        The SQL, and the columns that are there.

    Raises:
        FileNotFoundError: if there is no such file.
        IngestError: if it can't be read as what its name says it is.
        ValueError: if a required column is missing.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; name a Parquet or CSV file")
    if is_parquet(path):
        types = parquet_columns(connection, path)
        columns = list(types)
    else:
        # Brackets keep DuckDB from taking `*` or `?` in a file's name for a pattern.
        escaped = literal(re.sub(r"([*?\[])", r"[\1]", str(path)))
        text = f"read_csv({escaped}, header = true, all_varchar = true, delim = ',')"
        try:
            columns = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {text}").fetchall()]
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise IngestError(f"{path} can't be read as CSV: {reason}", "name a Parquet or CSV file") from error
    missing = [column for column in required if column not in columns]
    if missing:
        raise ValueError(f"{path} has no column {missing[0]!r}; its columns are {', '.join(columns)}")
    wanted = [column for column in (*required, *optional) if column in columns]
    picked = ", ".join(map(name, wanted))
    if is_parquet(path):
        return f"SELECT line, {picked} FROM ({parquet_fields(path, types, {c: c for c in wanted})})", wanted
    empty_is_null = ", ".join(f"nullif(trim({name(c)}), '') AS {name(c)}" for c in wanted)
    return f"SELECT row_number() OVER () AS line, {empty_is_null} FROM {text}", wanted
