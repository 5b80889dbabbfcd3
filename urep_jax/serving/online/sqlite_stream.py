"""`SqliteStream`: messages in a file, between a service and workers on one machine."""

import math
import sqlite3
import threading
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from pathlib import Path

from urep_jax.serving.online.partitions import check_partitions, partition_of
from urep_jax.serving.online.parts import Claim, Dead, Delivery, Lag, Message
from urep_jax.serving.online.sqlite_database import Database, mark_removed
from urep_jax.serving.online.sqlite_locks import PartitionLocks
from urep_jax.serving.online.traces import id_of, in_texts, name_of

FILE = "stream.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    place INTEGER PRIMARY KEY AUTOINCREMENT, partition INTEGER NOT NULL, name BLOB NOT NULL, accepted_at REAL NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS of_partition ON messages (partition, place);
CREATE TABLE IF NOT EXISTS dead (
    place INTEGER PRIMARY KEY AUTOINCREMENT, name BLOB NOT NULL, reason TEXT NOT NULL, accepted_at REAL NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS settings (partitions INTEGER NOT NULL)
"""

_POLL = 0.003
"""Seconds between two looks for something new."""

_SETTLE = 0.05
"""Seconds between two looks at who lives."""

_PORTION = 500
"""Values of one statement; SQLite allows 999 at least."""


class SqliteStream:
    """Messages in `stream.sqlite`; workers share the partitions evenly, however many there are.

    Posts that come while another is written are written together, so many threads share one wait for the disk.

    Attributes:
        partitions: how many there are.
        claim: None: a worker has the locks of its partitions for as long as it lives, even while it stands still.
    """

    claim: Claim | None = None

    def __init__(self, folder: Path, partitions: int = 16) -> None:
        """Open the stream, or make it.

        Args:
            folder: on a disk of this machine.
            partitions: at most so many workers have something to do. It stays as it was when the stream was made.

        Raises:
            ValueError: if it was made with another number of partitions.
        """
        check_partitions(partitions)
        self.partitions = partitions
        self._folder = folder
        self._database = Database(folder / FILE, _SCHEMA)
        with self._database.writing() as connection:
            made_with = connection.execute("SELECT partitions FROM settings").fetchone()
            if made_with is None:
                connection.execute("INSERT INTO settings VALUES (?)", (partitions,))
        if made_with is not None and made_with[0] != partitions:
            self._database.close()
            raise ValueError(
                f"partitions is {partitions}, but the stream was made with {made_with[0]}; open it with "
                f"partitions={made_with[0]}, or a new one in another folder"
            )
        self._posts: deque[_Post] = deque()
        self._posting = threading.Lock()
        self._taking = threading.Lock()
        self._locks: PartitionLocks | None = None
        self._reader: sqlite3.Connection | None = None
        self._settled = -math.inf
        self._taken: dict[int, int] = {}  # By partition of ours: the place up to which it was taken.
        self._busy: defaultdict[int, set[int]] = defaultdict(set)  # By partition: places that are not done.

    def append(self, messages: Sequence[Message], accepted_at: float) -> None:
        """See `Stream.append`.

        Raises:
            StoreFull: if there is no room; nothing was accepted.
        """
        if not messages:
            return
        rows = [
            (partition_of(user_id, self.partitions), name_of(user_id), accepted_at, body) for user_id, body in messages
        ]
        post = _Post(rows)
        self._posts.append(post)
        with self._posting:
            # Who waited here longest may have written ours too.
            if not post.written and post.error is None:
                self._write([self._posts.popleft() for _ in range(len(self._posts))])
        if post.error is not None:
            raise post.error

    def take(self, most: int, wait: float) -> list[Delivery]:
        """See `Stream.take`."""
        until = time.monotonic() + wait
        version = None
        while True:
            with self._taking:
                settled = self._settle()
                assert self._reader is not None
                (now,) = self._reader.execute("PRAGMA data_version").fetchone()
                if (settled or now != version) and (found := self._next(most)):
                    return found
                version = now
            left = until - time.monotonic()
            if left <= 0:
                return []
            time.sleep(min(_POLL, left))

    def done(self, deliveries: Sequence[Delivery]) -> None:
        """See `Stream.done`."""
        if not deliveries:
            return
        with self._database.writing() as connection:
            connection.executemany("DELETE FROM messages WHERE place = ?", [(_place(one),) for one in deliveries])
        self._finish(deliveries)

    def bury(self, dead: Sequence[tuple[Delivery, str]]) -> None:
        """See `Stream.bury`."""
        if not dead:
            return
        with self._database.writing() as connection:
            for delivery, reason in dead:
                # What was forgotten or done meanwhile isn't brought back.
                connection.execute(
                    "INSERT INTO dead (name, reason, accepted_at, body) "
                    "SELECT name, ?, accepted_at, body FROM messages WHERE place = ?",
                    (reason, _place(delivery)),
                )
                connection.execute("DELETE FROM messages WHERE place = ?", (_place(delivery),))
        self._finish([delivery for delivery, _ in dead])

    def dead(self, most: int) -> list[Dead]:
        """See `Stream.dead`."""
        with self._database.reading() as connection:
            found = connection.execute(
                "SELECT name, body, reason, accepted_at FROM dead ORDER BY place DESC LIMIT ?", (most,)
            ).fetchall()
        return [Dead(Message(id_of(name), body), reason, accepted_at) for name, body, reason, accepted_at in found]

    def lag(self) -> Lag:
        """See `Stream.lag`."""
        with self._database.reading() as connection:
            (waiting,) = connection.execute("SELECT count(*) FROM messages").fetchone()
            oldest = connection.execute("SELECT accepted_at FROM messages ORDER BY place LIMIT 1").fetchone()
            (dead,) = connection.execute("SELECT count(*) FROM dead").fetchone()
        return Lag(waiting, oldest[0] if oldest else None, dead)

    def forget(self, user_id: str) -> int:
        """See `Stream.forget`."""
        texts = in_texts(user_id)
        told = " OR ".join(["name = ?", *["instr(body, ?)"] * len(texts)])
        with self._database.writing() as connection:
            mark_removed(connection)
            return connection.execute(f"DELETE FROM dead WHERE {told}", (name_of(user_id), *texts)).rowcount

    def scrub(self) -> bool:
        """See `Stream.scrub`; afterwards messages that were done are in no log either."""
        return self._database.scrub()

    def write_anew(self) -> bool:
        """See `Stream.write_anew`.

        Raises:
            StoreFull: if there is no room; everything is as it was.
        """
        return self._database.write_anew()

    def close(self) -> None:
        """See `Stream.close`."""
        with self._taking:
            if self._locks is not None:
                self._locks.close()
                self._locks = None
            if self._reader is not None:
                self._reader.close()
                self._reader = None
            self._database.close()

    def _write(self, posts: "list[_Post]") -> None:
        try:
            with self._database.writing() as connection:
                for post in posts:
                    connection.executemany(
                        "INSERT INTO messages (partition, name, accepted_at, body) VALUES (?, ?, ?, ?)", post.rows
                    )
        except Exception as error:
            if len(posts) == 1:
                posts[0].error = error
            else:  # One that has no room, or is wrong, doesn't take the others with it.
                for post in posts:
                    self._write([post])
        else:
            for post in posts:
                post.written = True

    def _settle(self) -> bool:
        now = time.monotonic()
        if now - self._settled < _SETTLE:
            return False
        if self._locks is None:
            self._locks = PartitionLocks(self._folder / "locks", self.partitions)
            self._reader = self._database.connect()
        self._locks.settle([partition for partition, places in self._busy.items() if places])
        self._settled = now
        owned = self._locks.owned
        changed = owned != self._taken.keys()
        # A partition that is new here begins anew: with what whoever had it didn't finish.
        self._taken = {partition: self._taken.get(partition, 0) for partition in owned}
        return changed

    def _next(self, most: int) -> list[Delivery]:
        assert self._reader is not None
        places: list[tuple[int, int]] = []
        for partition, taken in self._taken.items():
            found = self._reader.execute(
                "SELECT place FROM messages WHERE partition = ? AND place > ? ORDER BY place LIMIT ?",
                (partition, taken, most),
            )
            places += [(place, partition) for (place,) in found.fetchall()]
        places = sorted(places)[:most]
        deliveries = []
        for start in range(0, len(places), _PORTION):
            portion = [place for place, _ in places[start : start + _PORTION]]
            marks = ",".join("?" * len(portion))
            deliveries += [
                Delivery(f"{partition}:{place}", Message(id_of(name), body), accepted_at)
                for place, partition, name, body, accepted_at in self._reader.execute(
                    f"SELECT place, partition, name, body, accepted_at FROM messages WHERE place IN ({marks}) "
                    "ORDER BY place",
                    portion,
                ).fetchall()
            ]
        for place, partition in places:
            self._taken[partition] = place
        for delivery in deliveries:
            self._busy[_partition(delivery)].add(_place(delivery))
        return deliveries

    def _finish(self, deliveries: Sequence[Delivery]) -> None:
        with self._taking:
            for delivery in deliveries:
                self._busy[_partition(delivery)].discard(_place(delivery))


class _Post:
    """Messages of one `append`, and what became of them."""

    def __init__(self, rows: list[tuple[int, bytes, float, bytes]]) -> None:
        self.rows = rows
        self.written = False
        self.error: Exception | None = None


def _partition(delivery: Delivery) -> int:
    return int(delivery.place.partition(":")[0])


def _place(delivery: Delivery) -> int:
    return int(delivery.place.partition(":")[2])
