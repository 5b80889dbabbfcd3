"""What only the parts in files promise: bytes that are gone, and a disk that is full."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from urep_jax.serving.online.partitions import partition_of
from urep_jax.serving.online.parts import RECORD, Addition, Lag, Message, StoredVector, StoreFull
from urep_jax.serving.online.sqlite_database import Database, in_tables
from urep_jax.serving.online.sqlite_store import SqliteStore
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
    database._empty_log()
    assert files_with(tmp_path, b"lies ann") == [], "otherwise each `forget` would write the whole file anew"
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
    assert not in_tables(database.path, [b"lies ann"])
    assert database.holds([b"lies ann"])
    database.scrub([b"lies ann"])
    assert files_with(tmp_path, b"lies ann") == []
    assert database.holds([b"bob"])
    database.close()


def test_a_search_finds_what_lies_across_two_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urep_jax.serving.online.sqlite_database._PIECE", 7)
    database = Database(tmp_path / "a.sqlite", "CREATE TABLE IF NOT EXISTS texts (text TEXT)")
    for number in range(8):
        with database.writing() as connection:
            connection.execute("INSERT INTO texts VALUES (?)", (f"{'x' * number}<user {number}>",))
    database.scrub([b"none"])
    assert not database.holds([b"<user 8>"])
    monkeypatch.setattr("urep_jax.serving.online.sqlite_database.in_tables", lambda *_: False)
    assert all(database.holds([f"<user {number}>".encode()]) for number in range(8))
    database.close()


def test_bytes_that_are_still_read_are_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urep_jax.serving.online.sqlite_database._PATIENCE", 0.05)
    with_others = SqliteStore(tmp_path)
    with_others.add([addition("ann")])
    reader = sqlite3.connect(tmp_path / "online.sqlite")
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM users").fetchall()
    with pytest.raises(TimeoutError, match="end what reads it and forget once more"):
        with_others.forget("ann")
    assert with_others.holds("ann")
    reader.close()
    assert not with_others.forget("ann")
    assert not with_others.holds("ann")
    with_others.close()


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
