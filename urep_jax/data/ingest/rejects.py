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
            db: the run's database.
            files: the source files, by number.
            max_share: largest share of rows, 0 to 1, that may be rejected.
        """
        self._db = db
        self._max_share = max_share
        db.execute("CREATE TABLE files (number INTEGER, name VARCHAR)")
        db.executemany("INSERT INTO files VALUES (?, ?)", [(n, str(path)) for n, path in enumerate(files)])
        word = "CASE feedback WHEN 1 THEN 'up' WHEN 2 THEN 'down' WHEN 3 THEN 'skip' WHEN 4 THEN 'play' END"
        db.execute(
            f"""
            CREATE VIEW rejects AS
            SELECT file, line, blamed, value, reason FROM checked WHERE reason IS NOT NULL
            UNION ALL
            SELECT file, line, 'feedback', {word}, {literal(CONTRADICTED)} FROM contradicted"""
        )

    def check(self, rows: int) -> None:
        """Refuse a source whose rejects are past the share.

        Raises:
            IngestError: with their number by reason, and file, line, value and reason of the first few.
        """
        rejected = sum(self._reasons().values())
        if rejected > self._max_share * rows:
            raise self.error(
                f"{rejected:,} of {rows:,} rows can't be used ({rejected / rows:.2%}), but no more than "
                f"{self._max_share:.2%} may be left out"
            )

    def error(self, problem: str) -> IngestError:
        """What to say where the rejects are a problem."""
        told = [f"{count:,}: {reason}" for reason, count in self._reasons().items()]
        return IngestError(
            problem,
            "mend the source, say in columns, feedback_words, thresholds, clock or text how it is told, or raise "
            "max_rejected_share",
            [*told, *self._first_few()],
        )

    def _first_few(self) -> list[str]:
        query = f"{_TOLD} ORDER BY file, line LIMIT {_FEW}"
        return [
            f"{file}, line {line}: {f'{column} is {value!r}' if column else repr(value)}: {reason}"
            for file, line, column, value, reason in self._db.execute(query).fetchall()
        ]

    def write(self, path: Path) -> dict[str, int]:
        """Write every reject to a CSV file, and count them by reason."""
        self._db.execute(f"COPY ({_TOLD} ORDER BY file, line) TO {literal(str(path))} (FORMAT csv, HEADER)")
        return self._reasons()

    def _reasons(self) -> dict[str, int]:
        query = "SELECT reason, count(*) FROM rejects GROUP BY reason ORDER BY count(*) DESC, reason"
        return dict(self._db.execute(query).fetchall())


_TOLD = (
    'SELECT name AS file, line, blamed AS "column", value, reason '
    "FROM rejects JOIN files ON rejects.file = files.number"
)
