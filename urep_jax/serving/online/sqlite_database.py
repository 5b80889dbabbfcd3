"""`Database`: one SQLite file, used by many threads and processes, from which what was removed is gone."""

import contextlib
import errno
import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from urep_jax.serving.online.parts import StoreFull

_PATIENCE = 30.0
"""Seconds to wait for another's lock on the file."""

_PAUSE_MS = 200
"""Milliseconds to wait for a moment in which nobody reads; nobody writes meanwhile."""

_PIECE = 1 << 24
"""Bytes of a file that are searched at once."""


class Database:
    """A file in WAL mode: one writes at a time, while any number read what was there before.

    A commit is on disk when it returns. Open it in the process that uses it: a fork would share its locks.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     database = Database(Path(folder) / "a.sqlite", "CREATE TABLE IF NOT EXISTS notes (text TEXT)")
        ...     with database.writing() as connection:
        ...         _ = connection.execute("INSERT INTO notes VALUES ('kept')")
        ...     with database.reading() as connection:
        ...         print(connection.execute("SELECT text FROM notes").fetchall())
        ...     database.close()
        [('kept',)]
    """

    def __init__(self, path: Path, schema: str) -> None:
        """Open the file, or make it.

        Args:
            path: of the file; its folder is made too.
            schema: statements that make what is missing.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        # SQLite waits for another writer by sleeping ever longer, and late comers pass; the system wakes who waits.
        self._turn = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # What it tells of people is not for everybody.
        self._one_thread = threading.Lock()
        self._resting: list[sqlite3.Connection] = []
        self._closed = False
        with contextlib.ExitStack() as if_refused:
            if_refused.callback(os.close, self._turn)
            with self._alone():
                self._writer = self.connect()
                if_refused.callback(self._writer.close)
                self._writer.execute("PRAGMA journal_mode=WAL")
                self._writer.execute("PRAGMA synchronous=FULL")
                self._writer.execute("PRAGMA cache_size=-16384")
                for statement in filter(str.strip, schema.split(";")):
                    self._writer.execute(statement)
            if_refused.pop_all()

    def connect(self) -> sqlite3.Connection:
        """A connection more, for who needs one of its own."""
        connection = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA secure_delete=ON")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that writes: all of it is on disk afterwards, or nothing if it raises.

        Raises:
            StoreFull: if there is no room.
        """
        with self._alone(), self._room():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A transaction that reads: all at one moment."""
        try:
            connection = self._resting.pop()
        except IndexError:
            connection = self.connect()
        try:
            connection.execute("BEGIN")
            yield connection
        finally:
            if connection.in_transaction:
                connection.execute("COMMIT")
            self._resting.append(connection)
            if self._closed:
                self._close_resting()

    def scrub(self) -> bool:
        """Empty the log of changes, which has what was deleted; SQLite writes over it in the file itself.

        Returns:
            Whether it is empty: it isn't while somebody reads on and on; ask again once that has ended.
        """
        with self._alone(), self._room():
            self._writer.execute(f"PRAGMA busy_timeout={_PAUSE_MS}")
            try:
                busy, _, _ = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                self._writer.execute(f"PRAGMA busy_timeout={int(_PATIENCE * 1000)}")
        return not busy

    def write_anew(self) -> bool:
        """Write the file anew if `mark_removed` said that it is worth it; nobody else writes meanwhile.

        A page that was split can keep a copy of what moved to another one and was deleted there: of some thousand
        things that are deleted, of one.

        Returns:
            Whether it was.

        Raises:
            StoreFull: if there is no room; everything is as it was.
        """
        with self._alone(), self._room():
            (marked,) = self._writer.execute("PRAGMA user_version").fetchone()
            if marked:
                self._writer.execute("VACUUM")
                self._writer.execute("PRAGMA user_version=0")
        if marked:
            self.scrub()
        return bool(marked)

    def holds(self, wanted: Sequence[bytes]) -> bool:
        """Whether any of these bytes are in a column of a table, or anywhere in the files."""
        return in_tables(self.path, wanted) or self._in_files(wanted)

    def close(self) -> None:
        """Let go of the file. What other threads have begun ends first."""
        with self._one_thread:
            if not self._closed:
                self._closed = True
                self._close_resting()
                self._writer.close()
                os.close(self._turn)

    def _close_resting(self) -> None:
        with contextlib.suppress(IndexError):
            while True:
                self._resting.pop().close()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with self._one_thread:
            if self._closed:
                raise ValueError(f"{self.path.name} is closed; open it again")
            fcntl.flock(self._turn, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._turn, fcntl.LOCK_UN)

    @contextlib.contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_FULL:
                raise
            told = f"no room for {self.path.name}, nothing was kept; make room on its disk and ask again"
            raise StoreFull(errno.ENOSPC, told) from error

    def _in_files(self, wanted: Sequence[bytes]) -> bool:
        return any(
            _in_file(path, wanted)
            for path in (self.path, self.path.with_name(f"{self.path.name}-wal"))
            if path.exists()
        )


def mark_removed(connection: sqlite3.Connection) -> None:
    """Have the file written anew when there is time, for what this transaction removes."""
    connection.execute("PRAGMA user_version=1")


def in_tables(path: Path, wanted: Sequence[bytes]) -> bool:
    """Whether any of these bytes are in a column of any table of a SQLite file."""
    with contextlib.closing(sqlite3.connect(path, timeout=_PATIENCE)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for table in tables:
            for _, column, *_ in connection.execute(f'PRAGMA table_info("{table}")').fetchall():
                found = f'SELECT 1 FROM "{table}" WHERE instr(CAST("{column}" AS BLOB), ?) LIMIT 1'
                if any(connection.execute(found, (one,)).fetchone() for one in wanted):
                    return True
    return False


def _in_file(path: Path, wanted: Sequence[bytes]) -> bool:
    # Read and not mapped: another process may cut the log off meanwhile.
    before = b""
    overlap = max(map(len, wanted)) - 1
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            searched = before + piece
            # Zeros are slow to search for among records, so first without them.
            if any(one.strip(b"\0") in searched and one in searched for one in wanted):
                return True
            before = searched[-overlap:] if overlap else b""
    return False
