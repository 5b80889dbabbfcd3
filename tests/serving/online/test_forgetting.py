"""A user who is to be forgotten is, whoever dies or stands still meanwhile, and only then is it told."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.serving.online.chain import until
from tests.serving.online.opened import Place
from tests.serving.online.test_worker import Crash, Dying
from urep_jax.serving.online import redis_stream
from urep_jax.serving.online import work as works
from urep_jax.serving.online.deployment import Deployment
from urep_jax.serving.online.messages import Event, Forget, Profile, message_of
from urep_jax.serving.online.parts import (
    RECORD,
    Addition,
    Delivery,
    Message,
    Store,
    StoreAway,
    StoredVector,
    Stream,
    UserState,
)
from urep_jax.serving.online.receipts import collect, give, new_receipt
from urep_jax.serving.online.sqlite_store import SqliteStore
from urep_jax.serving.online.sqlite_stream import SqliteStream
from urep_jax.serving.online.states import StateEncoder
from urep_jax.serving.online.worker import Step, WorkerConfig, fill, step

CFG = WorkerConfig(most=64, wait=0.0)
NONE = np.zeros(0, RECORD)
NOW = 10_000


class Counts(StateEncoder):
    """Stands for an encoder: z_u is how many events there are. Something may happen while it encodes."""

    reach = 1 << 40

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        object.__setattr__(self, "meanwhile", meanwhile)  # The class that it stands for is frozen.

    def encode(self, states: Sequence[UserState], time: np.ndarray) -> np.ndarray:
        self.meanwhile()
        return np.array([[len(state.records)] * 2 for state in states], np.float32)

    def events(self, states: Sequence[UserState], time: np.ndarray) -> list[int]:
        return [len(state.records) for state in states]


def event(user_id: str, timestamp: int) -> Message:
    return message_of(Event(user_id=user_id, item_id="track", timestamp=timestamp, feedback="play"))


def forget(user_id: str, receipt: str) -> Message:
    return message_of(Forget(user_id=user_id, receipt=receipt))


def known(store: Store, user_id: str) -> list[int]:
    """Times of the events that are known."""
    (state,) = store.add([Addition(user_id, NONE)])
    return state.records["time"].tolist()


def files_with(place: Place, text: bytes) -> list[str]:
    if place.kind != "sqlite":
        return []
    return [path.name for path in Path(place.at).rglob("*") if path.is_file() and text in path.read_bytes()]


def gone(place: Place, store: Store, user_id: str) -> bool:
    return not store.holds(user_id) and not files_with(place, user_id.encode())


@pytest.mark.parametrize("comes_again", [False, True])
def test_a_worker_may_die_between_any_two_writes_of_forgetting(place: Place, comes_again: bool) -> None:
    """Nothing is left of the forgotten, dead messages neither; what was told after it, and of others, is there."""
    encoders: dict[str, Any] = {"users-aa": Counts()}
    writes = ("done", "bury", "forget", "scrub"), ("add", "write", "trim", "forget", "scrub", "note")
    deaths = 0
    for moment in itertools.count():
        here = (
            place._replace(at=f"{place.at}/{moment}")
            if place.kind == "sqlite"
            else place._replace(prefix=f"{moment}{place.prefix}")
        )
        stream, store = here.stream(2), here.store()
        stream.append([event("user-ann", 1), event("bob", 1), Message("user-ann", b"no JSON")], NOW)
        step(stream, store, encoders, CFG)
        told = [event("user-ann", 2), Message("user-ann", b"{"), Message("bob", b'{"of": "user-ann"}')]
        stream.append([*told, forget("user-ann", "forgotten/1"), event("bob", 2)], NOW)
        if comes_again:
            stream.append([event("user-ann", 3)], NOW)
        dies = (place == moment for place in itertools.count())
        dying = Dying(stream, dies, writes[0]), Dying(store, dies, writes[1])
        died = False
        try:
            give(*dying, step(*dying, encoders, CFG).forgotten, NOW)
        except Crash:
            died = True
        stream.close()
        store.close()
        deaths += died
        stream, store = here.stream(2), here.store()
        # As `work` begins and goes on.
        assert give(stream, store, {}, NOW)
        while (done := step(stream, store, encoders, CFG)).messages:
            assert give(stream, store, done.forgotten, NOW)
        assert stream.lag().waiting == 0
        assert known(store, "bob") == [1, 2]
        assert [one.message.user_id for one in stream.dead(9)] == []
        assert known(store, "user-ann") == [3] * comes_again
        (vector,) = store.vectors(["user-ann"], "users-aa")
        assert (vector.values.tolist() if vector else None) == ([1, 1] if comes_again else None)
        assert comes_again or gone(here, store, "user-ann")
        # Who was told nothing asks again.
        if collect(store, "forgotten/1") is None:
            assert died
            stream.append([forget("user-ann", "forgotten/2")], NOW)
            assert give(stream, store, step(stream, store, encoders, CFG).forgotten, NOW)
            assert collect(store, "forgotten/2") is comes_again
        assert store.notes("") == {}
        stream.close()
        store.close()
        if not died:
            break
    # Before and after each: of the store, to forget, to add, the vectors, to scrub and the receipt; of the stream, to
    # bury, to forget, to be done and to scrub.
    assert deaths == 2 * 9


@pytest.mark.parametrize("comes_again", [False, True])
def test_who_is_forgotten_while_a_space_is_filled_has_no_vector_there(place: Place, comes_again: bool) -> None:
    """One worker fills, and another forgets meanwhile; a third one, who comes again, has the vector of what is new."""
    store, other = place.store(), place.store()
    stream = place.stream(2)

    def work(*messages: Message) -> None:
        stream.append(messages, NOW)
        assert give(stream, other, step(stream, other, {"users-bb": Counts()}, CFG).forgotten, NOW)

    def meanwhile() -> None:
        work(forget("user-cy", "forgotten/1"), *([event("user-cy", 9)] if comes_again else []))

    work(event("bob", 5), event("user-cy", 5), event("user-cy", 6))
    filling = fill(store, "users-cc", Counts(meanwhile), portion=8)
    next(filling)
    assert store.vectors(["user-cy"], "users-cc") == [None]
    assert store.count("users-cc") == 1
    assert list(filling) == []
    if comes_again:
        assert sum(fill(store, "users-cc", Counts())) == 1
        (vector,) = store.vectors(["user-cy"], "users-cc")
        assert vector is not None
        assert (vector.as_of, vector.values.tolist()) == (10, [1, 1])
    else:
        assert store.scrub()
        assert gone(place, store, "user-cy")
    for part in (stream, store, other):
        part.close()


def test_who_was_forgotten_while_states_are_read_is_not_encoded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the user comes again before the vector is written: nothing that is known would be in it."""
    store = place.store()
    store.add([Addition("ann", np.zeros(1, RECORD))])
    users = store.users

    def forgotten_meanwhile(after: str, most: int) -> list[str]:
        found = users(after, most)
        store.forget("ann")
        return found

    monkeypatch.setattr(store, "users", forgotten_meanwhile)
    comes_again = Counts(lambda: store.add([Addition("ann", np.ones(1, RECORD))]))
    assert list(fill(store, "users-cc", comes_again)) == [0]
    assert store.vectors(["ann"], "users-cc") == [None]
    store.close()


def test_no_note_of_filling_tells_of_a_user(place: Place) -> None:
    store = place.store()
    store.add([Addition(f"user {number}", np.zeros(1, RECORD)) for number in range(9)])
    filling = fill(store, "users-cc", Counts(), portion=2)
    assert [next(filling), next(filling)] == [2, 2]
    assert store.notes("") == {}
    filling = fill(store, "users-cc", Counts(), portion=2)
    assert list(filling) == [0, 0, 2, 2, 1], "it goes on where it was"
    (state,) = store.add([Addition("user 3", np.ones(1, RECORD))])
    store.write([StoredVector("user 5", "users-cc", 1 << 30, 0, 1, 1.0, np.ones(2, np.float32))])
    assert list(fill(store, "users-cc", Counts(), portion=20)) == [2], "what knows less is made anew"
    (vector,) = store.vectors(["user 3"], "users-cc")
    assert vector is not None
    assert vector.revision == state.revision
    store.close()


def test_what_is_told_after_it_was_accepted_stays(place: Place) -> None:
    """Even if it was accepted before the user was forgotten: who tells it again need not wait."""
    stream, store = place.stream(2), place.store()
    stream.append([event("ann", 1), forget("ann", "forgotten/1")], NOW)
    (first, second) = taken = stream.take(9, 5.0)
    stream.append([event("ann", 2), message_of(Profile(user_id="ann", told_at=3, age=40))], NOW)
    stream.close()
    stream = place.stream(2)
    assert [one.message for one in (first, second)] == [one.message for one in taken]
    done = step(stream, store, {}, WorkerConfig(most=2, wait=5.0))
    assert (done.messages, done.forgotten) == (2, {"forgotten/1": True})
    assert known(store, "ann") == []
    assert step(stream, store, {}, CFG).users == 1
    assert known(store, "ann") == [2]
    stream.close()
    store.close()


def stalled(stream: Stream, go_on: threading.Event) -> Callable[[int, float], list[Delivery]]:
    """`take` of a worker that stands still, as a whole, once it has taken something."""
    take = stream.take

    def taken(most: int, wait: float) -> list[Delivery]:
        found = take(most, wait)
        stream._closed.set()  # No beat any more.
        assert go_on.wait(30.0)
        return found

    return taken


@pytest.mark.parametrize("told", ["an event", "to forget"])
def test_a_worker_that_stood_still_changes_nothing(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: str
) -> None:
    """Neither what it took comes back after the user was forgotten, nor is a user forgotten again who came again."""
    monkeypatch.setattr(redis_stream, "_LEASE_MS", 300)
    place = Place("redis", redis_url, f"still {told}")
    first, second, store = place.stream(2), place.stream(2), place.store()
    first.append([event("ann", 1) if told == "an event" else forget("ann", "forgotten/1")], NOW)
    first.take(0, 0.0)
    go_on, failed = threading.Event(), []
    monkeypatch.setattr(first, "take", stalled(first, go_on))

    def work() -> None:
        try:
            step(first, store, {"users-aa": Counts()}, WorkerConfig(wait=5.0))
        except StoreAway as error:
            failed.append(str(error))

    still = threading.Thread(target=work)
    still.start()
    second.append([forget("ann", "forgotten/2")], NOW)
    if told == "to forget":
        second.append([event("ann", 7)], NOW)
    owed: dict[str, bool] = {}

    def others() -> bool:
        owed.update(step(second, store, {"users-aa": Counts()}, CFG).forgotten)
        return "forgotten/2" in owed and second.lag().waiting == 0

    until(others)
    go_on.set()
    still.join()
    assert [one[:60] for one in failed] == ["this worker stood still for so long that others took its par"]
    if told == "an event":
        assert gone(place, store, "ann")
    else:
        assert known(store, "ann") == [7]
    second.close()
    store.close()
    first._server.close()


def test_receipts_that_nobody_came_for_go(place: Place) -> None:
    stream, store = place.stream(2), place.store()
    old, new = new_receipt(), new_receipt()
    assert old != new
    store.note("log/1", "stored")
    assert give(stream, store, {old: True}, 1000.0)
    assert give(stream, store, {new: False}, 1059.0)
    assert store.notes("forgotten/").keys() == {old, new}
    assert give(stream, store, {}, 1061.0)
    assert store.notes("").keys() == {"log/1", new}
    assert collect(store, old) is None
    assert collect(store, new) is False
    assert collect(store, new) is None
    assert store.notes("") == {"log/1": "stored"}
    stream.close()
    store.close()


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Of files, and of no chain."""
    monkeypatch.setattr(works.Spaces, "look", lambda spaces: spaces.encoders.update({"users-aa": Counts()}))
    monkeypatch.setattr(works, "fill", lambda *_: iter(()))
    return Deployment(tmp_path / "none", "none", None, tmp_path / "parts", partitions=2)


@pytest.fixture
def opened(deployment: Deployment) -> Iterator[tuple[Stream, Store]]:
    stream, store = deployment.open()
    yield stream, store
    stream.close()
    store.close()


@pytest.mark.parametrize("which", [SqliteStore, SqliteStream])
def test_a_worker_goes_on_while_somebody_reads_for_long(
    deployment: Deployment, opened: tuple[SqliteStream, SqliteStore], which: type
) -> None:
    """The receipt is given once no byte is left, and everything else is done meanwhile."""
    stream, store = opened
    stop = threading.Event()
    worker = threading.Thread(target=works.work, args=(deployment, 0, WorkerConfig(wait=0.01), stop))
    worker.start()
    stream.append([event("user-ann", 1)], time.time())
    until(lambda: known(store, "user-ann"))
    (read,) = (part for part in opened if isinstance(part, which))
    with read._database.reading() as connection:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        stream.append([forget("user-ann", "forgotten/1")], time.time())
        until(lambda: not known(store, "user-ann"))
        stream.append([event("bob", 1)], time.time())
        until(lambda: known(store, "bob"))
        time.sleep(1.5)
        assert store.note("forgotten/1") is None
        assert worker.is_alive()
    until(lambda: store.note("forgotten/1"))
    assert collect(store, "forgotten/1") is True
    assert gone(Place("sqlite", str(deployment.folder)), store, "user-ann")
    stop.set()
    worker.join()


def test_a_worker_begins_with_what_one_before_it_left_in_the_logs(
    deployment: Deployment, opened: tuple[SqliteStream, SqliteStore]
) -> None:
    _, store = opened
    store.add([Addition("user-ann", np.zeros(1, RECORD))])
    store.forget("user-ann")
    place = Place("sqlite", str(deployment.folder))
    assert files_with(place, b"user-ann") == ["online.sqlite-wal"]
    stop = threading.Event()
    worker = threading.Thread(target=works.work, args=(deployment, 1, WorkerConfig(wait=0.01), stop))
    worker.start()
    until(lambda: not files_with(place, b"user-ann"))
    stop.set()
    worker.join()


@pytest.mark.parametrize(("number", "tidies"), [(0, True), (1, False)])
def test_one_worker_writes_files_anew_when_there_is_nothing_else_to_do(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, number: int, tidies: bool
) -> None:
    told: list[str] = []
    messages = [1] * 5

    def step(*_: object) -> Any:
        told.append("works" if messages else "rests")
        if len(told) > 20:
            stop.set()
        return works_step._replace(messages=messages.pop() if messages else 0)

    works_step = Step()
    stop = threading.Event()
    monkeypatch.setattr(works, "step", step)
    monkeypatch.setattr(works, "_TIDY", 0.0)
    monkeypatch.setattr(SqliteStore, "write_anew", lambda _: told.append("store"))
    monkeypatch.setattr(SqliteStream, "write_anew", lambda _: told.append("stream"))
    works.work(deployment, number, WorkerConfig(wait=0.0), stop)
    assert told[:6] == ["works"] * 5 + ["rests"]
    assert told[6:8] == (["stream", "store"] if tidies else ["rests"] * 2)
