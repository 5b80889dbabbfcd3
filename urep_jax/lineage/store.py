"""`LineageStore`: chains of models in one small SQLite file, which several processes of a machine change at once."""

import contextlib
import dataclasses
import json
import os
import socket
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from urep_jax.lineage import file
from urep_jax.lineage.batch import Batch, Reader
from urep_jax.lineage.errors import Conflict, LineageError, Unknown
from urep_jax.lineage.graph import ModelGraph
from urep_jax.lineage.state import Event, Lineage


@dataclasses.dataclass(frozen=True)
class Entry:
    """One change of a chain, as its history tells it.

    Attributes:
        version: of the chain after it; the first is 1, each later one is one more.
        time: when, in seconds since 1970 by the clock of who did it; may go back where a clock was set back.
        actor: who did it.
        action: `declare`, `register`, `refresh`, `rotate` or `rollback`.
        space_ids: that it was about.
        details: more, as JSON has it.
    """

    version: int
    time: float
    actor: str
    action: str
    space_ids: tuple[str, ...]
    details: dict[str, Any]

    def __str__(self) -> str:
        return " ".join((f"{self.version}:", self.action, *self.space_ids, f"({self.actor})"))


@dataclasses.dataclass(frozen=True)
class Seen:
    """A chain as it was when somebody looked.

    Attributes:
        version: how many changes it has had.
        lineage: its state.
    """

    version: int
    lineage: Lineage


class LineageStore:
    """Chains by name, with a history of each; it keeps nothing open, so threads and forks may share it.

    Each change is one transaction, which is on disk when the method returns; whoever is killed in one leaves the state
    before or after it. A change may be given the version that it was decided upon, and is refused if the chain has
    changed since. The file must lie on a disk of this machine, since SQLite's locks don't hold over a network.

    Args:
        path: of the file; made if it doesn't exist, in a folder that does.
        timeout: seconds to wait for other processes.
        actor: who changes, for the history; machine and process, if not given.
        clock: seconds since 1970.

    Raises:
        NotAStore: if the file can't be opened, holds something else, or lineages in another form.
        Busy: here and in every method, if another process holds the file for longer than the timeout.
    """

    def __init__(
        self, path: Path, timeout: float = 10.0, actor: str | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.path, self.timeout, self.actor, self.clock = path, timeout, actor, clock
        with file.told(path), contextlib.closing(file.connect(path, timeout, "rwc")) as connection:
            file.prepare(connection, path, timeout)

    def chains(self) -> tuple[str, ...]:
        """Names of all."""
        with self._open("BEGIN") as connection:
            rows = connection.execute("SELECT DISTINCT chain FROM models ORDER BY chain").fetchall()
        return tuple(chain for (chain,) in rows)

    def look(self, chain: str) -> Seen:
        """A chain as it is now.

        Raises:
            Unknown: if there is none of the name.
        """
        with self._open("BEGIN") as connection:
            return Seen(_version(connection, chain), _known(connection, chain))

    def history(self, chain: str, since: int = 0) -> tuple[Entry, ...]:
        """All changes of a chain, or those after a version."""
        with self._open("BEGIN") as connection:
            return _history(connection, chain, since)

    def declare(self, chain: str, graph: ModelGraph, cadence: Mapping[str, float] | None = None) -> Seen:
        """Begin a chain, or give one another graph or other cadences; see `Lineage.redeclare`.

        Raises:
            LineageError: if the name is empty, or what is there doesn't fit the graph.
        """
        if not chain:
            raise LineageError("a chain needs a name, such as 'streaming'")
        with self._open() as connection:
            was = file.read_chain(connection, chain)
            if was is not None:
                return self._write(connection, chain, was, *was.redeclare(graph, cadence or {}))
            new = Lineage(graph, dict(cadence or {}))
            event = Event("declare", (), {"graph": graph.plain(), "cadence": dict(new.cadence)})
            return self._write(connection, chain, None, new, event)

    def register(self, chain: str, batch: Batch, version: int | None = None) -> Seen:
        """A training has ended; see `Lineage.register`."""
        return self._change(chain, version, lambda lineage: lineage.register(batch))

    def rotate(self, chain: str, space_ids: Iterable[str], version: int | None = None) -> Seen:
        """Let batches that wait serve; see `Lineage.rotate`.

        Args:
            chain: its name.
            space_ids: of the batches.
            version: that it was decided upon; None if whatever is there now will do.

        Raises:
            Conflict: if the chain has another version now.
            LineageError: as `Lineage.rotate`.
        """
        chosen = tuple(space_ids)
        return self._change(chain, version, lambda lineage: lineage.rotate(chosen, self.clock()))

    def rollback(self, chain: str, model: str, version: int | None = None) -> Seen:
        """Let the legacy batch serve again; see `Lineage.rollback`.

        Doing it twice goes back and forth, so whoever may repeat it gives the version.
        """
        return self._change(chain, version, lambda lineage: lineage.rollback(model))

    def read(self, chain: str, reader_name: str, space_ids: Iterable[str], until: float) -> Reader:
        """This process begins to read, or reads on; see `Lineage.read` and `reading.reading`.

        Neither this nor `release` is a change that the history tells.

        Args:
            chain: its name.
            reader_name: of the reader; if this process reads by the name already, this takes its place.
            space_ids: of all that it reads.
            until: when it counts no longer if it doesn't say so anew, in seconds since 1970.

        Raises:
            Unknown: if something that it reads isn't there.
            LineageError: if another process reads by the name.
        """
        reader = Reader(reader_name, frozenset(space_ids), until, socket.gethostname(), os.getpid())
        with self._open() as connection:
            lineage = _living(_known(connection, chain))
            other = lineage.readers.get(reader_name, reader)
            if (other.host, other.pid) != (reader.host, reader.pid) and other.counts(self.clock()):
                raise LineageError(f"{other} has this name already; take another")
            file.write_chain(connection, chain, lineage.read(reader), lineage)
        return reader

    def release(self, chain: str, reader_name: str) -> None:
        """A reader is done; without an effect if it was so before."""
        with self._open() as connection:
            lineage = _known(connection, chain)
            file.write_chain(connection, chain, lineage.release(reader_name), lineage)

    def _change(
        self, chain: str, version: int | None, change: Callable[[Lineage], tuple[Lineage, Event | None]]
    ) -> Seen:
        with self._open() as connection:
            was = _known(connection, chain)
            now = _version(connection, chain)
            if version is not None and version != now:
                since = "; ".join(map(str, _history(connection, chain, version))) or "nothing, so it was another file"
                raise Conflict(
                    f"chain {chain!r} is at version {now}, and this was decided upon version {version}. Since then: "
                    f"{since}. Look again, and decide anew"
                )
            return self._write(connection, chain, was, *change(_living(was)))

    def _write(
        self, connection: sqlite3.Connection, chain: str, was: Lineage | None, lineage: Lineage, event: Event | None
    ) -> Seen:
        version = _version(connection, chain)
        if event is None:
            return Seen(version, lineage)
        file.write_chain(connection, chain, lineage, was)
        actor = self.actor if self.actor is not None else f"{socket.gethostname()}:{os.getpid()}"
        told = (json.dumps(event.space_ids), json.dumps(event.details))
        values = (chain, version + 1, self.clock(), actor, event.action, *told)
        connection.execute("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        return Seen(version + 1, lineage)

    @contextlib.contextmanager
    def _open(self, begin: str = "BEGIN IMMEDIATE") -> Iterator[sqlite3.Connection]:
        with (
            file.told(self.path),
            contextlib.closing(file.connect(self.path, self.timeout)) as connection,
            file.transaction(connection, begin),
        ):
            yield connection


def _known(connection: sqlite3.Connection, chain: str) -> Lineage:
    lineage = file.read_chain(connection, chain)
    if lineage is None:
        raise Unknown(f"there is no chain {chain!r} in the file; declare it first")
    return lineage


def _living(lineage: Lineage) -> Lineage:
    """Less the readers whose process on this machine is no more."""
    host = socket.gethostname()
    for reader in lineage.readers.values():
        if reader.host == host and _ended(reader.pid):
            lineage = lineage.release(reader.name)
    return lineage


def _version(connection: sqlite3.Connection, chain: str) -> int:
    found = connection.execute("SELECT coalesce(max(version), 0) FROM history WHERE chain = ?", (chain,)).fetchone()
    return int(found[0])


def _history(connection: sqlite3.Connection, chain: str, since: int) -> tuple[Entry, ...]:
    rows = connection.execute(
        "SELECT version, time, actor, action, space_ids, details FROM history WHERE chain = ? AND version > ? "
        "ORDER BY version",
        (chain, since),
    ).fetchall()
    return tuple(
        Entry(version, when, actor, action, tuple(json.loads(space_ids)), json.loads(details))
        for version, when, actor, action, space_ids, details in rows
    )


def _ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
