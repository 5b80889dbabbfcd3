"""What a log and batch inference put into a service's store: what events go on from, and nothing of the forgotten."""

import dataclasses
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from experiments import embed_users
from experiments.online import store_log
from tests.data.user_features.listeners import log_of, tables
from tests.serving.test_user_encoder import encoder_of
from urep_jax.data.log import EventLog
from urep_jax.serving.online.deployment import Deployment
from urep_jax.serving.online.keep import Keep
from urep_jax.serving.online.messages import Event, message_of, records_of
from urep_jax.serving.online.parts import Addition
from urep_jax.serving.online.sqlite_store import SqliteStore
from urep_jax.serving.online.sqlite_stream import SqliteStream
from urep_jax.serving.online.states import StateEncoder
from urep_jax.serving.online.worker import WorkerConfig, step


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path / "lineage.sqlite", "chain", None, tmp_path / "parts")


def test_a_log_that_has_grown_brings_nobody_back(deployment: Deployment) -> None:
    log, told = log_of(0), io.StringIO()
    store = SqliteStore(deployment.folder)

    def begin(log: EventLog) -> None:
        store_log(store, log, tables(0), encoder_of().features, Keep(), Console(file=told, width=200))

    begin(log)
    users = store.users()
    assert f"tells of {len(users)} users" in told.getvalue()
    assert store.forget("user 3")
    begin(log)
    grown = dataclasses.replace(log, feedback=np.roll(log.feedback, 1))
    assert log.digest() != grown.digest()
    begin(grown)
    assert f"tells of {len(users) - 1} users" in told.getvalue()
    assert store.scrub()
    assert not store.holds("user 3")
    assert store.users() == [one for one in users if one != "user 3"]
    store.close()


def test_events_go_on_from_what_batch_inference_read(deployment: Deployment, tmp_path: Path) -> None:
    encoder, log = encoder_of(), log_of(0)
    stream, store = SqliteStream(deployment.folder), SqliteStore(deployment.folder)
    store_log(store, log, tables(0), encoder.features, Keep(), Console(quiet=True))
    own = slice(log.offsets[5], log.offsets[6])
    later = int(log.timestamp[own][-1]) + 60
    stream.append([message_of(Event(user_id="user 5", item_id="item 3", timestamp=later, feedback="play"))], later)
    step(stream, store, {encoder.space.id: StateEncoder(encoder)}, WorkerConfig(wait=0.0))
    (vector,) = store.vectors(["user 5"], encoder.space.id)
    assert vector is not None
    in_window = log.timestamp[own] >= vector.as_of - encoder.features.cfg.reach
    assert vector.events == in_window.sum() + 1 > 2
    stream.close()
    store.close()


def test_batch_inference_brings_nobody_back(deployment: Deployment, tmp_path: Path) -> None:
    made = {
        "user_id": ["ann", "bob", "cy"],
        "vector": pa.array([[1.0, 2.0]] * 3, pa.list_(pa.float32(), 2)),
        "space_id": ["users-aa"] * 3,
        "time": [100] * 3,
    }
    (tmp_path / "users").mkdir()
    pq.write_table(pa.table(made), tmp_path / "users" / "0.parquet")
    store, told = SqliteStore(deployment.folder), io.StringIO()
    store.forget("ann")
    store.forget("cy")
    heard = records_of([Event(user_id="cy", item_id="track", timestamp=5, feedback="play")])
    store.add([Addition("cy", heard)])
    embed_users._store(store, tmp_path / "users", np.array([7, 8, 9]), Console(file=told, width=200))
    assert told.getvalue() == "2 of them stored; of the others the service knows more, or has forgotten them\n"
    ann, bob, cy = store.vectors(["ann", "bob", "cy"], "users-aa")
    assert ann is None
    assert bob is not None
    assert cy is not None, "who came again"
    assert (bob.events, cy.events) == (8, 9)
    assert store.scrub()
    assert not store.holds("ann")
    store.close()
