"""The SQLite file of `store`: its tables, and a chain's state in them."""

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from urep_jax.lineage.batch import Batch, Reader
from urep_jax.lineage.errors import Busy, NotAStore
from urep_jax.lineage.graph import graph_of
from urep_jax.lineage.slots import Slots
from urep_jax.lineage.state import Lineage

APPLICATION = 0x75726C6E
"""SQLite's mark of whose file it is: `urln`."""

VERSION = 1
"""Of the tables."""

TABLES = (
    "CREATE TABLE models (chain TEXT, place INTEGER, model TEXT, parents TEXT, cadence REAL, "
    "PRIMARY KEY (chain, model))",
    "CREATE TABLE batches (chain TEXT, space_id TEXT, model TEXT, slot TEXT CHECK (slot IN ('current', 'legacy', "
    "'trained')), parents TEXT, trained_at REAL, run TEXT, PRIMARY KEY (chain, space_id))",
    "CREATE UNIQUE INDEX one_a_slot ON batches (chain, model, slot) WHERE slot != 'trained'",
    "CREATE TABLE readers (chain TEXT, name TEXT, space_ids TEXT, until REAL, host TEXT, pid INTEGER, "
    "PRIMARY KEY (chain, name))",
    "CREATE TABLE history (chain TEXT, version INTEGER, time REAL, actor TEXT, action TEXT, space_ids TEXT, "
    "details TEXT, PRIMARY KEY (chain, version))",
)


def connect(path: Path, timeout: float, mode: str = "rw") -> sqlite3.Connection:
    """A connection whose transactions are begun and ended by hand, and on disk when they have ended.

    Args:
        path: of the file.
        timeout: seconds to wait for other processes.
        mode: `rw`, or `rwc` to make a file that doesn't exist.
    """
    where = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(where, uri=True, timeout=timeout, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        # Who is told that it is no such file has nothing to close.
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """What SQLite says of a file, in words that tell the mend.

    Raises:
        NotAStore: if it can't be opened, or is no SQLite file.
        Busy: if another process holds it.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise Busy(f"another process holds {path}; nothing was changed, try again") from error
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CANTOPEN:
            raise NotAStore(f"{path} can't be opened; it must be a file in a folder that exists") from error
        raise
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_NOTADB:
            raise NotAStore(f"{path} is no SQLite file; name another, or one that doesn't exist yet") from error
        raise


def prepare(connection: sqlite3.Connection, path: Path, timeout: float) -> None:
    """Make the tables in an empty file; refuse a file of something else, and leave it as it is.

    Raises:
        NotAStore: if the file holds something else, or tables of another version.
    """
    # One look: between several another process could have made the tables.
    with transaction(connection, "BEGIN"):
        if not _is_empty(connection, path):
            return
    until = time.monotonic() + timeout
    while True:
        try:
            # Others who want the same get no turn by SQLite's own timeout here.
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
    with transaction(connection):
        if _is_empty(connection, path):
            for table in TABLES:
                connection.execute(table)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    """All or nothing of what is done inside; alone with it from its first line on."""
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.rollback()
        raise


def read_chain(connection: sqlite3.Connection, chain: str) -> Lineage | None:
    """The state of a chain; None if there is none."""
    models = connection.execute(
        "SELECT model, parents, cadence FROM models WHERE chain = ? ORDER BY place", (chain,)
    ).fetchall()
    if not models:
        return None
    graph = graph_of({model: json.loads(parents) for model, parents, _ in models})
    slots: dict[str, dict[str, Batch]] = {"current": {}, "legacy": {}, "trained": {}}
    rows = connection.execute(
        "SELECT slot, model, space_id, parents, trained_at, run FROM batches WHERE chain = ? ORDER BY rowid", (chain,)
    )
    for slot, model, space_id, parents, trained_at, run in rows:
        key = space_id if slot == "trained" else model
        slots[slot][key] = Batch(model, space_id, json.loads(parents), trained_at, run)
    rows = connection.execute("SELECT name, space_ids, until, host, pid FROM readers WHERE chain = ?", (chain,))
    readers = {
        name: Reader(name, frozenset(json.loads(space_ids)), until, host, pid)
        for name, space_ids, until, host, pid in rows
    }
    cadence = {model: days for model, _, days in models if days is not None}
    return Lineage(graph, cadence, Slots(**slots), readers)


def write_chain(connection: sqlite3.Connection, chain: str, lineage: Lineage, was: Lineage | None) -> None:
    """The state of a chain, in place of what was there before; what is as it was isn't written."""
    # As lists, since the order counts and equal mappings may differ in it.
    if was is None or (list(was.graph.parents.items()), was.cadence) != (
        list(lineage.graph.parents.items()),
        lineage.cadence,
    ):
        connection.execute("DELETE FROM models WHERE chain = ?", (chain,))
        for place, (model, parents) in enumerate(lineage.graph.plain().items()):
            values = (chain, place, model, json.dumps(parents), lineage.cadence.get(model))
            connection.execute("INSERT INTO models VALUES (?, ?, ?, ?, ?)", values)
    if was is None or was.slots != lineage.slots:
        connection.execute("DELETE FROM batches WHERE chain = ?", (chain,))
        for slot in ("current", "legacy", "trained"):
            for one in getattr(lineage, slot).values():
                row = (chain, one.space_id, one.model, slot, json.dumps(one.parents), one.trained_at, one.run)
                connection.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    if was is None or was.readers != lineage.readers:
        connection.execute("DELETE FROM readers WHERE chain = ?", (chain,))
        for reader in lineage.readers.values():
            ids = json.dumps(sorted(reader.space_ids))
            held = (chain, reader.name, ids, reader.until, reader.host, reader.pid)
            connection.execute("INSERT INTO readers VALUES (?, ?, ?, ?, ?, ?)", held)


def _is_empty(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the tables have yet to be made."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application == 0 and version == 0 and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return True
    if application != APPLICATION:
        raise NotAStore(f"{path} is a SQLite file of something else; name another, or one that doesn't exist yet")
    if version != VERSION:
        raise NotAStore(
            f"{path} has lineages in form {version}, and this version of urep_jax knows form {VERSION}; use the "
            "version that wrote it, or begin a new file"
        )
    return False
