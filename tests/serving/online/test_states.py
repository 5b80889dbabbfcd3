"""What a store keeps of users gives the vectors that their log gives."""

import functools
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.user_features.listeners import NOW, log_of, tables
from tests.serving.test_user_encoder import USERS, encoder_of
from urep_jax.core.types import LISTENED, SECONDS_PER_DAY
from urep_jax.serving.online.from_log import additions_of
from urep_jax.serving.online.keep import Keep
from urep_jax.serving.online.messages import Event, Onboarding, Profile, digest, fact_of, records_of
from urep_jax.serving.online.parts import RECORD, UserState
from urep_jax.serving.online.states import StateEncoder, moments_of, tables_of
from urep_jax.serving.user_encoder import UserEncoder

CATEGORIES = ("country", "device", "language", "plan")
NONE = np.zeros(0, RECORD)


@pytest.fixture(scope="module")
def encoder() -> UserEncoder:
    return encoder_of()


def states_of(seed: int = 0, *, rich: bool = True, since: Callable[[np.ndarray], int] | None = None) -> list[UserState]:
    told = tables(seed) if rich else {}
    return [
        UserState(np.sort(one.records, order=("time", "key")), tuple(sorted(one.facts)), 1)
        for one in additions_of(log_of(seed, rich=rich), told, CATEGORIES, since)
    ]


@pytest.mark.parametrize("ago", [0, 1, 40, 150, 299])
def test_states_give_what_the_log_gives(encoder: UserEncoder, ago: int) -> None:
    """Established users, cold starts, users who return and onboardings that fade, at several moments."""
    time = np.full(len(USERS), NOW - ago * SECONDS_PER_DAY)
    batch = encoder.encode(encoder.features.read(log_of(0), tables(0)), USERS, time)
    streamed = StateEncoder(encoder).encode(states_of(), time)
    np.testing.assert_allclose(streamed, batch.values, atol=1e-5)


def test_so_they_do_without_profiles_devices_and_shares(encoder: UserEncoder) -> None:
    time = np.full(len(USERS), NOW)
    log = log_of(3, rich=False)
    batch = encoder.encode(encoder.features.read(log), USERS, time)
    np.testing.assert_allclose(StateEncoder(encoder).encode(states_of(3, rich=False), time), batch.values, atol=1e-5)


@pytest.mark.parametrize("later", [1, 100 * SECONDS_PER_DAY, 400 * SECONDS_PER_DAY])
def test_what_is_not_kept_changes_nothing_at_the_latest_event_and_later(encoder: UserEncoder, later: int) -> None:
    states, keep = StateEncoder(encoder), Keep(days=0, events=1)
    short, whole = states_of(since=functools.partial(keep.since, reach=states.reach)), states_of()
    assert sum(len(state.records) for state in short) < sum(len(state.records) for state in whole)
    time = np.array([NOW if not len(state.records) else int(state.records["time"][-1]) for state in whole]) + later
    np.testing.assert_array_equal(states.encode(short, time), states.encode(whole, time))
    assert states.events(short, time) == [
        sum(moment - 182 * SECONDS_PER_DAY <= each < moment for each in state.records["time"].tolist())
        for state, moment in zip(whole, time.tolist(), strict=True)
    ]


def test_what_was_heard_lately_hangs_on_what_is_kept_only(encoder: UserEncoder) -> None:
    """The mean of the vectors of what was heard in half a year, as plain Python takes it."""
    states, keep = StateEncoder(encoder), Keep(days=0, events=1)
    plays = encoder.features.modalities[0]
    vector = {digest(item): plays.vectors[row] for row, item in enumerate(plays.item_ids.to_pylist())}
    for short, whole in zip(
        states_of(since=functools.partial(keep.since, reach=states.reach)), states_of(), strict=True
    ):
        last = max([*whole.records["time"].tolist(), *moments_of([whole._replace(records=NONE)]).tolist()])
        heard = [
            vector[int(one["item"])]
            for one in whole.records
            if one["time"] >= last + 1 - 182 * SECONDS_PER_DAY and one["feedback"] in LISTENED and one["item"] in vector
        ]
        for state in (short, whole):
            taste = states.taste(state)
            assert (taste is None) == (not heard)
            if taste is not None:
                np.testing.assert_allclose(taste, np.mean(heard, axis=0), atol=1e-6)


def test_nobody_and_somebody_unknown_have_vectors(encoder: UserEncoder) -> None:
    states = StateEncoder(encoder)
    assert states.encode([], np.zeros(0, np.int64)).shape == (0, 6)
    nothing = UserState(np.zeros(0, RECORD), (), 0)
    event = Event(user_id="x", item_id="no such", timestamp=NOW - 5, feedback="play", device="no such")
    stranger = UserState(records_of([event]), (), 1)
    found = states.encode([nothing, stranger], np.array([NOW, NOW]))
    assert np.isfinite(found).all()
    given_events = {"item_id": ["no such"], "feedback": ["play"], "timestamp": [NOW - 5], "device": ["no such"]}
    np.testing.assert_allclose(found[1:], encoder.encode_user(given_events, time=NOW).values, atol=1e-5)


def test_the_moment_is_the_first_at_which_everything_has_happened() -> None:
    event = Event(user_id="x", item_id="a", timestamp=100, feedback="play")
    early, late = (fact_of(Onboarding(user_id="x", answered_at=time)) for time in (50, 200))
    registered = fact_of(Profile(user_id="x", told_at=900, registered_at=70))
    told = fact_of(Profile(user_id="x", told_at=30))
    empty = np.zeros(0, RECORD)
    states = [
        UserState(records_of([event]), (early,), 1),
        UserState(records_of([event]), (late,), 1),
        UserState(empty, (registered,), 1),
        UserState(empty, (told,), 1),
        UserState(empty, (), 0),
    ]
    assert moments_of(states).tolist() == [101, 200, 70, 30, 0]


@given(st.permutations(range(4)))
def test_facts_count_by_their_times_and_not_by_their_order(order: list[int]) -> None:
    facts = [
        fact_of(Profile(user_id="x", told_at=5, categories={"country": "SE", "plan": "free"}, age=30)),
        fact_of(Profile(user_id="x", told_at=9, categories={"plan": "premium", "shoes": "44"})),
        fact_of(Onboarding(user_id="x", answered_at=7, artists=["b"])),
        fact_of(Onboarding(user_id="x", answered_at=6, artists=["a"], languages=["sv"])),
    ]
    told = tables_of([UserState(np.zeros(0, RECORD), tuple(facts[i] for i in order), 4)], CATEGORIES)
    assert told["users"].to_pylist() == [
        {
            "user_id": "0",
            "country": "SE",
            "device": None,
            "language": None,
            "plan": "premium",
            "age": 30,
            "registered_at": None,
        }
    ]
    assert told["onboarding"].to_pylist() == [{"user_id": "0", "timestamp": 6, "artists": ["a"], "languages": ["sv"]}]


def test_what_no_message_could_tell_is_left_out_of_a_log() -> None:
    log = log_of(0)
    people = pa.table(
        {
            "user_id": [f"user {u}" for u in range(4)],
            "age": pa.array([151, -1, 40, None], pa.int32()),
            "country": ["", "SE", "x" * 129, "DE"],
            "registered_at": pa.array([1 << 41, 7, None, 9], pa.int64()),
        }
    )
    picked = [["a"] * 300, ["b", "", "x" * 129], None, ["d"]]
    onboarding = pa.table(
        {
            "user_id": people["user_id"],
            "timestamp": pa.array([50, 60, 70, None], pa.int64()),
            "artists": pa.array(picked, pa.list_(pa.string())),
        }
    )
    told = {"users": people, "onboarding": onboarding}
    additions = list(additions_of(log, told, ["country"]))[:4]
    tables = tables_of([UserState(one.records, one.facts, 1) for one in additions], ["country"])
    assert tables["users"].drop_columns(["user_id"]).to_pylist() == [
        {"country": None, "age": None, "registered_at": None},
        {"country": "SE", "age": None, "registered_at": 7},
        {"country": None, "age": 40, "registered_at": None},
        {"country": "DE", "age": None, "registered_at": 9},
    ]
    assert tables["onboarding"]["artists"].to_pylist() == [["a"] * 256, ["b"], []]


def test_a_fact_that_cannot_be_read_costs_one_fact(caplog: pytest.LogCaptureFixture) -> None:
    good = fact_of(Profile(user_id="x", told_at=5, categories={"country": "SE"}))
    state = UserState(np.zeros(0, RECORD), (good, b'{"kind":"profile","user_id":"ann","told_at":9,"age":200}', b"{"), 3)
    assert tables_of([state], ["country"])["users"]["country"].to_pylist() == ["SE"]
    assert moments_of([state]).tolist() == [5]
    assert "a fact is left out that can't be read" in caplog.text
    assert "ann" not in caplog.text


def test_events_of_a_log_that_are_all_the_same_stay_several() -> None:
    log = log_of(0)
    twice = log_of(0)
    for name in ("item", "timestamp", "feedback", "device", "played_ratio"):
        column = getattr(twice, name)
        column[log.offsets[1] + 1] = column[log.offsets[1]]
    records = next(one.records for one in additions_of(twice, {}, CATEGORIES) if one.user_id == "user 1")
    assert len(set(records["key"].tolist())) == len(records)


def test_one_user_at_several_moments_is_read_once(encoder: UserEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    states, state = StateEncoder(encoder), states_of()[3]
    moments = NOW - SECONDS_PER_DAY * np.array([0, 3, 40, 200])
    expected = states.encode([state] * len(moments), moments)
    read: list[int] = []
    monkeypatch.setattr(
        StateEncoder, "inputs", lambda self, of, inputs=StateEncoder.inputs: read.append(len(of)) or inputs(self, of)
    )
    np.testing.assert_allclose(states.encode_at(state, moments), expected, atol=1e-6)
    assert read == [1]
