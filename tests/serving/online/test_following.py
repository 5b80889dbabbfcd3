"""How a service follows the lineage, and how it goes, without a trained chain."""

import contextlib
import dataclasses
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from urep_jax.core.spaces import Space
from urep_jax.lineage.batch import Batch
from urep_jax.lineage.errors import StillRead
from urep_jax.lineage.graph import ModelGraph
from urep_jax.lineage.state import Serving
from urep_jax.lineage.store import LineageStore
from urep_jax.serving.online import backend as backends
from urep_jax.serving.online.backend import OnlineBackend
from urep_jax.serving.online.deployment import Deployment
from urep_jax.serving.online.fresh import counted
from urep_jax.serving.online.messages import Event, message_of, records_of
from urep_jax.serving.online.models import Models
from urep_jax.serving.online.parts import Addition, StoredVector
from urep_jax.serving.online.work import whole

CHAIN, RECOMMENDERS = "chain", "recommenders"


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    found = Deployment(tmp_path / "lineage.sqlite", CHAIN, RECOMMENDERS, tmp_path / "parts", partitions=2)
    found.lineages.declare(CHAIN, ModelGraph({"users": ()}))
    _, store = found.open()
    with contextlib.closing(store):
        for letter in "abcd":
            store.note(whole(f"users-{letter}"), "yes")
    train(found.lineages, "users-a")
    return found


def train(lineages: LineageStore, space_id: str, at: float = 1.0) -> None:
    lineages.register(CHAIN, Batch.of(Space(space_id), at, f"run of {space_id}"))


@pytest.fixture
def loads() -> list[Mapping[str, str]]:
    """Runs of the models that were loaded, each time."""
    return []


@pytest.fixture
def backend(
    deployment: Deployment, loads: list[Mapping[str, str]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[OnlineBackend]:
    def load(found: Mapping[str, Serving]) -> Models:
        loads.append({model: one.batch.run for model, one in found.items()})
        models = object.__new__(Models)
        models.__dict__["space_id"] = found["users"].batch.space_id
        return models

    monkeypatch.setattr(backends, "load_models", load)
    with contextlib.closing(OnlineBackend(deployment)) as found:
        yield found


def held(lineages: LineageStore, chain: str = CHAIN) -> list[list[str]]:
    return [sorted(reader.space_ids) for reader in lineages.look(chain).lineage.readers.values()]


def all_holds_are_lost(lineages: LineageStore) -> None:
    """As after a machine slept: whoever read is over its time, and two rotations have dropped what it read."""
    for reader in lineages.look(CHAIN).lineage.readers:
        lineages.release(CHAIN, reader)
    for at, letter in enumerate("bc", start=2):
        train(lineages, f"users-{letter}", at)
        lineages.rotate(CHAIN, [f"users-{letter}"])


def test_who_lost_its_hold_holds_what_it_serves_next(
    backend: OnlineBackend, deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    lineages = deployment.lineages
    assert backend.follow()
    all_holds_are_lost(lineages)
    assert backend.follow()
    assert "lost what it read" in caplog.text
    assert backend.models.space_id == "users-c"
    assert held(lineages) == [["users-c"]]
    assert not backend.follow()
    train(lineages, "users-d", 4)
    lineages.rotate(CHAIN, ["users-d"])
    train(lineages, "users-e", 5)
    with pytest.raises(StillRead, match=r"reader 'service:.*reads users-c, which would be dropped"):
        lineages.rotate(CHAIN, ["users-e"])


def test_whoever_closes_lets_go_of_everything_though_a_hold_was_lost(
    backend: OnlineBackend, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    lineages = deployment.lineages
    assert backend.follow()
    all_holds_are_lost(lineages)
    closed = []
    monkeypatch.setattr(backend._store, "close", lambda: closed.append("store"))
    backend.close()
    assert closed == ["store"]
    assert not held(lineages)


def test_only_what_would_be_served_is_loaded(
    backend: OnlineBackend, deployment: Deployment, loads: list[Mapping[str, str]]
) -> None:
    lineages = deployment.lineages
    assert backend.follow()
    assert loads == [{"users": "run of users-a"}]
    # A training that waits to be rotated in is served by nobody.
    train(lineages, "users-b", 2)
    assert not backend.follow()
    # A space that has grown is the same one in another folder.
    lineages.register(CHAIN, Batch.of(Space("users-a"), 1.0, "grown"))
    assert backend.follow()
    assert not backend.follow()
    assert loads[1:] == [{"users": "grown"}]


def test_a_recommender_that_is_rotated_in_is_served_and_held(
    backend: OnlineBackend, deployment: Deployment, loads: list[Mapping[str, str]]
) -> None:
    lineages = deployment.lineages
    assert backend.follow()
    lineages.declare(RECOMMENDERS, ModelGraph({"recommender": ()}))
    assert not backend.follow(), "none is trained"
    for letter in "ab":
        lineages.register(RECOMMENDERS, Batch.of(Space(f"recommender-{letter}"), 1.0, letter))
        if letter == "b":
            assert not backend.follow()
            lineages.rotate(RECOMMENDERS, ["recommender-b"])
        assert backend.follow()
        assert loads[-1] == {"users": "run of users-a", "recommender": letter}
        assert held(lineages, RECOMMENDERS) == [[f"recommender-{letter}"]]
        assert held(lineages) == [["users-a"]]


def test_what_is_told_is_so(backend: OnlineBackend, deployment: Deployment) -> None:
    backend._deployment = dataclasses.replace(deployment, workers=2)
    backend.follow()
    known = records_of([Event(user_id="x", item_id="t", timestamp=5, feedback="play")])
    backend._store.add([Addition(f"user {number}", known) for number in range(5)])
    backend._store.write(
        [StoredVector(f"user {number}", "users-a", 6, 0, 1, 0.0, np.ones(2, np.float32)) for number in (0, 1, 7)]
    )
    backend.accept([message_of(Event(user_id="x", item_id="t", timestamp=5, feedback="play"))])
    told = backend.status()
    assert (told.waiting, told.freshness, told.workers, told.users, told.vectors) == (1, None, 0, 5, 3)
    # One lives, and one has told something yesterday for the last time.
    for number, ago, seconds in ((0, 1.0, [0.1, 0.1, 0.3]), (1, 86_400.0, [50.0] * 9)):
        pulse = {"at": time.time() - ago, "spaces": ["users-a"], "waited": counted(seconds)}
        backend._store.note(f"worker/{number}", json.dumps(pulse))
    told = backend.status()
    assert told.workers == 1
    assert told.freshness is not None
    assert told.freshness.measured == 3
    assert told.freshness.median == pytest.approx(0.1, rel=0.05)
    assert told.freshness.p99 == pytest.approx(0.3, rel=0.05)
    assert backend.ready() is None, "what is there is read without workers"
