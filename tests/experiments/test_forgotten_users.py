"""Who was forgotten by a service is not brought back by its log, nor by what batch inference stores."""

import dataclasses
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from omegaconf import OmegaConf
from rich.console import Console

from experiments import embed_users, serve
from tests.data.user_features.listeners import log_of, tables
from tests.serving.test_user_encoder import encoder_of
from urep_jax.data.log import EventLog
from urep_jax.serving.online.deployment import Deployment
from urep_jax.serving.online.keep import Keep
from urep_jax.serving.online.messages import Event, records_of
from urep_jax.serving.online.parts import Addition
from urep_jax.serving.online.sqlite_store import SqliteStore


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path / "lineage.sqlite", "chain", None, tmp_path / "parts")


def test_a_log_that_has_grown_brings_nobody_back(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs: list[EventLog] = [log_of(0)]
    (tmp_path / "config.yaml").write_text("{}")
    monkeypatch.setattr(serve, "load_log", lambda *_: logs[-1])
    monkeypatch.setattr(serve, "load_tables", lambda _: tables(0))
    monkeypatch.setattr(serve, "restore_encoder", lambda _: encoder_of())
    told = io.StringIO()

    def begin() -> None:
        cfg = OmegaConf.create({"workspace": str(tmp_path)})
        serve._begin_with_log(cfg, deployment, str(tmp_path), Keep(), Console(file=told, width=200))

    begin()
    store = SqliteStore(deployment.folder)
    users = store.users()
    assert f"tells of {len(users)} users" in told.getvalue()
    assert store.forget("user 3")
    begin()
    logs.append(dataclasses.replace(logs[0], feedback=np.roll(logs[0].feedback, 1)))
    assert logs[0].digest() != logs[1].digest()
    begin()
    assert f"tells of {len(users) - 1} users" in told.getvalue()
    assert store.scrub()
    assert not store.holds("user 3")
    assert store.users() == [one for one in users if one != "user 3"]
    store.close()


def test_batch_inference_brings_nobody_back(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed_users, "deployment_of", lambda *_: deployment)
    made = {
        "user_id": ["ann", "bob", "cy"],
        "vector": pa.array([[1.0, 2.0]] * 3, pa.list_(pa.float32(), 2)),
        "space_id": ["users-aa"] * 3,
        "time": [100] * 3,
    }
    (tmp_path / "users").mkdir()
    pq.write_table(pa.table(made), tmp_path / "users" / "0.parquet")
    store, told = SqliteStore(deployment.folder), io.StringIO()
    cfg = OmegaConf.create({"task": {"into": "embedded"}})
    store.forget("ann")
    store.forget("cy")
    heard = records_of([Event(user_id="cy", item_id="track", timestamp=5, feedback="play")])
    store.add([Addition("cy", heard)])
    embed_users._store(cfg, tmp_path / "users", np.array([7, 8, 9]), Console(file=told, width=200))
    assert told.getvalue() == "2 of them stored; of the others the service knows more, or has forgotten them\n"
    ann, bob, cy = store.vectors(["ann", "bob", "cy"], "users-aa")
    assert ann is None
    assert bob is not None
    assert cy is not None, "who came again"
    assert (bob.events, cy.events) == (8, 9)
    assert store.scrub()
    assert not store.holds("ann")
    store.close()
