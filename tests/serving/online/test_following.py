"""How a service follows the lineage, without a trained chain: what it loads, and what it holds meanwhile."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from urep_jax.core.spaces import Space
from urep_jax.lineage.batch import Batch
from urep_jax.lineage.errors import StillRead
from urep_jax.lineage.graph import ModelGraph
from urep_jax.lineage.store import LineageStore
from urep_jax.serving.online import backend as backends
from urep_jax.serving.online.backend import OnlineBackend
from urep_jax.serving.online.deployment import Deployment
from urep_jax.serving.online.models import Models
from urep_jax.serving.online.work import whole

CHAIN = "chain"


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    found = Deployment(tmp_path / "lineage.sqlite", CHAIN, None, tmp_path / "parts", partitions=2)
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
def backend(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[OnlineBackend]:
    def load(state: Any, recommenders: Any) -> Models:
        found = object.__new__(Models)
        found.__dict__.update(ranker=None, space_id=state.serving("users").batch.space_id)
        return found

    monkeypatch.setattr(backends, "load_models", load)
    with contextlib.closing(OnlineBackend(deployment)) as found:
        yield found


def held(lineages: LineageStore, chain: str = CHAIN) -> list[list[str]]:
    return [sorted(reader.space_ids) for reader in lineages.look(chain).lineage.readers.values()]


def test_who_lost_its_hold_holds_what_it_serves_next(
    backend: OnlineBackend, deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    """As after a machine slept: its time was over, and what it served was dropped."""
    lineages = deployment.lineages
    assert backend.follow()
    for reader in lineages.look(CHAIN).lineage.readers:
        lineages.release(CHAIN, reader)
    for at, letter in enumerate("bc", start=2):
        train(lineages, f"users-{letter}", at)
        lineages.rotate(CHAIN, [f"users-{letter}"])
    assert backend.follow()
    assert "lost what it read" in caplog.text
    assert backend.models.space_id == "users-c"
    assert held(lineages) == [["users-c"]]
    assert not backend.follow()
    train(lineages, "users-d", 4)
    lineages.rotate(CHAIN, ["users-d"])
    train(lineages, "users-e", 5)
    with pytest.raises(StillRead, match="reader 'service:.*reads users-c, which would be dropped"):
        lineages.rotate(CHAIN, ["users-e"])


def test_whoever_closes_lets_go_of_everything_though_a_hold_was_lost(
    backend: OnlineBackend, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    lineages = deployment.lineages
    assert backend.follow()
    for reader in lineages.look(CHAIN).lineage.readers:
        lineages.release(CHAIN, reader)
    for at, letter in enumerate("bc", start=2):
        train(lineages, f"users-{letter}", at)
        lineages.rotate(CHAIN, [f"users-{letter}"])
    closed = []
    monkeypatch.setattr(backend._store, "close", lambda: closed.append("store"))
    backend.close()
    assert closed == ["store"]
    assert not held(lineages)
