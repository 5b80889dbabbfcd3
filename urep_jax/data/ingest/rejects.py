"""The rows that ingest had to leave out: counted, told, and too many of them refused."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from urep_jax.data.ingest.fields import literal
from urep_jax.data.ingest.files import IngestError

REJECTS_FILE = "rejects.csv"
"""Beside the log: every rejected row with its file, line, column, value and the reason."""

CONTRADICTED = "this user gave this item another feedback at the same time and station; keep one of them"
"""The reason of rows that contradict each other."""

_FEW = 3


class Rejects:
    """The rejects of one run: rows of `checked` that carry a reason, and the places in `contradicted`."""

    def __init__(self, db: duckdb.DuckDBPyConnection, files: Sequence[Path], max_share: float) -> None:
        """Look at the rejects of a run.

        Args:
            db: the run's database; `contradicted` is made here, to be filled.
            files: the source files, by number.
            max_share: largest share of rows, 0 to 1, that may be rejected.
        """
        self._db = db
        self._max_share = max_share
        db.execute("CREATE TABLE files (number INTEGER, name VARCHAR)")
        db.executemany("INSERT INTO files VALUES (?, ?)", [(n, str(path)) for n, path in enumerate(files)])
        db.execute("CREATE TABLE contradicted (file INTEGER, line BIGINT)")
        word = "CASE feedback WHEN 1 THEN 'up' WHEN 2 THEN 'down' WHEN 3 THEN 'skip' WHEN 4 THEN 'play' END"
        db.execute(
            f"""
            CREATE VIEW rejects AS
            SELECT file, line, blamed, value, reason FROM checked WHERE reason IS NOT NULL
            UNION ALL
            SELECT file, line, 'feedback', {word}, {literal(CONTRADICTED)}
            FROM checked JOIN contradicted USING (file, line)"""
        )

    def check(self, rows: int) -> None:
        """Refuse a source whose rejects are past the share.

        Raises:
            IngestError: naming file, line, value and reason of the first few.
        """
        rejected = self._count()
        if rejected > self._max_share * rows:
            raise IngestError(
                f"{rejected} of {rows} rows can't be used ({rejected / rows:.2%}), more than max_rejected_share = "
                f"{self._max_share} lets pass. {self.first_few()}"
            )

    def first_few(self) -> str:
        """The first rejects in words, one a line."""
        query = f"{_TOLD} ORDER BY file, line LIMIT {_FEW}"
        told = []
        for file, line, column, value, reason in self._db.execute(query).fetchall():
            what = f"{column} is {value!r}" if column else repr(value)
            told.append(f"\n  {file}, line {line}: {what}: {reason}")
        return "Mend the source or raise the share; the first are:" + "".join(told)

    def write(self, path: Path) -> dict[str, int]:
        """Write every reject to a CSV file, and count them by reason."""
        self._db.execute(f"COPY ({_TOLD} ORDER BY file, line) TO {literal(str(path))} (FORMAT csv, HEADER)")
        query = "SELECT reason, count(*) FROM rejects GROUP BY reason ORDER BY count(*) DESC, reason"
        return dict(self._db.execute(query).fetchall())

    def _count(self) -> int:
        row = self._db.execute("SELECT count(*) FROM rejects").fetchone()
        assert row is not None
        return int(row[0])


_TOLD = (
    'SELECT name AS file, line, blamed AS "column", value, reason '
    "FROM rejects JOIN files ON rejects.file = files.number"
)
