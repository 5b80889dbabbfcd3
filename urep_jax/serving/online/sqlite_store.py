"""`SqliteStore`: what is known of users, and their vectors, in a file."""

import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from urep_jax.serving.online.parts import Addition, Claim, StoredVector, UserState
from urep_jax.serving.online.records import first_to_join, packed, union, wasteful
from urep_jax.serving.online.sqlite_database import Database, in_tables, mark_removed
from urep_jax.serving.online.traces import id_of, in_texts, mark_of, name_of

FILE = "online.sqlite"

# All else has a user's number, which is given once, as each revision is; `since` is that of the first addition.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    number INTEGER PRIMARY KEY AUTOINCREMENT, name BLOB NOT NULL UNIQUE, since INTEGER NOT NULL,
    revision INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS forgotten (mark BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settings (secret BLOB NOT NULL, revision INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS chunks (place INTEGER PRIMARY KEY, number INTEGER NOT NULL, records BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS of_user ON chunks (number, place);
CREATE TABLE IF NOT EXISTS facts (number INTEGER, fact BLOB, PRIMARY KEY (number, fact)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS vectors (
    space_id TEXT, number INTEGER, as_of INTEGER NOT NULL, revision INTEGER NOT NULL, events INTEGER NOT NULL,
    computed_at REAL NOT NULL, numbers BLOB NOT NULL, PRIMARY KEY (space_id, number)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS vectors_of_user ON vectors (number);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID
"""

_MOST_CHUNKS = 16
"""Chunks of a user beyond which some are joined."""

_PORTION = 4096
"""Rows that are removed at once; others write in between."""

_VECTOR = "users.name, space_id, as_of, vectors.revision, events, computed_at, numbers"
_VECTORS = f"SELECT {_VECTOR}, number FROM vectors JOIN users USING (number)"


class SqliteStore:
    """What is known of users in `online.sqlite`, for any number of threads and processes of one machine.

    A user's records are chunks, one of each addition, which are joined when there are many.
    """

    def __init__(self, folder: Path) -> None:
        """Open the store, or make it.

        Args:
            folder: on a disk of this machine.
        """
        self._folder = folder
        self._database = Database(folder / FILE, _SCHEMA)
        with self._database.writing() as connection:
            connection.execute(
                "INSERT INTO settings SELECT ?, 0 WHERE NOT EXISTS (SELECT 1 FROM settings)", (secrets.token_bytes(32),)
            )
            (self._secret,) = connection.execute("SELECT secret FROM settings").fetchone()

    def add(self, additions: Sequence[Addition], claim: Claim | None = None) -> list[UserState]:
        """See `Store.add`.

        Raises:
            StoreFull: if there is no room; nothing was added.
            ValueError: if records are not of `RECORD`.
        """
        new = [(name_of(one.user_id), packed(one.records), one.facts) for one in additions]
        if not any(records or facts for _, records, facts in new):
            with self._database.reading() as connection:
                return [_read(connection, name) for name, _, _ in new]
        marks = [(mark_of(one.user_id, self._secret),) for one in additions if len(one.records) or one.facts]
        with self._database.writing() as connection:
            connection.executemany("DELETE FROM forgotten WHERE mark = ?", marks)
            revision = _next(connection)
            return [_add(connection, revision, *one) if one[1] or one[2] else _read(connection, one[0]) for one in new]

    def load(self, additions: Sequence[Addition]) -> int:
        """See `Store.load`.

        Raises:
            StoreFull: if there is no room; nothing was added.
            ValueError: if records are not of `RECORD`.
        """
        new = [
            (mark_of(user_id, self._secret), name_of(user_id), packed(records), facts)
            for user_id, records, facts in additions
            if len(records) or facts
        ]
        with self._database.writing() as connection:
            revision, added = _next(connection), 0
            for mark, name, records, facts in new:
                if not connection.execute("SELECT 1 FROM forgotten WHERE mark = ?", (mark,)).fetchone():
                    _add(connection, revision, name, records, facts)
                    added += 1
            return added

    def vectors(self, user_ids: Sequence[str], space_id: str) -> list[StoredVector | None]:
        """See `Store.vectors`."""
        with self._database.reading() as connection:
            found = [
                connection.execute(
                    f"{_VECTORS} WHERE users.name = ? AND space_id = ?", (name_of(one), space_id)
                ).fetchone()
                for one in user_ids
            ]
        return [None if row is None else _vector(row) for row in found]

    def write(self, vectors: Sequence[StoredVector]) -> int:
        """See `Store.write`.

        Raises:
            StoreFull: if there is no room; nothing was stored.
        """
        rows = [
            (
                *(one.space_id, int(one.as_of), int(one.revision), int(one.events), float(one.computed_at)),
                *(np.asarray(one.values, "<f4").tobytes(), name_of(one.user_id), int(one.revision)),
            )
            for one in vectors
        ]
        batch = [(name_of(one.user_id), mark_of(one.user_id, self._secret)) for one in vectors if not one.revision]
        with self._database.writing() as connection:
            connection.executemany(
                "INSERT INTO users (name, since, revision) "
                "SELECT ?, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM forgotten WHERE mark = ?) ON CONFLICT DO NOTHING",
                batch,
            )
            before = connection.total_changes
            connection.executemany(
                "INSERT INTO vectors (space_id, as_of, revision, events, computed_at, numbers, number) "
                "SELECT ?, ?, ?, ?, ?, ?, number FROM users WHERE name = ? "
                "AND (?8 = 0 OR ?8 BETWEEN since AND revision) "
                "ON CONFLICT (space_id, number) DO UPDATE SET as_of = excluded.as_of, revision = excluded.revision, "
                "events = excluded.events, computed_at = excluded.computed_at, numbers = excluded.numbers "
                "WHERE (excluded.as_of, excluded.revision) >= (vectors.as_of, vectors.revision)",
                rows,
            )
            return connection.total_changes - before

    def users(self, after: str = "", most: int = 1024) -> list[str]:
        """See `Store.users`; who only has a vector isn't one of them."""
        with self._database.reading() as connection:
            found = connection.execute(
                "SELECT name FROM users WHERE name > ? AND revision > 0 ORDER BY name LIMIT ?", (name_of(after), most)
            ).fetchall()
        return [id_of(name) for (name,) in found]

    def scan(self, space_id: str, portion: int = 4096) -> Iterator[list[StoredVector]]:
        """See `Store.scan`; each portion is of one moment."""
        last = 0
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(
                    f"{_VECTORS} WHERE space_id = ? AND number > ? ORDER BY number LIMIT ?", (space_id, last, portion)
                ).fetchall()
            if not rows:
                return
            yield [_vector(row) for row in rows]
            last = rows[-1][-1]

    def known(self) -> int:
        """See `Store.known`."""
        with self._database.reading() as connection:
            (found,) = connection.execute("SELECT count(*) FROM users WHERE revision > 0").fetchone()
        return int(found)

    def count(self, space_id: str) -> int:
        """See `Store.count`."""
        with self._database.reading() as connection:
            (found,) = connection.execute("SELECT count(*) FROM vectors WHERE space_id = ?", (space_id,)).fetchone()
        return int(found)

    def drop(self, space_id: str) -> int:
        """See `Store.drop`."""
        dropped = 0
        while True:
            with self._database.writing() as connection:
                some = connection.execute(
                    "DELETE FROM vectors WHERE space_id = ? AND number IN "
                    "(SELECT number FROM vectors WHERE space_id = ? LIMIT ?)",
                    (space_id, space_id, _PORTION),
                ).rowcount
            dropped += some
            if some < _PORTION:
                return dropped

    def trim(self, before: Mapping[str, int], claim: Claim | None = None) -> int:
        """See `Store.trim`; what was known is another state then, so its revision grows.

        Raises:
            StoreFull: if there is no room; nothing was removed.
        """
        with self._database.writing() as connection:
            return sum(_trim(connection, name_of(user_id), moment) for user_id, moment in before.items())

    def forget(self, user_id: str, claim: Claim | None = None) -> bool:
        """See `Store.forget`."""
        with self._database.writing() as connection:
            connection.execute(
                "INSERT INTO forgotten VALUES (?) ON CONFLICT DO NOTHING", (mark_of(user_id, self._secret),)
            )
            found = _find(connection, name_of(user_id))
            if found is not None:
                for table in ("vectors", "facts", "chunks", "users"):
                    connection.execute(f"DELETE FROM {table} WHERE number = ?", found[:1])
                mark_removed(connection)
        return found is not None

    def scrub(self) -> bool:
        """See `Store.scrub`."""
        return self._database.scrub()

    def write_anew(self) -> bool:
        """See `Store.write_anew`.

        Raises:
            StoreFull: if there is no room; everything is as it was.
        """
        return self._database.write_anew()

    def holds(self, user_id: str) -> bool:
        """See `Store.holds`: in the bytes of this file, and in all tables of the folder, the stream's too."""
        wanted = (name_of(user_id), *in_texts(user_id))
        others = [path for path in self._folder.glob("*.sqlite") if path != self._database.path]
        return self._database.holds(wanted) or any(in_tables(path, wanted) for path in others)

    def note(self, name: str, value: str | None = None) -> str | None:
        """See `Store.note`."""
        if value is None:
            with self._database.reading() as connection:
                found = connection.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
            return found[0] if found else None
        with self._database.writing() as connection:
            if value:
                connection.execute(
                    "INSERT INTO notes VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    (name, value),
                )
            else:
                connection.execute("DELETE FROM notes WHERE name = ?", (name,))
        return value

    def notes(self, begin: str) -> dict[str, str]:
        """See `Store.notes`."""
        with self._database.reading() as connection:
            return dict(
                connection.execute("SELECT name, value FROM notes WHERE substr(name, 1, ?) = ?", (len(begin), begin))
            )

    def close(self) -> None:
        """See `Store.close`."""
        self._database.close()


def _next(connection: sqlite3.Connection) -> int:
    """A revision that nothing ever had."""
    (revision,) = connection.execute("UPDATE settings SET revision = revision + 1 RETURNING revision").fetchone()
    return int(revision)


def _find(connection: sqlite3.Connection, name: bytes) -> tuple[int, int] | None:
    """A user's number and revision."""
    found: tuple[int, int] | None = connection.execute(
        "SELECT number, revision FROM users WHERE name = ?", (name,)
    ).fetchone()
    return found


def _chunks(connection: sqlite3.Connection, number: int) -> list[tuple[int, bytes]]:
    return connection.execute("SELECT place, records FROM chunks WHERE number = ? ORDER BY place", (number,)).fetchall()


def _facts(connection: sqlite3.Connection, number: int) -> tuple[bytes, ...]:
    found = connection.execute("SELECT fact FROM facts WHERE number = ? ORDER BY fact", (number,)).fetchall()
    return tuple(fact for (fact,) in found)


def _read(connection: sqlite3.Connection, name: bytes) -> UserState:
    found = _find(connection, name)
    if found is None:
        return UserState(union([]), (), 0)
    number, revision = found
    return UserState(union([chunk for _, chunk in _chunks(connection, number)]), _facts(connection, number), revision)


def _add(
    connection: sqlite3.Connection, revision: int, name: bytes, records: bytes, facts: tuple[bytes, ...]
) -> UserState:
    """Add to what is known of a user, and read it."""
    (number,) = connection.execute(
        "INSERT INTO users (name, since, revision) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
        "since = iif(users.revision, users.since, excluded.since), revision = excluded.revision RETURNING number",
        (name, revision, revision),
    ).fetchone()
    for fact in facts:
        connection.execute("INSERT INTO facts VALUES (?, ?) ON CONFLICT DO NOTHING", (number, fact))
    chunks = _chunks(connection, number)
    pieces = [chunk for _, chunk in chunks] + ([records] if records else [])
    known = union(pieces)
    sizes = [len(piece) for piece in pieces]
    if wasteful(sum(sizes) // known.itemsize, len(known)):
        _replace(connection, number, 0, known)
    elif records and len(pieces) > _MOST_CHUNKS:
        first = first_to_join(sizes)
        _replace(connection, number, chunks[first][0], union(pieces[first:]))
    elif records:
        connection.execute("INSERT INTO chunks (number, records) VALUES (?, ?)", (number, records))
    return UserState(known, _facts(connection, number), revision)


def _trim(connection: sqlite3.Connection, name: bytes, before: int) -> int:
    found = _find(connection, name)
    if found is None:
        return 0
    number, _ = found
    records = union([chunk for _, chunk in _chunks(connection, number)])
    kept = records[records["time"] >= before]
    if len(kept) < len(records):
        _replace(connection, number, 0, kept)
        connection.execute("UPDATE users SET revision = ? WHERE number = ?", (_next(connection), number))
    return len(records) - len(kept)


def _replace(connection: sqlite3.Connection, number: int, first: int, records: np.ndarray) -> None:
    """One chunk in place of a user's chunks from a place on."""
    connection.execute("DELETE FROM chunks WHERE number = ? AND place >= ?", (number, first))
    if len(records):
        connection.execute("INSERT INTO chunks (number, records) VALUES (?, ?)", (number, packed(records)))


def _vector(row: tuple) -> StoredVector:
    name, space_id, as_of, revision, events, computed_at, numbers, _ = row
    values = np.frombuffer(numbers, "<f4")
    return StoredVector(id_of(name), space_id, as_of, revision, events, computed_at, values)
