"""What watches over a service that runs: it goes on, whatever happens to what it watches."""

import contextlib
import itertools
import sqlite3
import threading
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.serving.online.chain import until
from urep_jax.serving.online import run as running
from urep_jax.serving.online.backend import OnlineBackend
from urep_jax.serving.online.deployment import Deployment
from urep_jax.serving.online.worker import WorkerConfig


class Process(BaseProcess):
    """Lives for some looks of who watches it."""

    name, exitcode = "worker 0", 1

    def __init__(self, lives: float) -> None:
        self._left = lives

    def __repr__(self) -> str:
        return self.name

    def is_alive(self) -> bool:
        self._left -= 1
        return self._left > 0

    def nothing(self) -> None:
        pass

    start = terminate = join = nothing


def started(monkeypatch: pytest.MonkeyPatch, seconds: float, lives: Callable[[int], float]) -> list[float]:
    """Moments at which one worker's processes are started, the n-th of which lives for so many seconds."""
    clock = SimpleNamespace(now=0.0)
    moments: list[float] = []

    def start() -> Any:
        moments.append(clock.now)
        return Process(lives(len(moments) - 1) / running._LOOK)

    monkeypatch.setattr(running, "time", SimpleNamespace(monotonic=lambda: clock.now))
    kept = running._Kept(start)
    while clock.now < seconds:
        clock.now += running._LOOK
        kept.look(lambda text: None)
    return moments


def test_a_worker_that_can_not_live_is_started_ever_later(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = started(monkeypatch, 60.0, lambda _: 0.5)
    waits = [later - earlier - 0.5 for earlier, later in itertools.pairwise(moments)]
    assert waits == [0.5, 1.0, 2.0, 4.0, *[8.0] * (len(waits) - 4)]
    assert len(waits) > 6


def test_a_worker_that_has_lived_is_started_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lives = [0.5, 0.5, 0.5, 100.0, 0.5, 0.5, 100.0]
    moments = started(monkeypatch, 110.0, lives.__getitem__)
    ends = [start + lived for start, lived in zip(moments, lives, strict=True)]
    waits = [start - end for start, end in zip(moments[1:], ends[:-1], strict=True)]
    assert waits == [0.5, 1.0, 2.0, 0.0, 0.5, 1.0]


@contextlib.contextmanager
def all_threads_live(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    ended: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", ended.append)
    yield
    assert not ended


def test_a_worker_that_could_not_be_started_is_started_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made: list[Any] = []
    failure = MemoryError("ann heard track 17")

    def process(**_: Any) -> Process:
        made.append(None)
        if len(made) == 2:
            raise failure
        return Process(1.0)

    monkeypatch.setattr(running, "_LOOK", 0.01)
    monkeypatch.setattr(running.multiprocessing, "get_context", lambda _: SimpleNamespace(Process=process))
    deployment = Deployment(Path("none"), "none", None, Path("none"))
    with all_threads_live(monkeypatch), running._workers(deployment, WorkerConfig(), lambda text: None):
        until(lambda: len(made) > 3)
    assert "a worker could not be started" in caplog.text
    assert "ann" not in caplog.text


class Backend(OnlineBackend):
    """Fails twice to follow the lineage."""

    models: Any = SimpleNamespace(space_id="users-a")

    def __init__(self, error: Exception) -> None:
        self.error, self.looks = error, 0

    def follow(self) -> bool:
        self.looks += 1
        if self.looks < 3:
            raise self.error
        return self.looks == 3


@pytest.mark.parametrize("error", [sqlite3.OperationalError("disk I/O error of ann"), KeyError("ann")])
def test_who_follows_the_lineage_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    told: list[str] = []
    backend = Backend(error)
    monkeypatch.setattr(running, "_LOOK", 0.01)
    with all_threads_live(monkeypatch), running._following(backend, told.append):
        until(lambda: backend.looks > 3)
    assert told == ["serving users-a"]
    assert type(error).__name__ in caplog.text
    assert "ann" not in caplog.text
