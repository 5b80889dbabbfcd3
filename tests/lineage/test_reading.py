"""Holding on to batches while something is done with them."""

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lineage.chains import batch
from urep_jax.lineage.errors import LineageError, StillRead, Unknown
from urep_jax.lineage.graph import ModelGraph
from urep_jax.lineage.reading import reading
from urep_jax.lineage.store import LineageStore


@pytest.fixture
def store(tmp_path: Path) -> LineageStore:
    """One model with a legacy batch, and one that waits."""
    store = LineageStore(tmp_path / "chains.sqlite")
    store.declare("radio", ModelGraph({"audio": ()}))
    for number in (1, 2, 3):
        store.register("radio", batch(f"audio-{number}"))
    store.rotate("radio", ["audio-2"])
    return store


def test_what_is_read_stays_until_the_end(store: LineageStore) -> None:
    with reading(store, "radio", "nightly", ["audio-1"]) as hold:
        assert hold.reader.name.startswith("nightly:")
        with pytest.raises(StillRead, match="reader 'nightly:"):
            store.rotate("radio", ["audio-3"])
        hold.check()
    assert not store.look("radio").lineage.readers
    store.rotate("radio", ["audio-3"])


def test_several_read_by_one_name(store: LineageStore) -> None:
    with reading(store, "radio", "nightly", ["audio-1"]):
        with reading(store, "radio", "nightly", ["audio-2"]):
            assert len(store.look("radio").lineage.readers) == 2
        with pytest.raises(StillRead, match="audio-1"):
            store.rotate("radio", ["audio-3"])


def test_it_is_released_where_the_work_fails(store: LineageStore) -> None:
    with pytest.raises(ZeroDivisionError), reading(store, "radio", "nightly", ["audio-1"]):
        raise ZeroDivisionError
    assert not store.look("radio").lineage.readers
    assert not [one for one in threading.enumerate() if one.name.startswith("reading")]


def test_it_is_renewed(store: LineageStore) -> None:
    with reading(store, "radio", "nightly", ["audio-1"], seconds=0.6) as hold:
        until = hold.reader.until
        while store.look("radio").lineage.readers[hold.reader.name].until == until:
            time.sleep(0.02)


def test_who_could_not_renew_is_told(store: LineageStore) -> None:
    """As after a machine slept: for others the time is over, and what was read is dropped."""
    later = LineageStore(store.path, clock=lambda: time.time() + 1_000)
    says = (
        "reader 'nightly:.*could not say in time that it reads on, and lost what it read; do all of it again: 'audio-1'"
    )
    with pytest.raises(Unknown, match=says), reading(store, "radio", "nightly", ["audio-1"]):
        later.rotate("radio", ["audio-3"])
    # The thread finds it out earlier.
    store.register("radio", batch("audio-4"))
    with reading(store, "radio", "nightly", ["audio-3"]):
        later.rotate("radio", ["audio-4"])
    store.register("radio", batch("audio-5"))

    def checks_on_and_on() -> None:
        with reading(store, "radio", "nightly", ["audio-3"], seconds=0.03) as hold:
            later.rotate("radio", ["audio-5"])
            while True:
                hold.check()
                time.sleep(0.01)

    with pytest.raises(Unknown, match=says.replace("-1", "-3")):
        checks_on_and_on()


def test_what_is_not_there_can_not_be_read(store: LineageStore) -> None:
    with pytest.raises(Unknown, match="'audio-9' isn't registered"), reading(store, "radio", "nightly", ["audio-9"]):
        pytest.fail("it began")
    with pytest.raises(ValueError, match="seconds is 0"), reading(store, "radio", "nightly", ["audio-1"], seconds=0):
        pytest.fail("it began")


class Failing(LineageStore):
    """A store on a disk that fails as soon as `fails` is set."""

    fails = False

    def read(self, *asked: object, **more: object) -> object:
        if self.fails:
            raise sqlite3.OperationalError("disk I/O error")
        return super().read(*asked, **more)  # type: ignore[arg-type]


def until(true: Callable[[], bool]) -> None:
    last = time.monotonic() + 20
    while not true():
        assert time.monotonic() < last, "it never came to be so"
        time.sleep(0.01)


def test_who_can_not_renew_for_a_while_goes_on(store: LineageStore, caplog: pytest.LogCaptureFixture) -> None:
    failing = Failing(store.path)
    with reading(failing, "radio", "nightly", ["audio-1"], seconds=0.3) as hold:
        failing.fails = True
        until(lambda: "disk I/O error" in caplog.text)
        failing.fails = False
        later = time.time()
        until(lambda: store.look("radio").lineage.readers[hold.reader.name].until > later + 0.3)
        hold.check()


def test_who_could_not_renew_until_the_end_is_told(store: LineageStore) -> None:
    failing = Failing(store.path)
    says = "reader 'nightly:.*may have lost what it read; mend the cause, and do all of it again: disk I/O error"

    def checks_on_and_on() -> None:
        with reading(failing, "radio", "nightly", ["audio-1"], seconds=0.03) as hold:
            failing.fails = True
            while True:
                hold.check()
                time.sleep(0.01)

    with pytest.raises(LineageError, match=says):
        checks_on_and_on()
    failing.fails = False
    with pytest.raises(LineageError, match=says), reading(failing, "radio", "nightly", ["audio-1"]):
        failing.fails = True


def test_who_can_not_say_that_it_is_done_has_done_it(
    store: LineageStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(store, "release", away)
    with reading(store, "radio", "nightly", ["audio-1"]):
        pass
    assert "could not say that it is done: disk I/O error" in caplog.text
