"""The worker: each message has its effect once, wherever it is stopped, and vectors are those of batch inference."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.user_features.listeners import NOW, log_of, tables
from tests.serving.test_user_encoder import USERS, encoder_of
from urep_jax.core.types import SECONDS_PER_DAY, Feedback
from urep_jax.serving.online.keep import Keep
from urep_jax.serving.online.messages import Event, Forget, Onboarding, Profile, Told, message_of
from urep_jax.serving.online.parts import RECORD, Addition, Message, StoredVector
from urep_jax.serving.online.receipts import give
from urep_jax.serving.online.sqlite_store import SqliteStore
from urep_jax.serving.online.sqlite_stream import SqliteStream
from urep_jax.serving.online.states import StateEncoder
from urep_jax.serving.online.worker import WorkerConfig, fill, step
from urep_jax.serving.user_encoder import UserEncoder

CFG = WorkerConfig(most=64, wait=0.0)
NONE = np.zeros(0, RECORD)


@pytest.fixture(scope="module")
def encoder() -> UserEncoder:
    return encoder_of()


@pytest.fixture
def encoders(encoder: UserEncoder) -> dict[str, StateEncoder]:
    return {encoder.space.id: StateEncoder(encoder)}


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[SqliteStream]:
    found = SqliteStream(tmp_path / "parts", 4)
    yield found
    found.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    found = SqliteStore(tmp_path / "parts")
    yield found
    found.close()


def told_of_all() -> list[Told]:
    """All that the listeners' log and tables tell, as messages."""
    log, beside = log_of(0), tables(0)
    found: list[Told] = []
    for user in USERS:
        for e in range(log.offsets[user], log.offsets[user + 1]):
            ratio = float(log.played_ratio[e])
            found.append(
                Event(
                    event_id=f"event {e}",
                    user_id=f"user {user}",
                    item_id=log.item_ids[int(log.item[e])].as_py(),
                    timestamp=int(log.timestamp[e]),
                    feedback=Feedback(int(log.feedback[e])).word,
                    device=None if log.device[e] < 0 else log.device_ids[int(log.device[e])].as_py(),
                    played_ratio=None if np.isnan(ratio) else ratio,
                )
            )
    for row in beside["users"].to_pylist():
        words = {name: row[name] for name in ("country", "plan") if row[name] is not None}
        registered = row["registered_at"]
        found.append(
            Profile(user_id=row["user_id"], told_at=0, categories=words, age=row["age"], registered_at=registered)
        )
    for row in beside["onboarding"].to_pylist():
        if row["timestamp"] is not None:
            picked = {name: row[name] or [] for name in ("artists", "languages")}
            found.append(Onboarding(user_id=row["user_id"], answered_at=row["timestamp"], **picked))
    return found


def expected(encoder: UserEncoder, as_of: np.ndarray) -> np.ndarray:
    return encoder.encode(encoder.features.read(log_of(0), tables(0)), USERS, as_of).values


def stored(store: SqliteStore, encoder: UserEncoder) -> list[StoredVector | None]:
    return store.vectors([f"user {u}" for u in USERS], encoder.space.id)


def run_dry(stream: SqliteStream, store: SqliteStore, encoders: dict[str, StateEncoder]) -> int:
    rounds = 0
    while step(stream, store, encoders, CFG, clock=lambda: 1.0).messages:
        rounds += 1
    return rounds


def check_all(store: SqliteStore, encoder: UserEncoder) -> None:
    """Everybody's vector is what batch inference gives at its moment, which is the first that knows everything."""
    found = stored(store, encoder)
    # Nothing at all was told of the first of those who are in no table, and have no event.
    there = np.array([vector is not None for vector in found])
    assert there.sum() >= len(USERS) - 2
    as_of = np.array([0 if vector is None else vector.as_of for vector in found])
    values = np.stack([np.zeros(6, np.float32) if vector is None else vector.values for vector in found])
    np.testing.assert_allclose(values[there], expected(encoder, as_of)[there], atol=1e-5)
    log = log_of(0)
    for user in USERS[there]:
        last = log.timestamp[log.offsets[user] : log.offsets[user + 1]]
        assert as_of[user] >= (int(last[-1]) + 1 if len(last) else -(1 << 40))


@pytest.mark.parametrize("seed", [0, 1])
def test_in_any_order_and_told_twice_vectors_are_those_of_the_log(
    stream: SqliteStream, store: SqliteStore, encoder: UserEncoder, encoders: dict[str, StateEncoder], seed: int
) -> None:
    told = told_of_all()
    rng = np.random.default_rng(seed)
    order = rng.permutation(np.concatenate([np.arange(len(told)), rng.integers(0, len(told), 200)]))
    for part in np.array_split(order, 7):
        stream.append([message_of(told[place]) for place in part], NOW)
        assert run_dry(stream, store, encoders)
    check_all(store, encoder)
    assert stream.lag().waiting == 0
    assert stream.lag().dead == 0


OLD = [Event(user_id="user 2", item_id="item 3", timestamp=-place * 86_400, feedback="play") for place in range(40)]
"""Of before all windows of whoever listens in the log."""


class Crash(Exception):
    """Stands for a worker that is killed."""


class Dying:
    """Passes all on, and dies before or after the call of a number."""

    def __init__(self, inner: Any, dies: Iterator[bool], names: tuple[str, ...]) -> None:
        self._inner, self._dies, self._names = inner, dies, names

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)
        if name not in self._names:
            return call

        def passed(*arguments: Any, **named: Any) -> Any:
            if next(self._dies):
                raise Crash
            found = call(*arguments, **named)
            if next(self._dies):
                raise Crash
            return found

        return passed


def test_a_worker_may_die_between_any_two_writes(
    tmp_path: Path, encoder: UserEncoder, encoders: dict[str, StateEncoder]
) -> None:
    told = told_of_all()
    deaths = 0
    for moment in itertools.count():
        folder = tmp_path / str(moment)
        stream, store = SqliteStream(folder, 2), SqliteStore(folder)
        stream.append([message_of(one) for one in told[::3]], NOW)
        stream.append([message_of(one) for one in OLD], NOW)
        stream.append([Message("user 1", b"no JSON")], NOW)
        dies = (place == moment for place in itertools.count())
        dying = Dying(stream, dies, ("done", "bury")), Dying(store, dies, ("add", "write", "trim"))
        try:
            step(*dying, encoders, WorkerConfig(most=10_000, wait=0.0, keep=Keep(days=0, events=1)))
            died = False
        except Crash:
            died = True
        stream.close()
        store.close()
        deaths += died
        stream, store = SqliteStream(folder, 2), SqliteStore(folder)
        stream.append([message_of(one) for place, one in enumerate(told) if place % 3], NOW)
        run_dry(stream, store, encoders)
        check_all(store, encoder)
        assert (stream.lag().waiting, stream.lag().dead) == (0, 1)
        stream.close()
        store.close()
        if not died:
            break
    assert deaths == 10, "before and after each of five writes"


def test_events_of_one_user_are_one_encoding(
    stream: SqliteStream, store: SqliteStore, encoder: UserEncoder, encoders: dict[str, StateEncoder]
) -> None:
    events = [Event(user_id="a", item_id="item 3", timestamp=time, feedback="play") for time in range(50)]
    stream.append([message_of(one) for one in events], 100.0)
    done = step(stream, store, encoders, CFG, clock=lambda: 107.0)
    assert (done.messages, done.users) == (50, 1)
    assert done.waited == (7.0,) * 50
    (vector,) = store.vectors(["a"], encoder.space.id)
    assert vector is not None
    assert (vector.as_of, vector.events, vector.computed_at) == (50, 50, 107.0)
    assert step(stream, store, encoders, CFG).messages == 0


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (Message("a", b"{"), "it can't be read"),
        (Message("a", b'{"kind":"event","user_id":"a"}'), "it can't be read.*missing required field `item_id`"),
        (Message("a", b'{"kind":"order","user_id":"a"}'), "it can't be read"),
        (
            message_of(Event(user_id="a", item_id="i", timestamp=200_000, feedback="play")),
            "its timestamp is 200000, too far",
        ),
        (message_of(Onboarding(user_id="a", answered_at=200_000)), "its answered_at is 200000, too far"),
        (message_of(Profile(user_id="a", told_at=200_000)), "its told_at is 200000, too far"),
        (message_of(Profile(user_id="a", told_at=5, registered_at=200_000)), "its registered_at is 200000, too far"),
        (
            message_of(Event(user_id="b", item_id="i", timestamp=5, feedback="play"))._replace(user_id="a"),
            "another user",
        ),
    ],
)
def test_what_cannot_be_used_is_put_aside_with_the_reason(
    stream: SqliteStream, store: SqliteStore, encoders: dict[str, StateEncoder], message: Message, reason: str
) -> None:
    good = message_of(Event(user_id="a", item_id="item 3", timestamp=5, feedback="play"))
    stream.append([message, good], 100.0)
    done = step(stream, store, encoders, CFG)
    assert (done.messages, done.users, done.dead) == (2, 1, 1)
    (dead,) = stream.dead(10)
    assert dead.message == message
    assert re.search(reason, dead.reason)
    assert stream.lag().waiting == 0


def test_batch_and_stream_merge_by_the_moment_that_they_are_about(
    stream: SqliteStream, store: SqliteStore, encoder: UserEncoder, encoders: dict[str, StateEncoder]
) -> None:
    def event(time: int) -> Message:
        return message_of(Event(user_id="a", item_id="item 3", timestamp=time, feedback="play"))

    def batch(as_of: int) -> int:
        return store.write([StoredVector("a", encoder.space.id, as_of, 0, 9, 5.0, np.full(6, 7, np.float32))])

    def now() -> StoredVector:
        (found,) = store.vectors(["a"], encoder.space.id)
        assert found is not None
        return found

    stream.append([event(100)], 1000.0)
    step(stream, store, encoders, CFG)
    assert (now().as_of, now().events) == (101, 1)
    assert batch(90) == 0, "it was begun before the event"
    assert batch(101) == 0, "of one moment, what was streamed has seen the event"
    assert batch(500) == 1
    assert now().values.tolist() == [7] * 6
    # A late event is told of the moment that the batch was about.
    stream.append([event(50)], 1000.0)
    step(stream, store, encoders, CFG)
    assert (now().as_of, now().events) == (500, 2)
    alone = {"item_id": ["item 3", "item 3"], "feedback": ["play"] * 2, "timestamp": [50, 100]}
    np.testing.assert_allclose(now().values, encoder.encode_user(alone, time=500).values[0], atol=1e-5)


def test_the_forgotten_leave_nothing_and_may_come_again(
    stream: SqliteStream, store: SqliteStore, encoder: UserEncoder, encoders: dict[str, StateEncoder]
) -> None:
    def event(user_id: str, time: int) -> Message:
        return message_of(Event(user_id=user_id, item_id="item 3", timestamp=time, feedback="play"))

    stream.append([event("ann", 1), event("bob", 2), Message("ann", b"no JSON")], 100.0)
    step(stream, store, encoders, CFG)
    assert store.holds("ann")
    stream.append([event("ann", 3), message_of(Forget(user_id="ann", receipt="r"))], 100.0)
    done = step(stream, store, encoders, CFG)
    assert (done.forgotten, done.users) == ({"r": True}, 0)
    assert give(stream, store, done.forgotten, 1.0)
    assert not store.holds("ann")
    assert stream.dead(10) == []
    assert store.vectors(["ann"], encoder.space.id) == [None]
    assert store.users() == ["bob"]
    stream.append([message_of(Forget(user_id="ann", receipt="s")), event("ann", 9)], 100.0)
    step(stream, store, encoders, CFG)
    (again,) = store.vectors(["ann"], encoder.space.id)
    assert again is not None
    assert again.events == 1


def test_a_new_space_is_filled_and_goes_on_after_a_stop(
    stream: SqliteStream, store: SqliteStore, encoder: UserEncoder, encoders: dict[str, StateEncoder]
) -> None:
    stream.append([message_of(one) for one in told_of_all()], NOW)
    run_dry(stream, store, encoders)
    known = len(store.users())
    other = encoder_of(1)
    portions = fill(store, other.space.id, StateEncoder(other), portion=5)
    assert next(portions) == 5
    assert store.count(other.space.id) == 5
    assert sum(fill(store, other.space.id, StateEncoder(other), portion=5)) == known - 5
    assert store.count(other.space.id) == known
    check_all(store, other)
    assert sum(fill(store, other.space.id, StateEncoder(other))) == 0
    assert store.add([Addition("user 3", NONE)])[0].revision > 0


def test_a_month_later_the_onboarding_has_faded(
    stream: SqliteStream, store: SqliteStore, encoders: dict[str, StateEncoder], encoder: UserEncoder
) -> None:
    answered = Onboarding(user_id="a", answered_at=0, artists=["artist 1"], languages=["de"])
    later = 401 * SECONDS_PER_DAY
    event = Event(user_id="a", item_id="item 3", timestamp=later, feedback="play")
    stream.append([message_of(answered), message_of(event)], later)
    step(stream, store, encoders, CFG)
    (found,) = store.vectors(["a"], encoder.space.id)
    assert found is not None
    heard = {"item_id": ["item 3"], "feedback": ["play"], "timestamp": [later]}
    without = encoder.encode_user(heard, time=later + 1).values[0]
    np.testing.assert_allclose(found.values, without, atol=1e-5)


@pytest.mark.parametrize(("wrong", "told"), [({"most": 0}, "most is 0"), ({"wait": -1.0}, "wait is -1.0")])
def test_knobs_out_of_range_are_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        WorkerConfig(**wrong)
