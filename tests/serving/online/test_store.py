"""What `Store` promises, of both."""

import uuid
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving.online.opened import Place
from urep_jax.serving.online.parts import RECORD, Addition, Message, Store, StoredVector, UserState

NONE = np.zeros(0, RECORD)

# One store serves all examples of a property; each has users of its own.
in_one_store = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    opened = place.store()
    yield opened
    opened.close()


def records(*rows: tuple[int, int, int]) -> np.ndarray:
    """Records by key, time and item."""
    made = np.zeros(len(rows), RECORD)
    for name, column in zip(("key", "time", "item"), np.array(rows, np.int64).reshape(-1, 3).T, strict=True):
        made[name] = column
    made["played_ratio"] = np.nan
    return made


def expected(rows: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """A set of records, by the definition and in plain Python."""
    by_key: dict[int, tuple[int, bytes]] = {}
    for row in rows:
        told = (-row[1], records(row).tobytes())
        by_key[row[0]] = min(by_key.get(row[0], told), told)
    read = [np.frombuffer(told, RECORD) for _, told in by_key.values()]
    return np.concatenate([NONE, *sorted(read, key=lambda one: (one["time"][0], one["key"][0]))])


def read(store: Store, user_id: str) -> UserState:
    (state,) = store.add([Addition(user_id, NONE)])
    return state


def vector(user_id: str, as_of: int, revision: int, number: float, space_id: str = "users-aa") -> StoredVector:
    return StoredVector(user_id, space_id, as_of, revision, 3, 1.5, np.full(3, number, np.float32))


def test_what_is_added_is_read(place: Place, store: Store) -> None:
    a, b = records((5, 20, 1), (1, 30, 2)), records((7, 10, 3))
    first = store.add([Addition("zoë ☃", a, (b'{"b": 1}',)), Addition("b:1", NONE), Addition("c", NONE, (b"1",))])
    assert [(state.records.tobytes(), state.facts) for state in first] == [
        (a.tobytes(), (b'{"b": 1}',)),
        (b"", ()),
        (b"", (b"1",)),
    ]
    assert [state.revision > 0 for state in first] == [True, False, True]
    (second,) = store.add([Addition("zoë ☃", b, (b'{"a": 2}', b'{"b": 1}'))])
    assert second.records.tobytes() == np.concatenate([b, a]).tobytes()
    assert second.facts == (b'{"a": 2}', b'{"b": 1}')
    assert second.revision > first[0].revision
    other = place.store()
    told = read(other, "zoë ☃")
    assert (told.records.tobytes(), *told[1:]) == (second.records.tobytes(), *second[1:])
    other.close()


ROWS = st.tuples(st.integers(0, 6), st.integers(-3, 3), st.integers(0, 300))


@in_one_store
@given(
    added=st.lists(st.tuples(st.lists(ROWS, max_size=8), st.lists(st.integers(0, 5), max_size=3)), max_size=8),
    data=st.data(),
)
def test_what_is_known_is_a_set(store: Store, added: list[tuple[list, list]], data: st.DataObject) -> None:
    """Replaying, duplicating and reordering additions changes nothing that is read."""
    again = data.draw(st.lists(st.sampled_from(added), max_size=8)) if added else []
    user = uuid.uuid4().hex
    revision = 0
    for rows, facts in data.draw(st.permutations(added + again)):
        (state,) = store.add([Addition(user, records(*rows), tuple(str(fact).encode() for fact in facts))])
        assert state.revision > revision or not (rows or facts)
        revision = state.revision
    told = read(store, user)
    assert told.revision == revision
    assert told.records.tobytes() == expected([row for rows, _ in added for row in rows]).tobytes()
    assert told.facts == tuple(sorted({str(fact).encode() for _, facts in added for fact in facts}))


def test_of_two_records_with_one_key_the_later_stays_and_of_one_time_the_lesser_bytes(store: Store) -> None:
    later, earlier = records((1, 258, 0)), records((1, 2, 9))
    lesser, greater = records((1, 7, 256)), records((1, 7, 1))
    assert lesser.tobytes() < greater.tobytes()
    assert earlier.tobytes() < later.tobytes()
    for stays, goes in ((later, earlier), (lesser, greater)):
        for first, second in ((stays, goes), (goes, stays)):
            one = uuid.uuid4().hex
            store.add([Addition(one, first)])
            (state,) = store.add([Addition(one, second)])
            assert state.records.tobytes() == stays.tobytes()


def test_records_of_one_time_are_sorted_by_key(store: Store) -> None:
    (state,) = store.add([Addition("a", records((5, 20, 1), (1, 20, 2), (3, 20, 3)))])
    assert state.records["key"].tolist() == [1, 3, 5]


def test_hundreds_of_additions_and_replays_of_them(store: Store) -> None:
    """Chunks are joined, and what is there twice is written anew, without a trace in what is read."""
    rng = np.random.default_rng(0)
    rows = [
        (int(key), int(time), 0) for key, time in zip(rng.permutation(900), rng.integers(0, 10**6, 900), strict=True)
    ]
    pieces = [rows[start : start + size] for start, size in zip(range(0, 900, 3), [3] * 300, strict=True)]
    store.add([Addition("a", records(*rows[:600]))])
    for piece in pieces[200:] + pieces:
        (state,) = store.add([Addition("a", records(*piece))])
    assert state.records.tobytes() == expected(rows).tobytes()
    assert read(store, "a").records.tobytes() == state.records.tobytes()


def test_records_of_another_type_are_refused_and_nothing_is_added(store: Store) -> None:
    with pytest.raises(ValueError, match="the records are an array of int64 and shape"):
        store.add([Addition("a", records((1, 1, 1))), Addition("b", np.arange(3))])
    assert read(store, "a").revision == 0
    assert not store.holds("a")


def test_vectors_are_read_as_written(store: Store) -> None:
    assert store.vectors([], "users-aa") == []
    assert store.write([]) == 0
    (state,) = store.add([Addition("zoë", records((1, 1, 1)))])
    numbers = np.array([0.1, -np.inf, 1e-40], np.float32)
    exact = StoredVector("zoë", "users-aa", 2**40, state.revision, 7, 1234.5678, numbers)
    assert store.write([exact, vector("b", 1, 0, 3.0), vector("b", 1, 0, 4.0, "users-bb")]) == 3
    zoe, nobody, b = store.vectors(["zoë", "c", "b"], "users-aa")
    assert nobody is None
    assert zoe is not None
    assert b is not None
    assert zoe[:-1] == exact[:-1]
    assert zoe.values.dtype == np.float32
    assert zoe.values.tobytes() == exact.values.tobytes()
    assert b.values.tolist() == [3.0] * 3
    assert read(store, "b").revision == 0, "a vector is nothing that is known"


@in_one_store
@given(
    moments=st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 3)), min_size=1, max_size=8), at_once=st.booleans()
)
def test_any_order_of_writes_ends_with_who_knows_most(
    store: Store, moments: list[tuple[int, int]], at_once: bool
) -> None:
    user = uuid.uuid4().hex
    states = [store.add([Addition(user, records((1, 1, 1)))])[0] for _ in range(3)]
    revision = [0, *(state.revision for state in states)]  # 0 is batch inference's.
    moments = [(as_of, revision[place]) for as_of, place in moments]
    written = [vector(user, *moment, number) for number, moment in enumerate(moments)]
    stored = store.write(written) if at_once else sum(store.write([one]) for one in written)
    (left,) = store.vectors([user], "users-aa")
    assert left is not None
    assert (left.as_of, left.revision) == max(moments)
    assert int(left.values[0]) == max(range(len(moments)), key=lambda place: (moments[place], place))
    bests = [max(moments[: place + 1]) for place in range(len(moments))]
    assert stored == sum(best == moment for best, moment in zip(bests, moments, strict=True))


def test_users_come_sorted_in_pages(store: Store) -> None:
    ids = ["a", "a b", "ab", "b", "zoë", "é", "☃", "𝄞"]
    store.add([Addition(one, records((1, 1, 1))) for one in reversed(ids)])
    store.write([vector("has only a vector", 1, 0, 1.0)])
    assert store.users() == ids == sorted(ids)
    assert store.known() == len(ids)
    found: list[str] = []
    while page := store.users(found[-1] if found else "", 3):
        assert len(page) <= 3
        found += page
    assert found == ids


def test_scan_finds_all_vectors_of_a_space(store: Store) -> None:
    many = [vector(f"user {number}", number, 0, number) for number in range(700)]
    store.write([*many, vector("other", 1, 0, 1.0, "users-bb")])
    assert list(store.scan("users-cc")) == []
    portions = list(store.scan("users-aa", 300))
    assert [len(portion) for portion in portions] == [300, 300, 100]
    found = sorted((one for portion in portions for one in portion), key=lambda one: one.as_of)
    assert [one[:-1] for one in found] == [one[:-1] for one in many]
    assert [one.values[0] for one in found] == list(range(700))
    assert (store.count("users-aa"), store.count("users-bb"), store.count("users-cc")) == (700, 1, 0)
    assert store.drop("users-aa") == 700
    assert store.drop("users-aa") == 0
    assert store.vectors(["user 1"], "users-aa") == [None]
    assert (store.count("users-aa"), store.count("users-bb")) == (0, 1)


def test_trim_removes_what_was_before(store: Store) -> None:
    for start in range(0, 40, 2):
        store.add([Addition("a", records((start, start, 0), (start + 1, start + 1, 0)), (b"1",))])
        store.add([Addition("b", records((start, start, 0)))])
    before = read(store, "a")
    assert store.trim({"a": 10, "nobody": 10, "b": 3}) == 10 + 2
    assert read(store, "b").records["time"].tolist() == list(range(4, 40, 2))
    state = read(store, "a")
    assert state.records["time"].tolist() == list(range(10, 40))
    assert state.facts == (b"1",)
    assert state.revision > before.revision
    assert store.trim({}) == store.trim({"a": 10}) == store.trim({"nobody": 10}) == 0
    assert read(store, "nobody").revision == 0
    assert store.trim({"a": 100}) == 30
    assert len(read(store, "a").records) == 0
    (state,) = store.add([Addition("a", records((3, 3, 3)))])
    assert state.records["key"].tolist() == [3]


@in_one_store
@given(
    added=st.lists(st.lists(ROWS, max_size=8), max_size=5),
    later=st.lists(st.lists(ROWS, max_size=8), max_size=5),
    before=st.integers(-4, 4),
)
def test_what_was_removed_changes_nothing_later(
    store: Store, added: list[list], later: list[list], before: int
) -> None:
    """Be it told again, or under a key that stands for something else by now."""
    user = uuid.uuid4().hex
    for rows in added:
        store.add([Addition(user, records(*rows))])
    known = expected([row for rows in added for row in rows])
    assert store.trim({user: before}) == (known["time"] < before).sum()
    for rows in later:
        store.add([Addition(user, records(*rows))])
    found, whole = read(store, user).records, expected([row for rows in added + later for row in rows])
    assert found[found["time"] >= before].tobytes() == whole[whole["time"] >= before].tobytes()


def test_forgetting_leaves_nothing_of_a_user_and_all_of_others(place: Place, store: Store) -> None:
    stream = place.stream()
    store.note("receipt", "ann")  # A word of ours that is somebody's id.
    ids = ["ann", "annabel", "3", "4", "1", "a%_*?[b]' OR 1=1 --", 'say "a"\\']
    for one in ids:
        assert not store.holds(one)
        store.add([Addition(one, records((1, 1, 1)), (b'{"age": 3}',))])
        store.write([vector(one, 1, 0, 1.0), vector(one, 1, 0, 1.0, "users-bb")])
    states = {one: read(store, one).records.tobytes() for one in ids}
    for number, one in enumerate(ids):
        assert store.holds(one)
        assert store.forget(one)
        assert not store.forget(one)
        assert store.scrub()
        assert not store.holds(one)
        assert read(store, one).revision == 0
        assert store.vectors([one], "users-bb") == [None]
        assert store.users() == sorted(ids[number + 1 :])
        assert store.known() == len(ids) - number - 1
        assert store.count("users-bb") == len(ids) - number - 1
        assert all(read(store, other).records.tobytes() == states[other] for other in ids[number + 1 :])
    stream.close()


@pytest.mark.parametrize("where", ["a message", "a dead one", "a message's body", "a fact", "a note", "a vector"])
def test_a_user_who_is_left_anywhere_is_found(place: Place, store: Store, where: str) -> None:
    stream = place.stream()
    if where in ("a message", "a dead one"):
        stream.append([Message("ann", b"{}")], 0.0)
        if where == "a dead one":
            stream.bury([(stream.take(1, 5.0)[0], "wrong")])
    elif where == "a message's body":
        stream.append([Message("bob", b'{"user_id": "ann"}')], 0.0)
    elif where == "a fact":
        store.add([Addition("bob", NONE, (b'{"friend": "ann"}',))])
    elif where == "a note":
        store.note("last", '["ann"]')
    else:
        store.write([vector("ann", 1, 0, 1.0)])
    assert store.holds("ann")
    assert not store.holds("anna")
    if where == "a vector":
        store.forget("ann")
        assert store.scrub()
        assert not store.holds("ann")
    stream.close()


def test_notes_are_kept(place: Place, store: Store) -> None:
    assert store.note("loaded") is None
    assert store.note("loaded", "log ☃") == "log ☃"
    assert store.note("loaded", "again") == "again"
    other = place.store()
    assert other.note("loaded") == "again"
    assert other.note("else") is None
    other.close()


def test_an_empty_note_is_none(store: Store) -> None:
    assert store.notes("") == {}
    for name in ("a%/1", "a%/2", "ab/1", "A%/1"):
        store.note(name, name)
    assert store.notes("a%/") == {"a%/1": "a%/1", "a%/2": "a%/2"}
    assert store.notes("a*") == {}
    assert store.note("a%/1", "") == ""
    assert store.note("a%/1") is None
    assert store.note("never", "") == ""
    assert store.notes("") == {name: name for name in ("a%/2", "ab/1", "A%/1")}


def test_a_vector_of_what_was_forgotten_is_not_stored(store: Store) -> None:
    """Not by who read the state before, not even when the user has come again, and be it about a later moment."""
    (before,) = store.add([Addition("ann", records((1, 1, 1), (2, 2, 2)))])
    assert store.write([vector("ann", 3, before.revision + 1, 1.0)]) == 0, "nobody has read that yet"
    assert store.write([vector("nobody", 3, before.revision, 1.0)]) == 0
    assert store.write([vector("ann", 3, before.revision, 1.0)]) == 1
    store.forget("ann")
    assert store.write([vector("ann", 9, before.revision, 1.0), vector("ann", 9, before.revision, 1.0, "bb")]) == 0
    assert store.scrub()
    assert not store.holds("ann")
    (after,) = store.add([Addition("ann", records((5, 5, 5)))])
    assert after.revision > before.revision
    assert store.write([vector("ann", 9, before.revision, 1.0), vector("ann", 9, before.revision, 1.0, "bb")]) == 0
    assert store.vectors(["ann"], "users-aa") == [None]
    (more,) = store.add([Addition("ann", records((6, 6, 6)))])
    assert store.write([vector("ann", 6, after.revision, 2.0), vector("ann", 7, more.revision, 3.0)]) == 2
    (found,) = store.vectors(["ann"], "users-aa")
    assert found is not None
    assert (found.as_of, found.revision) == (7, more.revision)


@pytest.mark.parametrize("known", [True, False])
def test_logs_and_batch_inference_heed_who_was_forgotten(place: Place, store: Store, known: bool) -> None:
    """Also whom nothing was known of: what a log or a batch tells may come later."""
    log = [Addition(one, records((1, 1, 1)), (b'{"age": 3}',)) for one in ("ann", "bob")]
    batch = [vector(one, 9, 0, 1.0) for one in ("ann", "bob")]
    if known:
        assert store.load([*log, Addition("cem", NONE)]) == 2
        assert store.write(batch) == 2
    assert store.forget("ann") is known
    for again in (store, place.store()):
        assert again.load(log) == 1
        assert again.write(batch) == 1
        assert again.users() == ["bob"]
        assert again.scrub()
        assert not again.holds("ann")
    again.close()
    (state,) = store.add(log[:1])
    assert len(state.records) == 1
    assert store.load(log) == store.write(batch) == 2, "what a stream tells later brings a user back"


def test_what_is_loaded_is_added(store: Store) -> None:
    assert store.load([]) == 0
    assert store.load([Addition("a", NONE)]) == 0
    store.add([Addition("a", records((2, 5, 1)), (b"1",))])
    assert store.load([Addition("a", records((1, 3, 1), (2, 5, 1)), (b"2",)), Addition("b", NONE, (b"3",))]) == 2
    state = read(store, "a")
    assert (state.records["key"].tolist(), state.facts) == ([1, 2], (b"1", b"2"))
    assert read(store, "b").facts == (b"3",)
    with pytest.raises(ValueError, match="the records are an array of int64 and shape"):
        store.load([Addition("c", records((1, 1, 1))), Addition("b", np.arange(3))])
    assert store.users() == ["a", "b"]
