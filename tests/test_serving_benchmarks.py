"""What puts load on a service tells the truth, and what looks for losses finds them."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks import load
from benchmarks.load import Load
from benchmarks.serving_faults import compared
from benchmarks.serving_rotation import of_one_chain
from tests.serving.http.fake import SPACES, Fake
from tests.serving.test_user_encoder import encoder_of
from urep_jax.serving.http.server import serving
from urep_jax.serving.online.messages import Event, message_of
from urep_jax.serving.online.sqlite_store import SqliteStore
from urep_jax.serving.online.sqlite_stream import SqliteStream
from urep_jax.serving.online.states import StateEncoder
from urep_jax.serving.online.worker import WorkerConfig, step

NOW = 1_700_000_000


def asked_of(url: str, **more: Any) -> Load:
    return Load(int(url.rpartition(":")[2]), users=["ann", "bob"], items=["t1", "t2"], connections=8, **more)


def test_what_is_due_is_asked_and_counted() -> None:
    fake = Fake()
    with serving(fake) as url:
        told = load.run(asked_of(url, seconds=0.5, events=200, post=10, reads=100))
        assert not told.failed
        assert {kind: len(seconds) for kind, seconds in told.latency.items()} == {"posts": 10, "reads": 50}
        assert told.accepted == len(fake.messages) == 100
        assert len({message.body for message in fake.messages}) == 100, "each event has an id of its own"
        closed = load.run(asked_of(url, seconds=0.2), "closed_loop")
        assert len(closed.latency["reads"]) > 8
        told = load.run(asked_of(url, seconds=0.0), "all_once", 3)
        assert told.accepted == 6
        fake.fails = RuntimeError("out of order")
        assert load.run(asked_of(url, seconds=0.1, reads=100)).failed == {"reads 500": 10}
    assert load.run(asked_of(url, seconds=0.1, reads=100)).failed == {"reads 0": 10}, "nobody is there"


def test_answers_are_counted_by_the_spaces_that_they_come_from() -> None:
    fake = Fake()
    with serving(fake) as url:
        told = load.run(asked_of(url, seconds=0.2, reads=50, rankings=25))
    assert not told.failed
    assert {kind: len(seconds) for kind, seconds in told.latency.items()} == {"reads": 10, "rankings": 5}
    ((spaces, count),) = told.spaces.items()
    assert (json.loads(spaces), count) == (SPACES, 15)


@pytest.mark.parametrize(
    ("spaces", "good"),
    [
        ({"users": "u1", "tracks": "t1"}, True),
        ({"users": "u2", "tracks": "t2"}, True),
        ({"tracks": "t1"}, True),
        ({"users": "u2", "tracks": "t1"}, False),
        ({"users": "u1", "tracks": "t3"}, False),
        ({"ranker": "r1", "users": "u2", "tracks": "t2"}, False),
        ({}, False),
    ],
)
def test_a_mixed_answer_is_seen(spaces: dict[str, str], good: bool) -> None:
    chains = [{"tracks": "t1"}, {"tracks": "t2"}, {"users": "u1", "tracks": "t1"}, {"users": "u2", "tracks": "t2"}]
    chains.append({"ranker": "r1", "users": "u1", "tracks": "t1"})
    assert of_one_chain(spaces, {next(iter(chain.values())): chain for chain in chains}) == good


def test_days_may_pass_in_a_second() -> None:
    asked = Load(1, ["ann"], ["t1"], seconds=10.0, days=500)
    for seconds, days in ((0, 500), (4, 300), (9.99, 0.5), (10, 0), (60, 0)):
        assert load.moment(asked, 1e9, 1e9 + seconds) == pytest.approx(1e9 + seconds - days * 86_400, abs=1.001)
        assert load.moment(asked._replace(days=0), 1e9, 1e9 + seconds) == int(1e9 + seconds)
    fake = Fake()
    with serving(fake) as url:
        told = load.run(asked_of(url, seconds=0.5, events=100, post=10, days=500))
    assert told.accepted == 50
    ago = [(time.time() - json.loads(message.body)["timestamp"]) / 86_400 for message in fake.messages]
    assert max(ago) > 1
    assert max(ago) < 501
    assert min(ago) >= 0


def test_who_would_have_asked_during_a_standstill_is_counted() -> None:
    fake = Fake()
    fake.gate = threading.Event()
    with serving(fake) as url:
        begin = time.monotonic()
        threading.Timer(0.5, fake.gate.set).start()
        # Only 8 connections: the others wait for one, and their time counts as well.
        told = load.run(asked_of(url, seconds=1.0, reads=100))
        assert time.monotonic() - begin < 10
    late = told.latency["reads"] > 0.25
    assert len(told.latency["reads"]) == 100
    assert late.sum() >= 20, "a quarter of a second's worth was due more than that before it went on"


def test_a_loss_is_seen(tmp_path: Path) -> None:
    encoder = encoder_of()
    items = encoder.features.modalities[0].item_ids.to_pylist()
    accepted = [
        {
            "user_id": f"user {i % 3}",
            "item_id": items[i % len(items)],
            "timestamp": NOW + i // 2,
            "feedback": "play",
            "played_ratio": 0.5,
            "event_id": str(i),
        }
        for i in range(30)
    ]
    stream, store = SqliteStream(tmp_path, 4), SqliteStore(tmp_path)
    stream.append([message_of(Event(**one)) for one in [*accepted, *accepted[:7]]], NOW)
    while step(stream, store, {encoder.space.id: StateEncoder(encoder)}, WorkerConfig(most=8, wait=0.0)).messages:
        pass
    found = compared(stream, store, encoder, accepted)
    assert found["good"]
    assert (found["users"], found["events"], found["lost"], found["extra"]) == (3, 30, 0, 0)

    found = compared(stream, store, encoder, [*accepted, accepted[0] | {"event_id": "another"}])
    assert (found["good"], found["lost"], found["stale_vectors"]) == (False, 1, 1)
    found = compared(stream, store, encoder, accepted[1:])
    assert (found["good"], found["extra"]) == (False, 1)
    found = compared(stream, store, encoder, [one for one in accepted if one["user_id"] != "user 2"])
    assert (found["good"], found["strangers"]) == (False, 1)
    (vector,) = store.vectors(["user 1"], encoder.space.id)
    assert vector is not None
    store.write([vector._replace(values=vector.values + 1e-3)])
    found = compared(stream, store, encoder, accepted)
    assert not found["good"]
    largest = max(1.0, float(abs(vector.values).max()))
    assert found["largest_difference"] == pytest.approx(1e-3 / largest, rel=0.1)
    stream.close()
    store.close()
