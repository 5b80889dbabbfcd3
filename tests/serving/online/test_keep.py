"""What a worker removes of what is known changes no vector, whatever comes, and it removes nearly all that it may."""

import itertools
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving.online.opened import Place
from tests.serving.test_user_encoder import encoder_of
from urep_jax.core.types import SECONDS_PER_DAY
from urep_jax.serving.online import keep as keeping
from urep_jax.serving.online.keep import Keep
from urep_jax.serving.online.messages import Event, Onboarding, Told, message_of, records_of
from urep_jax.serving.online.models import Models
from urep_jax.serving.online.parts import RECORD, Addition, Claim, Store, StoredVector, Stream, UserState
from urep_jax.serving.online.portrait import portrait
from urep_jax.serving.online.states import StateEncoder
from urep_jax.serving.online.worker import WorkerConfig, step
from urep_jax.serving.user_encoder import UserEncoder

REACH = 182 * SECONDS_PER_DAY
FAR_AHEAD = 10_000 * SECONDS_PER_DAY
NONE = np.zeros(0, RECORD)
BARELY = Keep(days=0, events=1)


class Parts(NamedTuple):
    stream: Stream
    store: Store
    encoder: UserEncoder
    keep: Keep

    def __repr__(self) -> str:
        return "parts"

    def tell(self, told: Sequence[Told]) -> None:
        """Told, and worked on until nothing waits."""
        self.stream.append([message_of(one) for one in told], FAR_AHEAD)
        encoders = {self.encoder.space.id: StateEncoder(self.encoder)}
        while step(self.stream, self.store, encoders, WorkerConfig(most=16, wait=0.0, keep=self.keep)).messages:
            pass

    def state(self, user_id: str) -> UserState:
        (found,) = self.store.add([Addition(user_id, NONE)])
        return found

    def vector(self, user_id: str) -> StoredVector:
        (found,) = self.store.vectors([user_id], self.encoder.space.id)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def encoder() -> UserEncoder:
    return encoder_of()


@pytest.fixture
def parts(place: Place, encoder: UserEncoder) -> Iterator[Parts]:
    found = Parts(place.stream(), place.store(), encoder, BARELY)
    yield found
    found.stream.close()
    found.store.close()


def plays(user_id: str, times: Sequence[int]) -> list[Event]:
    return [
        Event(user_id=user_id, item_id=f"item {time // 3600 % 11}", timestamp=time, feedback="play", event_id=str(time))
        for time in times
    ]


def counted(events: Sequence[Event]) -> list[Event]:
    """Of several events with one id that which counts: the latest, of those of one second the one of least bytes."""
    by_id: dict[str | None, tuple[int, bytes, Event]] = {}
    for one in events:
        rank = (-one.timestamp, records_of([one]).tobytes(), one)
        if one.event_id not in by_id or rank[:2] < by_id[one.event_id][:2]:
            by_id[one.event_id] = rank
    return sorted((one for *_, one in by_id.values()), key=lambda one: one.timestamp)


def batch(encoder: UserEncoder, events: Sequence[Event], answers: Onboarding | None, time: int) -> np.ndarray:
    """z_u from the whole log."""
    names = ("item_id", "timestamp", "feedback", "played_ratio", "device")
    columns = {name: [getattr(one, name) for one in counted(events)] for name in names}
    profile = None
    if answers is not None:
        profile = {"answered_at": answers.answered_at, "artists": answers.artists, "languages": answers.languages}
    return encoder.encode_user(columns, profile, time=time).values[0]


EVENT = st.builds(
    dict,
    # Several years, so that most is out of all windows; half of them to the second where a window begins.
    timestamp=st.one_of(
        st.integers(0, 3000 * SECONDS_PER_DAY),
        st.tuples(st.integers(0, 4), st.integers(-1, 1)).map(lambda one: 299_999_999 + one[0] * REACH + one[1]),
    ),
    item_id=st.integers(0, 13).map(lambda number: f"item {number}"),
    feedback=st.sampled_from(["play", "up", "down", "skip"]),
    played_ratio=st.one_of(st.none(), st.sampled_from([0.0, 0.25, 1.0])),
    device=st.sampled_from([None, "phone", "desktop", "fridge"]),
    # Now and then an id stands for two events, years apart or not.
    event_id=st.integers(0, 60).map(str),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    events=st.lists(EVENT, min_size=1, max_size=40),
    again=st.lists(st.integers(0, 39), max_size=20),
    in_order=st.booleans(),
    answered=st.one_of(st.none(), st.integers(0, 3000 * SECONDS_PER_DAY)),
    cuts=st.lists(st.integers(0, 60), max_size=8),
)
def test_vectors_of_a_stream_are_those_of_the_whole_log(
    parts: Parts,
    monkeypatch: pytest.MonkeyPatch,
    events: list[dict[str, Any]],
    again: list[int],
    in_order: bool,
    answered: int | None,
    cuts: list[int],
) -> None:
    """After each portion, in whatever order and how often events come: all that may go is removed at once here."""
    monkeypatch.setattr(keeping, "wasteful", lambda stored, known: stored > known)
    user = uuid.uuid4().hex
    told = [Event(user_id=user, **one) for one in events]
    if in_order:
        told.sort(key=lambda one: one.timestamp)
    told += [told[place % len(told)] for place in again]
    answers = None
    if answered is not None:
        answers = Onboarding(user_id=user, answered_at=answered, artists=["artist 1"], languages=["de"])
        parts.tell([answers])
    edges = sorted({0, len(told), *(cut for cut in cuts if cut < len(told))})
    for start, stop in itertools.pairwise(edges):
        parts.tell(told[start:stop])
        vector, known = parts.vector(user), counted(told[:stop])
        assert vector.as_of == max(known[-1].timestamp + 1, answered or 0)
        assert vector.events == sum(one.timestamp >= vector.as_of - REACH for one in known)
        np.testing.assert_allclose(vector.values, batch(parts.encoder, told[:stop], answers, vector.as_of), atol=1e-5)
        kept = parts.state(user).records["time"]
        assert (kept > known[-1].timestamp - REACH).all()


def test_a_history_is_no_longer_than_its_window_and_a_quarter(parts: Parts) -> None:
    """One event a day for eight years, in portions, and some days again, a year late."""
    first = 0
    for size in (200, *[7] * 40, *[100] * 25):
        parts.tell(plays("ann", [day * SECONDS_PER_DAY for day in range(first, first + size)]))
        parts.tell(plays("ann", [max(0, day - 365) * SECONDS_PER_DAY for day in range(first, first + 3)]))
        first += size
        assert 182 <= len(parts.state("ann").records) <= 182 + 182 // 4
        assert parts.vector("ann").events == 182
    assert first > 2900


def test_it_is_amortised(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of events that come one by one each 46th trims, and removes a fifth."""
    removed: list[tuple[int, int]] = []
    trim = parts.store.trim

    def counting(before: Mapping[str, int], claim: Claim | None) -> int:
        known = len(parts.state("ann").records)
        removed.append((trim(before, claim), known))
        return removed[-1][0]

    monkeypatch.setattr(parts.store, "trim", counting)
    parts.tell(plays("ann", [day * SECONDS_PER_DAY for day in range(182)]))
    for day in range(182, 400):
        parts.tell(plays("ann", [day * SECONDS_PER_DAY]))
    assert len(removed) == (400 - 182) // (182 // 4 + 1)
    assert all(5 * count >= known for count, known in removed)


@pytest.mark.parametrize("days", [0, 182, 183, 500])
@pytest.mark.parametrize("events", [1, 20, 250])
def test_days_and_latest_events_are_kept_as_well(days: int, events: int) -> None:
    """Of a thousand days, one event each: from the days before the earliest of the latest events on."""
    records = np.zeros(1000, RECORD)
    records["key"], records["time"] = np.arange(1000), np.arange(1000) * SECONDS_PER_DAY
    since = (1000 - events - max(days, 182)) * SECONDS_PER_DAY + 1
    keep = Keep(days, events)
    assert keep.since(records["time"], REACH) == since
    states = [UserState(one, (), 1) for one in (records, NONE, records[:events])]
    assert keep.due(["ann", "nobody", "new"], states, REACH) == {"ann": since}


def test_people_are_shown_the_same(encoder: UserEncoder) -> None:
    """Events, artists, and how the vector moved, of somebody who listened for years and rarely of late."""
    models = Models(StateEncoder(encoder))
    times = [*range(0, 300 * SECONDS_PER_DAY, SECONDS_PER_DAY), *(REACH * (2 + place) // 3 for place in range(60))]
    whole = UserState(np.sort(records_of(plays("ann", times)), order=("time", "key")), (), 7)
    since = Keep(days=0, events=50).since(whole.records["time"], REACH)
    short = whole._replace(records=whole.records[whole.records["time"] >= since])
    assert len(short.records) < len(whole.records) - 200
    full, trimmed = portrait("ann", whole, models), portrait("ann", short, models)
    assert (trimmed.recent, trimmed.near) == (full.recent, full.near)
    assert len({one.latest for one in full.moves}) > 10
    assert len(trimmed.moves) == len(full.moves) == 19
    for one, other in zip(trimmed.moves, full.moves, strict=True):
        assert one.as_of == other.as_of
        assert one.events == other.events - (len(whole.records) - len(short.records))
        assert (one.before, one.latest) == pytest.approx((other.before, other.latest), abs=1e-5)


def test_nothing_is_removed_where_nobody_tells_how_long_windows_are(parts: Parts) -> None:
    parts.stream.append([message_of(one) for one in plays("ann", range(0, 10 * REACH, REACH // 10))], FAR_AHEAD)
    while step(parts.stream, parts.store, {}, WorkerConfig(wait=0.0, keep=BARELY)).messages:
        pass
    assert len(parts.state("ann").records) == 100


def test_the_longest_window_of_all_spaces_counts(parts: Parts) -> None:
    class Longer(StateEncoder):
        reach = 2 * REACH

    times = [place * REACH // 10 for place in range(100)]
    parts.stream.append([message_of(one) for one in plays("ann", times)], FAR_AHEAD)
    encoders = {"a": StateEncoder(parts.encoder), "b": Longer(parts.encoder)}
    while step(parts.stream, parts.store, encoders, WorkerConfig(wait=0.0, keep=BARELY)).messages:
        pass
    assert parts.state("ann").records["time"].tolist() == times[-20:]


@pytest.mark.parametrize(("wrong", "told"), [({"days": -1}, "keep.days is -1"), ({"events": 0}, "keep.events is 0")])
def test_numbers_out_of_range_are_refused(wrong: dict[str, int], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Keep(**wrong)
