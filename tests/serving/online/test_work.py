"""A worker's life, without a chain: how it waits for a store that is away."""

import threading
from pathlib import Path
from typing import Any

import pytest

from urep_jax.serving.online import work as works
from urep_jax.serving.online.deployment import Deployment
from urep_jax.serving.online.parts import StoreAway, StoreFull
from urep_jax.serving.online.worker import Step, WorkerConfig


class Stop(threading.Event):
    """Doesn't wait, but remembers how long it should have."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waited.append(timeout)
        return self.is_set()


def test_a_store_is_waited_for_ever_longer_until_it_worked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Stop()
    results: list[Any] = [StoreAway(), StoreFull(), StoreAway(), Step(), Step(), StoreAway(), StoreAway(), Step()]

    def step(*_: object) -> Step:
        found = results.pop(0)
        if not results:
            stop.set()
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(works, "step", step)
    monkeypatch.setattr(works.Spaces, "look", lambda spaces: spaces.encoders.update(space=None))
    monkeypatch.setattr(works, "_tell", lambda *_: None)
    deployment = Deployment(lineage=tmp_path / "none", chain="none", recommenders=None, folder=tmp_path)
    works.work(deployment, 0, WorkerConfig(), stop)
    assert stop.waited == [0.1, 0.2, 0.4, 0.1, 0.2]


def test_nobody_is_waited_for_longer_than_five_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Stop()

    def away(*_: object) -> None:
        if len(stop.waited) == 9:
            stop.set()
        raise StoreAway

    monkeypatch.setattr(Deployment, "open", away)
    deployment = Deployment(lineage=tmp_path / "none", chain="none", recommenders=None, folder=tmp_path)
    works.work(deployment, 0, WorkerConfig(), stop)
    assert stop.waited == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0, 5.0]
