"""Neighbours of users: nobody waits for the vectors of all users to be read, but who asks first."""

import contextlib
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tests.serving.online.chain import until
from urep_jax.serving.http.backend import NotReady
from urep_jax.serving.online import near
from urep_jax.serving.online.near import UserIndex
from urep_jax.serving.online.parts import StoreAway, StoredVector
from urep_jax.serving.online.sqlite_store import SqliteStore


def vector(user_id: str, values: np.ndarray, space_id: str = "users-a") -> StoredVector:
    return StoredVector(user_id, space_id, 1, 1, 1, 0.0, values.astype(np.float32))


ANN = vector("ann", np.array([1.0, 0.0]))


class Vectors(SqliteStore):
    """A store of which neighbours need one method only; who reads all vectors can be held up, or fail."""

    def __init__(self) -> None:
        self.there = [ANN, vector("bob", np.array([1.0, 1.0]))]
        self.may = threading.Event()
        self.may.set()
        self.reads = 0
        self.meanwhile: Callable[[], None] = lambda: None

    def scan(self, space_id: str, portion: int = 4096) -> Iterator[list[StoredVector]]:
        self.reads += 1
        found = [one for one in self.there if one.space_id == space_id]
        if found:
            yield found
        assert self.may.wait(20)
        self.meanwhile()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store() -> Vectors:
    return Vectors()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def index(store: Vectors, clock: Clock) -> Iterator[UserIndex]:
    with contextlib.closing(UserIndex(store, clock)) as found:
        yield found
        store.may.set()


def ids(index: UserIndex, own: StoredVector = ANN) -> list[str]:
    return [user_id for user_id, _ in index.nearest(own, 10)]


def still(index: UserIndex) -> None:
    """Wait until nothing is being read."""
    until(lambda: index._thread is None)


def test_who_asks_meanwhile_is_answered_from_before(index: UserIndex, store: Vectors, clock: Clock) -> None:
    assert ids(index) == ["bob"]
    store.there.append(vector("cy", np.array([0.0, 1.0])))
    store.may.clear()
    clock.now += 10
    for _ in range(5):
        assert ids(index) == ["bob"]
    assert store.reads == 2
    store.may.set()
    still(index)
    assert ids(index) == ["bob", "cy"]
    assert store.reads == 2


def test_who_asks_first_waits_for_a_moment_only(
    store: Vectors, index: UserIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.may.clear()
    monkeypatch.setattr(near, "_PATIENCE", 0.0)
    with pytest.raises(NotReady, match="all users' vectors are being read for the first time"):
        ids(index)
    monkeypatch.setattr(near, "_PATIENCE", 20.0)
    threading.Timer(0.05, store.may.set).start()
    assert ids(index) == ["bob"]
    assert store.reads == 1


def test_the_longer_it_takes_the_rarer_it_is_done(index: UserIndex, store: Vectors, clock: Clock) -> None:
    """A tenth of the time: what took 30 s is done again 270 s after its end."""

    def takes() -> None:
        clock.now += 30

    ids(index)
    clock.now += 10
    store.meanwhile = takes
    ids(index)
    still(index)
    ended = clock.now
    for seconds in (10, 269, 269.9):
        clock.now = ended + seconds
        ids(index)
        still(index)
        assert store.reads == 2, seconds
    clock.now = ended + 270.1
    ids(index)
    still(index)
    assert store.reads == 3


def test_after_a_silence_what_is_there_now_is_told(index: UserIndex, store: Vectors, clock: Clock) -> None:
    assert ids(index) == ["bob"]
    store.there.append(vector("cy", np.array([0.0, 1.0])))
    clock.now += 3600
    assert ids(index) == ["bob", "cy"]


def test_neighbours_are_of_the_space_of_who_is_asked_about(index: UserIndex, store: Vectors) -> None:
    assert ids(index) == ["bob"]
    store.there += [vector(name, np.array([1.0, 1.0, 1.0]), "users-b") for name in ("ann", "dan")]
    assert ids(index, store.there[2]) == ["dan"]


def test_what_fails_is_told_where_there_is_nothing_from_before(
    index: UserIndex, store: Vectors, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    def away() -> None:
        raise StoreAway("ann's host is down")

    store.meanwhile = away
    with pytest.raises(StoreAway):
        ids(index)
    store.meanwhile = lambda: None
    assert ids(index) == ["bob"]
    store.meanwhile = away
    clock.now += 10
    for _ in range(3):
        assert ids(index) == ["bob"]
        still(index)
    assert store.reads == 3, "a store that is away is left alone for a while"
    assert "StoreAway" in caplog.text
    assert "ann" not in caplog.text


def test_who_is_forgotten_while_all_are_read_is_never_told(index: UserIndex, store: Vectors, clock: Clock) -> None:
    store.there.append(vector("cy", np.array([0.0, 1.0])))
    assert ids(index) == ["bob", "cy"]

    def forget() -> None:
        index.forget("cy")

    store.meanwhile = forget
    clock.now += 10
    ids(index)
    still(index)
    store.meanwhile = lambda: None
    assert ids(index) == ["bob"], "who was read before being forgotten is there, but isn't told"
    clock.now += 10
    ids(index)
    still(index)
    assert ids(index) == ["bob", "cy"], "there is a new vector"


def test_an_index_finds_whom_looking_at_all_finds(
    index: UserIndex, store: Vectors, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(0).normal(size=(300, 8))
    store.there = [vector(str(number), one) for number, one in enumerate(values)]
    exact = [index.nearest(one, 5) for one in store.there[:50]]
    monkeypatch.setattr(near, "_EXACT", 100)
    monkeypatch.setattr(near, "_PORTION", 64)
    clock.now += 3600
    found = [index.nearest(one, 5) for one in store.there[:50]]
    assert index._built is not None
    assert index._built.index.ntotal == 300
    same = [len({a for a, _ in one} & {b for b, _ in other}) for one, other in zip(exact, found, strict=True)]
    assert sum(same) > 0.95 * 5 * 50


def test_whoever_closes_waits_for_no_end(store: Vectors, index: UserIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "_PATIENCE", 0.0)
    portions: list[None] = []

    def endless(space_id: str) -> Iterator[list[StoredVector]]:
        while True:
            portions.append(None)
            yield store.there

    monkeypatch.setattr(store, "scan", endless)
    with pytest.raises(NotReady):
        ids(index)
    index.close()
    assert portions
    with pytest.raises(NotReady):
        ids(index)
