"""What only the parts in files promise: bytes that are gone, and a disk that is full."""

import contextlib
import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from urep_jax.lineage.errors import NotAStore
from urep_jax.lineage.store import LineageStore
from urep_jax.serving.online.partitions import partition_of
from urep_jax.serving.online.parts import RECORD, Addition, Lag, Message, StoredVector, StoreFull
from urep_jax.serving.online.sqlite_database import Database, in_tables, mark_removed
from urep_jax.serving.online.sqlite_store import FILE, SqliteStore
from urep_jax.serving.online.sqlite_stream import SqliteStream, _Post
from urep_jax.serving.online.traces import name_of


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[SqliteStream]:
    opened = SqliteStream(tmp_path, 2)
    yield opened
    opened.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path)
    yield opened
    opened.close()


def addition(user_id: str, count: int = 1) -> Addition:
    records = np.zeros(count, RECORD)
    records["key"] = np.arange(count)
    return Addition(user_id, records, (b'{"country": "DE"}',))


def files_with(folder: Path, text: bytes) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]


def test_forgotten_ids_are_in_no_byte_of_the_files(tmp_path: Path, stream: SqliteStream, store: SqliteStore) -> None:
    """Also where pages were split and joined, and for a message that was done before."""
    ids = [f"user-{number * 7919 % 3000:04d}-of-the-test" for number in range(3000)]
    for start in range(0, 3000, 100):
        some = ids[start : start + 100]
        store.add([addition(one, 1 + number) for number, one in enumerate(some)])
        store.write([StoredVector(one, "users-aa", 1, 1, 1, 1.0, np.ones(8, np.float32)) for one in some])
        stream.append([Message(one, f'{{"user_id": "{one}"}}'.encode()) for one in some], 0.0)
    while found := stream.take(500, 0.0):
        stream.bury([(one, f"{one.message.user_id!r} is wrong") for one in found[:50]])
        stream.done(found[50:])
    assert files_with(tmp_path, ids[0].encode())
    for one in ids[::150]:
        stream.forget(one)
        assert store.forget(one)
        assert stream.scrub()
        assert store.scrub()
        assert files_with(tmp_path, one.encode()) == []
        assert not store.holds(one)
    assert store.holds(ids[1])
    assert len(store.users(most=5000)) == 3000 - 20


def test_what_is_deleted_is_written_over_at_once(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.sqlite", "CREATE TABLE IF NOT EXISTS texts (text TEXT)")
    with database.writing() as connection:
        connection.execute("INSERT INTO texts VALUES ('here lies ann'), ('and bob')")
    with database.writing() as connection:
        connection.execute("DELETE FROM texts WHERE text = 'here lies ann'")
    assert database.scrub()
    assert files_with(tmp_path, b"lies ann") == [], "otherwise the file would have to be written anew each time"
    database.close()


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.sqlite", "CREATE TABLE IF NOT EXISTS texts (text TEXT)")

    def fail() -> None:
        with database.writing() as connection:
            connection.execute("INSERT INTO texts VALUES ('half')")
            raise KeyError("half")

    with pytest.raises(KeyError):
        fail()
    assert not database.holds([b"half"])
    with database.writing() as connection:
        assert connection.execute("SELECT count(*) FROM texts").fetchone() == (0,)
    database.close()


def test_a_copy_that_is_left_in_a_page_is_written_over(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.sqlite", "CREATE TABLE IF NOT EXISTS texts (text TEXT)")
    with database.writing() as connection:
        connection.execute("PRAGMA secure_delete=OFF")  # As if SQLite had forgotten a copy.
    with database.writing() as connection:
        connection.execute("INSERT INTO texts VALUES ('here lies ann'), ('and bob')")
    with database.writing() as connection:
        connection.execute("DELETE FROM texts WHERE text = 'here lies ann'")
    assert database.scrub()
    assert not database.write_anew(), "nobody said that it is worth it"
    assert not in_tables(database.path, [b"lies ann"])
    assert database.holds([b"lies ann"])
    with database.writing() as connection:
        mark_removed(connection)
    database.close()
    database = Database(tmp_path / "a.sqlite", "")
    assert database.write_anew()
    assert files_with(tmp_path, b"lies ann") == []
    assert database.holds([b"bob"])
    assert not database.write_anew()
    database.close()


def test_files_are_written_anew_once_after_somebody_was_forgotten(stream: SqliteStream, store: SqliteStore) -> None:
    store.add([addition("ann")])
    assert not store.write_anew()
    assert not stream.write_anew()
    store.forget("ann")
    stream.forget("ann")
    for part in (store, stream):
        assert part.write_anew()
        assert not part.write_anew()


def test_what_is_removed_in_churn_is_gone_once_the_file_is_written_anew(tmp_path: Path, store: SqliteStore) -> None:
    """Users of all lengths come and go until some of what is gone is left between what is there, as a few are."""
    rng, number, there, gone = np.random.default_rng(1), 0, [], []
    left: set[str] = set()

    def in_file() -> set[str]:
        return {one.decode() for one in re.findall(rb"<user \d+x*>", (tmp_path / "online.sqlite").read_bytes())}

    while not left and number < 10_000:  # Another SQLite may leave nothing.
        for _ in range(20):
            some = [f"<user {number + place}{'x' * int(rng.integers(0, 100))}>" for place in range(60)]
            number, there = number + 60, there + some
            store.add([Addition(one, addition(one).records, (json.dumps(one).encode(),)) for one in some])
            for _ in range(50):
                gone.append(there.pop(int(rng.integers(len(there)))))
                store.forget(gone[-1])
        assert store.scrub()
        left = in_file() & set(gone)
    assert len(left) < len(gone) / 100
    assert store.write_anew()
    assert in_file() == set(there) == set(store.users(most=1 << 20))


@pytest.mark.parametrize("known", [True, False])
def test_forgetting_costs_no_more_where_there_are_many(tmp_path: Path, known: bool) -> None:
    def cost(users: int) -> int:
        """Thousands of steps of SQLite's machine that forgetting takes."""
        folder = tmp_path / str(users)
        with contextlib.closing(SqliteStore(folder)) as store, contextlib.closing(SqliteStream(folder, 2)) as stream:
            store.add([addition(str(number), 20) for number in range(users)])
            store.write(
                [StoredVector(str(one), "users-aa", 1, 0, 1, 1.0, np.ones(8, np.float32)) for one in range(users)]
            )
            steps: list[None] = []
            for part in (store, stream):
                part._database._writer.set_progress_handler(lambda: steps.append(None), 10)
            assert store.forget("7" if known else "nobody") is known
            stream.forget("7")
            assert stream.scrub()
            assert store.scrub()
            return len(steps)

    assert cost(4000) < 2 * cost(40)


def test_what_is_left_of_the_forgotten_tells_nothing(tmp_path: Path) -> None:
    """Not even whether two stores have forgotten the same user."""
    marks = set()
    for name in "ab":
        store = SqliteStore(tmp_path / name)
        store.forget("ann")
        store.forget("ann")
        with store._database.reading() as connection:
            ((mark,),) = connection.execute("SELECT mark FROM forgotten").fetchall()
        marks.add(mark)
        store.close()
        assert files_with(tmp_path, b"ann") == []
    assert len(marks) == 2


def test_a_search_finds_what_lies_across_two_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urep_jax.serving.online.sqlite_database._PIECE", 7)
    database = Database(tmp_path / "a.sqlite", "CREATE TABLE IF NOT EXISTS texts (text TEXT)")
    for number in range(8):
        with database.writing() as connection:
            connection.execute("INSERT INTO texts VALUES (?)", (f"{'x' * number}<user {number}>",))
    assert database.scrub()
    assert not database.holds([b"<user 8>"])
    monkeypatch.setattr("urep_jax.serving.online.sqlite_database.in_tables", lambda *_: False)
    assert all(database.holds([f"<user {number}>".encode()]) for number in range(8))
    database.close()


def test_bytes_that_are_still_read_are_told_of(tmp_path: Path, store: SqliteStore) -> None:
    store.add([addition("ann")])
    reader = sqlite3.connect(tmp_path / "online.sqlite")
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM users").fetchall()
    assert store.forget("ann")
    begin = time.monotonic()
    assert not store.scrub()
    assert time.monotonic() - begin < 2.0, "nobody can write meanwhile"
    assert store.holds("ann")
    store.add([addition("bob")])
    reader.close()
    assert store.scrub()
    assert not store.holds("ann")


def limit(database: Database, pages: int) -> None:
    """As if the disk had room for so many pages more."""
    with database.writing() as connection:
        (there,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={there + pages}")


def test_a_full_disk_accepts_nothing_until_there_is_room(stream: SqliteStream) -> None:
    stream.append([Message("ann", b"first")], 1.0)
    limit(stream._database, 2)
    many = [Message("ann", bytes(1000)) for _ in range(50)]
    for _ in range(2):
        with pytest.raises(StoreFull, match=r"no room for stream\.sqlite, nothing was kept; make room"):
            stream.append(many, 2.0)
        assert stream.lag() == Lag(1, 1.0, 0)
    stream.append([Message("bob", b"small")], 3.0)
    stream.done(stream.take(9, 1.0))
    limit(stream._database, 1000)
    stream.append(many, 4.0)
    assert stream.lag() == Lag(50, 4.0, 0)


def test_a_post_without_room_does_not_take_others_with_it(stream: SqliteStream) -> None:
    limit(stream._database, 2)
    posts = [
        _post(stream, [Message("ann", b"small")]),
        _post(stream, [Message("ann", bytes(1000)) for _ in range(50)]),
        _post(stream, [Message("bob", b"small")]),
    ]
    stream._write(posts)
    assert [post.written for post in posts] == [True, False, True]
    assert isinstance(posts[1].error, StoreFull)
    assert stream.lag().waiting == 2


def _post(stream: SqliteStream, messages: list[Message]) -> _Post:
    return _Post([(partition_of(one.user_id, 2), name_of(one.user_id), 0.0, one.body) for one in messages])


def test_a_full_disk_adds_nothing_until_there_is_room(store: SqliteStore) -> None:
    store.add([addition("ann", 10)])
    limit(store._database, 2)
    with pytest.raises(StoreFull, match=r"no room for online\.sqlite"):
        store.add([addition("bob", 1), addition("ann", 5000)])
    with pytest.raises(StoreFull):
        store.write([StoredVector("ann", "users-aa", 1, 1, 1, 1.0, np.ones(99_999, np.float32))])
    assert store.users() == ["ann"]
    assert store.count("users-aa") == 0
    (state,) = store.add([Addition("ann", np.zeros(0, RECORD))])
    assert len(state.records) == 10
    limit(store._database, 1000)
    states = store.add([addition("bob", 1), addition("ann", 5000)])
    assert [len(state.records) for state in states] == [1, 5000]


def test_what_is_closed_says_so(store: SqliteStore) -> None:
    store.close()
    with pytest.raises(ValueError, match=r"online\.sqlite is closed; open it again"):
        store.note("a", "b")
    store.close()


def test_nobody_else_may_read_the_files(tmp_path: Path, stream: SqliteStream, store: SqliteStore) -> None:
    stream.take(1, 0.0)
    assert [path.name for path in tmp_path.rglob("*.sqlite*") if path.stat().st_mode & 0o077] == []


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files as Linux tells them")
@pytest.mark.parametrize("make", [lambda folder: SqliteStore(folder), lambda folder: LineageStore(folder / FILE)])
def test_a_file_that_is_refused_is_closed(tmp_path: Path, make: Callable[[Path], object]) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 100)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises((sqlite3.DatabaseError, NotAStore)):
        make(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
