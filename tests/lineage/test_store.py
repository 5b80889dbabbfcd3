"""The file of chains: its history, versions and readers, and what is refused."""

import contextlib
import dataclasses
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lineage.chains import CHAIN, batch, whole
from urep_jax.lineage.errors import Busy, Conflict, LineageError, NotAStore, StillRead, Unknown
from urep_jax.lineage.graph import ModelGraph
from urep_jax.lineage.state import Lineage
from urep_jax.lineage.store import LineageStore, Seen


class Clock:
    """Seconds that a test sets."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> LineageStore:
    """`CHAIN`, trained twice, rotated in once; version 10."""
    store = LineageStore(tmp_path / "chains.sqlite", actor="test", clock=clock)
    store.declare("streaming", CHAIN, {"users": 30})
    for one in (*whole(1), *whole(2)):
        store.register("streaming", one)
    store.rotate("streaming", [one.space_id for one in whole(2)])
    return store


def audio(store: LineageStore, number: int) -> Seen:
    """Another training of audio, registered."""
    return store.register("streaming", batch(f"audio-{number}", at=number))


def test_what_is_read_is_what_was_written(store: LineageStore) -> None:
    expected = Lineage(CHAIN, {"users": 30})
    for one in (*whole(1), *whole(2)):
        expected, _ = expected.register(one)
    expected, _ = expected.rotate([one.space_id for one in whole(2)], 0)
    assert store.look("streaming") == Seen(10, expected)
    again = LineageStore(store.path).look("streaming").lineage
    assert again == expected
    assert again.graph.order == CHAIN.order


def test_the_history_tells_every_change_and_only_those(store: LineageStore, clock: Clock) -> None:
    history = store.history("streaming")
    assert [one.version for one in history] == list(range(1, 11))
    assert [one.action for one in history] == ["declare", *["register"] * 8, "rotate"]
    assert history[-1].space_ids == ("collaborative-2", "audio-2", "users-2", "listening-2")
    assert history[-1].details["legacy"]["users"] == "users-1"
    assert {(one.time, one.actor) for one in history} == {(1_000.0, "test")}
    # None of these changes the chain.
    assert store.declare("streaming", CHAIN, {"users": 30}).version == 10
    assert store.register("streaming", whole(2)[0]).version == 10
    assert store.rotate("streaming", ["users-2"]).version == 10
    store.read("streaming", "nightly", ["users-1"], until=clock.now)
    store.release("streaming", "nightly")
    with pytest.raises(Unknown):
        store.rotate("streaming", ["users-9"])
    assert store.history("streaming") == history
    # A clock that is set back changes neither the order nor the numbers.
    clock.now = 10.0
    assert store.rollback("streaming", "listening").version == 11
    assert store.history("streaming", since=10)[0].details["current"] == {"listening": "listening-1"}
    assert [one.time for one in store.history("streaming")][-2:] == [1_000.0, 10.0]
    assert LineageStore(store.path).rollback("streaming", "listening").version == 12
    assert re.fullmatch(r".+:\d+", store.history("streaming", 11)[0].actor)


def test_chains_do_not_meet(store: LineageStore) -> None:
    store.read("streaming", "nightly", ["users-1"], until=2_000)
    before = store.look("streaming")
    assert before.lineage.readers
    store.declare("radio", ModelGraph({"audio": ()}))
    store.register("radio", batch("audio-1"))
    store.register("radio", batch("audio-2"))
    store.read("radio", "nightly", ["audio-1"], until=2_000)
    store.rotate("radio", ["audio-2"])
    assert store.look("streaming") == before
    assert store.chains() == ("radio", "streaming")
    assert store.look("radio").version == 4


def test_who_decided_upon_another_version_is_told_what_happened(store: LineageStore) -> None:
    seen = audio(store, 3)
    store.rollback("streaming", "listening", version=seen.version)
    with pytest.raises(
        Conflict, match=r"at version 12, .* version 11\. Since then: 12: rollback listening-1 \(test\)\. L"
    ):
        store.rotate("streaming", ["audio-3"], version=seen.version)
    with pytest.raises(Conflict, match=r"version 99\. Since then: nothing, so it was another file"):
        store.rollback("streaming", "listening", version=99)
    assert store.look("streaming").version == 12


def test_another_graph(store: LineageStore) -> None:
    more = ModelGraph({**CHAIN.parents, "tasks": ("users",)})
    assert store.declare("streaming", more).version == 11
    assert store.look("streaming").lineage.graph == more
    assert store.look("streaming").lineage.cadence == {"users": 30}, "what isn't told again stays"
    turned = ModelGraph(dict(reversed(more.parents.items())))
    assert store.declare("streaming", turned).version == 12
    assert store.look("streaming").lineage.graph.order == turned.order
    with pytest.raises(LineageError, match="listening-2 was trained on"):
        store.declare("streaming", ModelGraph({**CHAIN.parents, "listening": ("users",)}))


def test_unknown_and_nameless_chains(store: LineageStore) -> None:
    for act in (store.look, lambda chain: store.rollback(chain, "users"), lambda chain: store.release(chain, "a")):
        with pytest.raises(Unknown, match="no chain 'radio' in the file; declare it first"):
            act("radio")
    assert store.history("radio") == ()
    with pytest.raises(LineageError, match="a chain needs a name"):
        store.declare("", CHAIN)


def test_a_reader_keeps_what_it_reads(store: LineageStore, clock: Clock) -> None:
    audio(store, 3)
    reader = store.read("streaming", "nightly", ["users-1"], until=clock.now + 60)
    assert store.look("streaming").lineage.readers == {"nightly": reader}
    clock.now += 60
    with pytest.raises(StillRead, match="reader 'nightly'"):
        store.rotate("streaming", ["audio-3"])
    clock.now += 1
    assert store.rotate("streaming", ["audio-3"]).lineage.readers == {}


def test_a_reader_that_has_died_is_ignored(store: LineageStore, clock: Clock) -> None:
    audio(store, 3)
    code = (
        "import sys, pathlib; from urep_jax.lineage.store import LineageStore\n"
        "LineageStore(pathlib.Path(sys.argv[1])).read('streaming', 'nightly', ['users-1'], 1e12)\n"
        "print('reads', flush=True); sys.stdin.readline()"
    )
    command = [sys.executable, "-c", code, str(store.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "reads\n"
        with pytest.raises(StillRead, match=rf"'nightly' \(process {child.pid} on "):
            store.rotate("streaming", ["audio-3"])
        with pytest.raises(LineageError, match="has this name already; take another"):
            store.read("streaming", "nightly", ["users-2"], clock.now)
        child.kill()
    store.read("streaming", "nightly", ["users-2"], clock.now)
    store.rotate("streaming", ["audio-3"])


def test_a_reader_of_another_machine_counts_until_its_time_is_over(store: LineageStore, clock: Clock) -> None:
    audio(store, 3)
    store.read("streaming", "nightly", ["users-1"], until=clock.now + 60)
    with contextlib.closing(sqlite3.connect(store.path)) as connection, connection:
        # No process has this number.
        connection.execute("UPDATE readers SET host = 'elsewhere', pid = 2147483647")
    with pytest.raises(StillRead, match="process 2147483647 on elsewhere"):
        store.rotate("streaming", ["audio-3"])
    clock.now += 61
    store.rotate("streaming", ["audio-3"])


def test_a_file_of_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    text, other = tmp_path / "notes.txt", tmp_path / "other.sqlite"
    text.write_text("To whom it may concern: this is no database at all. " * 40)
    with contextlib.closing(sqlite3.connect(other)) as connection, connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    for path, says in (
        (text, "notes.txt is no SQLite file; name another"),
        (other, "other.sqlite is a SQLite file of something else"),
        (tmp_path, "can't be opened; it must be a file in a folder that exists"),
        (tmp_path / "nowhere" / "chains.sqlite", "can't be opened; it must be a file in a folder that exists"),
    ):
        before = path.read_bytes() if path.is_file() else None
        with pytest.raises(NotAStore, match=says):
            LineageStore(path)
        assert (path.read_bytes() if path.is_file() else None) == before


def test_a_form_of_another_version_is_refused(store: LineageStore) -> None:
    with contextlib.closing(sqlite3.connect(store.path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    with pytest.raises(
        NotAStore, match="has lineages in form 2, and this version of urep_jax knows form 1; use the vers"
    ):
        LineageStore(store.path)


def test_a_file_that_went_away_is_not_begun_anew(store: LineageStore) -> None:
    store.path.unlink()
    with pytest.raises(NotAStore, match="can't be opened"):
        store.look("streaming")
    assert not store.path.exists()


def test_an_odd_path(tmp_path: Path) -> None:
    """`?` and `#` mean something where SQLite reads a path as a URI."""
    folder = tmp_path / "a?mode=ro#b %41"
    folder.mkdir()
    LineageStore(folder / "chains.sqlite").declare("streaming", CHAIN)
    assert LineageStore(folder / "chains.sqlite").chains() == ("streaming",)


def test_who_waits_too_long_is_told(store: LineageStore) -> None:
    hasty = LineageStore(store.path, timeout=0.01)
    with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(Busy, match=r"another process holds .*chains.sqlite; nothing was changed, try again"):
            hasty.rollback("streaming", "users")
        assert hasty.look("streaming").version == 10, "looking waits for nobody"
        connection.execute("ROLLBACK")
    assert hasty.rollback("streaming", "users").version == 11


def test_a_disk_gets_all_that_is_written(store: LineageStore) -> None:
    with contextlib.closing(sqlite3.connect(store.path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with store._open() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,), "2 is FULL"


def test_a_state_that_nobody_wrote_is_refused(store: LineageStore) -> None:
    with contextlib.closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("DELETE FROM batches WHERE space_id = 'audio-2'")
    with pytest.raises(LineageError, match="users-2 reads audio-2, which is neither current nor legacy"):
        store.look("streaming")


def test_all_that_a_batch_says_is_kept(store: LineageStore) -> None:
    odd = dataclasses.replace(batch("audio-x'\"; ", at=1e-300), run="runs/Ωμέγα'; DROP TABLE batches; --")
    assert store.register("streaming", odd).lineage.trained["audio-x'\"; "] == odd
    assert store.look("streaming").lineage.trained["audio-x'\"; "] == odd
