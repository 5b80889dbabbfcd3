"""Filters of rows by their values, and what to say where they keep none."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import duckdb

from urep_jax.data.ingest.fields import literal, name
from urep_jax.data.ingest.files import IngestError

_TOLD = 8
"""Values of a column that a message tells."""


class Filter(NamedTuple):
    """Rows are kept that hold one of some values in a column.

    Attributes:
        column: the source's name of it.
        values: what it may hold, as text.
        raw: the column's name in SQL over raw columns.
    """

    column: str
    values: tuple[str, ...]
    raw: str

    @property
    def keeps(self) -> str:
        """SQL that is true of the rows that are kept."""
        return f"{name(self.raw)} IN ({', '.join(map(literal, self.values))})"


class Tally:
    """What the columns of filters hold, over all files of a source."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, tuple[str, ...]], Counter[str | None]] = {}
        self._kept: Counter[tuple[str, tuple[str, ...]]] = Counter()

    def add(self, db: duckdb.DuckDBPyConnection, fields: str, filters: Iterable[Filter]) -> None:
        """Count the sound rows of `text_fields` or `parquet_fields`."""
        for told in filters:
            key = (told.column, told.values)
            sound = f"FROM ({fields}) WHERE damage IS NULL"
            # A column of many values is told by its most frequent ones.
            most = f"SELECT {name(told.raw)}, count(*) {sound} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {8 * _TOLD}"
            self._values.setdefault(key, Counter()).update(dict(db.execute(most).fetchall()))
            ((kept,),) = db.execute(f"SELECT count(*) {sound} AND {told.keeps}").fetchall()
            self._kept[key] += kept

    def error(self, sources: str, rows: int) -> IngestError:
        """What to say where none of `rows` is kept."""
        told = []
        for (column, values), held in self._values.items():
            most = sorted(held.items(), key=lambda item: (-item[1], item[0] or ""))[:_TOLD]
            there = ", ".join(f"{'nothing' if value is None else repr(value)} ({count:,})" for value, count in most)
            more = ", ..." if len(held) > _TOLD else ""
            kept = f"{' or '.join(map(repr, values))} in {self._kept[column, values]:,} of them"
            told.append(f"{column!r} is {kept}, and it holds {there}{more}")
        problem = f"{sources}: none of {rows:,} rows is kept: {'; '.join(told)}"
        return IngestError(problem, "name values in where that are there")
