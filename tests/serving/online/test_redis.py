"""What only the parts in Redis promise: a server that goes away and comes back, and one that isn't good enough."""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.serving.online.conftest import PrivateRedis
from urep_jax.lineage.errors import Unknown
from urep_jax.lineage.graph import ModelGraph
from urep_jax.lineage.store import LineageStore
from urep_jax.serving.online import redis_stream
from urep_jax.serving.online.deployment import Deployment
from urep_jax.serving.online.parts import RECORD, Addition, Lag, Message, StoreAway, StoredVector, StoreFull, UserState
from urep_jax.serving.online.redis_store import RedisStore
from urep_jax.serving.online.redis_stream import RedisStream


def addition(user_id: str, count: int = 1) -> Addition:
    records = np.zeros(count, RECORD)
    records["key"] = np.arange(count)
    return Addition(user_id, records, (b'{"country": "DE"}',))


VECTOR = StoredVector("ann", "users-aa", 1, 1, 1, 1.0, np.ones(8, np.float32))


def test_a_server_that_dies_and_comes_back(own_redis: PrivateRedis) -> None:
    """Nothing that was accepted is lost, and the clients go on by themselves."""
    stream, store = RedisStream(own_redis.url, 2), RedisStore(own_redis.url)
    stream.append([Message("ann", b"1"), Message("bob", b"2")], 1.0)
    (first,) = stream.take(1, 5.0)
    store.add([addition("ann", 100)])
    store.write([VECTOR])
    own_redis.kill()
    calls: list[Callable[[], object]] = [
        lambda: stream.append([Message("ann", b"3")], 2.0),
        lambda: stream.take(9, 0.1),
        lambda: stream.done([first]),
        lambda: stream.bury([(first, "wrong")]),
        stream.lag,
        lambda: stream.dead(1),
        lambda: stream.forget("ann"),
        lambda: store.add([addition("ann")]),
        lambda: store.vectors(["ann"], "users-aa"),
        lambda: store.write([VECTOR]),
        store.users,
        lambda: list(store.scan("users-aa")),
        lambda: store.holds("ann"),
        lambda: store.forget("ann"),
        lambda: store.trim({"ann": 1}),
        lambda: store.note("a", "b"),
        lambda: RedisStore(own_redis.url),
    ]
    begin = time.monotonic()
    for call in calls:
        with pytest.raises(StoreAway, match=r"Redis at .*redis\.sock doesn't answer .*then ask again"):
            call()
    assert time.monotonic() - begin < 3 * len(calls)
    own_redis.start()
    assert stream.lag() == Lag(2, 1.0, 0)
    stream.done([first])
    rest = stream.take(9, 5.0)
    assert {first.message.body, *(one.message.body for one in rest)} == {b"1", b"2"}
    stream.append([Message("ann", b"3")], 2.0)
    assert [one.message.body for one in stream.take(9, 5.0)] == [b"3"]
    (state,) = store.add([Addition("ann", np.zeros(0, RECORD))])
    assert (len(state.records), len(state.facts)) == (100, 1)
    assert store.vectors(["ann"], "users-aa") != [None]
    stream.close()
    store.close()


def test_a_server_that_hangs_is_away_too(own_redis: PrivateRedis) -> None:
    import signal

    store = RedisStore(own_redis.url)
    own_redis.process.send_signal(signal.SIGSTOP)
    with pytest.raises(StoreAway):
        store.note("a")
    own_redis.process.send_signal(signal.SIGCONT)
    assert store.note("a", "b") == "b"
    store.close()


def test_a_full_server_accepts_nothing_until_there_is_room(own_redis: PrivateRedis) -> None:
    import redis

    stream, store = RedisStream(own_redis.url, 2), RedisStore(own_redis.url)
    stream.append([Message("ann", b"1")], 1.0)
    store.add([addition("ann")])
    admin = redis.Redis.from_url(own_redis.url)
    admin.config_set("maxmemory", 1)
    calls: list[Callable[[], object]] = [
        lambda: stream.append([Message("bob", b"2"), Message("cem", b"3")], 2.0),
        lambda: store.add([addition("ann", 5), addition("bob")]),
        lambda: store.write([VECTOR]),
    ]
    for call in calls:
        with pytest.raises(StoreFull, match="nothing was kept; give it more"):
            call()
    assert stream.lag() == Lag(1, 1.0, 0)
    assert store.users() == ["ann"]
    (state,) = store.add([Addition("ann", np.zeros(0, RECORD))])
    assert len(state.records) == 1
    assert store.count("users-aa") == 0
    stream.append([], 3.0)
    (first,) = stream.take(9, 5.0)
    stream.done([first])
    assert store.forget("ann")
    assert not store.holds("ann")
    assert store.drop("users-aa") == 0
    admin.config_set("maxmemory", 0)
    for call in calls:
        call()
    assert stream.lag().waiting == 2
    admin.close()
    stream.close()
    store.close()


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("appendonly", "no", "appendonly yes"),
        ("appendfsync", "everysec", "appendfsync always"),
        ("maxmemory-policy", "allkeys-lru", "maxmemory-policy noeviction"),
    ],
)
def test_a_server_that_can_lose_things_is_refused(own_redis: PrivateRedis, name: str, value: str, line: str) -> None:
    import redis

    admin = redis.Redis.from_url(own_redis.url)
    admin.config_set(name, value)
    for open_part in (RedisStore, RedisStream):
        with pytest.raises(
            ValueError, match=f"{name} is '{value}'; write these lines into redis.conf: {line} "
        ) as told:
            open_part(own_redis.url)
        assert f"CONFIG SET {line}" in str(told.value)
        open_part(own_redis.url, durable=False).close()
    admin.config_set(name, line.split()[1])
    RedisStore(own_redis.url).close()
    admin.close()


def test_a_server_that_does_not_tell_is_refused(own_redis: PrivateRedis) -> None:
    import redis

    admin = redis.Redis.from_url(own_redis.url)
    admin.execute_command("ACL", "SETUSER", "reader", "on", ">secret", "~*", "+@all", "-config")
    url = f"unix://reader:secret@{own_redis.socket}"
    with pytest.raises(ValueError, match="allow CONFIG GET") as told:
        RedisStore(url)
    assert "secret" not in str(told.value)
    RedisStore(url, durable=False).close()
    admin.close()


def test_without_the_client_the_mend_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'urep_jax\[redis\]'"):
        RedisStore("redis://localhost")


def test_a_worker_that_computes_for_long_keeps_its_partitions(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_stream, "_LEASE_MS", 400)
    first, second = (RedisStream(redis_url, 4, prefix="long") for _ in range(2))
    first.append([Message(str(number), b"") for number in range(20)], 0.0)
    found = first.take(100, 1.0)
    assert len(found) == 20
    until = time.monotonic() + 1.2
    while time.monotonic() < until:
        assert second.take(100, 0.1) == []
    first._closed.set()  # No beat any more, as if it stood still.
    until = time.monotonic() + 10
    again = []
    while len(again) < 20 and time.monotonic() < until:
        again += second.take(100, 0.1)
    assert {one.message for one in again} == {one.message for one in found}
    second.done(again)
    first.done(found)
    second.close()
    first._server.close()


def test_what_is_added_while_a_user_is_trimmed_stays(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RedisStore(redis_url, prefix="trimmed")
    records = np.zeros(3, RECORD)
    records["key"] = records["time"] = [1, 2, 3]
    store.add([Addition("ann", records[:2]), Addition("bob", records[:2])])
    add, reads = store.add, 0

    def add_meanwhile(additions: Sequence[Addition]) -> list[UserState]:
        nonlocal reads
        reads += 1
        states = add(additions)
        if reads == 1:
            add([Addition("ann", records[2:])])
        return states

    monkeypatch.setattr(store, "add", add_meanwhile)
    assert store.trim({"ann": 2, "bob": 2}) == 2
    (state,) = add([Addition("ann", records[:0])])
    assert state.records["key"].tolist() == [2, 3]
    assert reads == 2
    store.close()


def test_chains_share_a_server(redis_url: str, tmp_path: Path) -> None:
    opened = []
    for workspace, chain in (("one", "a"), ("one", "b"), ("another", "a")):
        (tmp_path / workspace).mkdir(exist_ok=True)
        lineages = LineageStore(tmp_path / workspace / "lineage.sqlite")
        lineages.declare(chain, ModelGraph({"users": ()}))
        deployment = Deployment(lineages.path, chain, None, tmp_path, redis=redis_url)
        opened.append((deployment, *deployment.open()))
    for number, (_, stream, store) in enumerate(opened):
        stream.append([Message("ann", f"{number}".encode())], 1.0)
        store.note("log", str(number))
    for number, (deployment, stream, store) in enumerate(opened):
        assert [one.message.body for one in stream.take(9, 0.0)] == [f"{number}".encode()]
        assert store.note("log") == str(number)
        again = deployment.open()
        assert again[1].note("log") == str(number), "it is found again"
        for part in (stream, store, *again):
            part.close()
    with pytest.raises(Unknown, match="no chain 'c'"):
        Deployment(lineages.path, "c", None, tmp_path, redis=redis_url).open()


def test_deployments_share_a_server_by_prefix(redis_url: str) -> None:
    a, b = RedisStore(redis_url, prefix="one*"), RedisStore(redis_url, prefix="one*more")
    b.add([addition("ann")])
    assert not a.holds("ann")
    assert b.holds("ann")
    assert b.forget("ann")
    a.close()
    b.close()
