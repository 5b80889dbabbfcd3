"""Every endpoint, as it answers when all is well."""

import asyncio
import logging
import threading

import msgspec
import numpy as np
import pytest

from tests.serving.http.fake import ODD, SPACES, Fake, ask, asking, segment
from urep_jax.serving.http.app import Service
from urep_jax.serving.http.asked import OwnProfile
from urep_jax.serving.online.messages import Event, Onboarding, Profile, read_message

EVENT = {"user_id": "ann", "item_id": "t1", "timestamp": 5, "feedback": "up"}
VECTOR = {"space_id": SPACES["users"], "as_of": 1_700_000_000, "computed_at": 1_700_000_000.5, "events": 5}


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def app(fake: Fake) -> Service:
    return Service(fake)


@pytest.mark.parametrize("user_id", ["ann", ODD])
def test_a_vector_says_whose_where_and_when(app: Service, user_id: str) -> None:
    told = ask(app, "GET", f"/v1/users/{segment(user_id)}/vector")
    assert told.status == 200
    values = np.linspace(0, 1, 4, dtype=np.float32).astype(float).tolist()
    assert told.json() == {**VECTOR, "user_id": user_id, "spaces": SPACES, "values": values}
    assert told.headers["content-type"] == "application/json"
    assert told.headers["content-length"] == str(len(told.body))


def test_a_vector_of_the_space_that_is_wanted(app: Service) -> None:
    assert ask(app, "GET", f"/v1/users/ann/vector?space_id={SPACES['users']}").status == 200
    refused = ask(app, "GET", "/v1/users/ann/vector?space_id=users-old")
    assert refused.status == 409
    assert refused.json()["error"] == (
        "vectors of 'users-old' were asked for, but those that are served are of 'users-00aa'"
    )
    assert ask(app, "POST", "/v1/vectors", {"user_ids": ["new", "ann"], "space_id": "users-old"}).status == 409
    assert ask(app, "POST", "/v1/users/ann/nearest", {"k": 1, "space_id": "users-old"}).status == 409
    assert ask(app, "POST", "/v1/tracks/t1/nearest", {"k": 1, "space_id": "users-old"}).status == 409


def test_another_space_is_refused_though_nobody_has_a_vector(app: Service) -> None:
    assert ask(app, "GET", "/v1/users/new/vector").status == 404
    assert ask(app, "GET", "/v1/users/new/vector?space_id=users-old").status == 409
    # A space that the vectors come from isn't the one that they lie in.
    assert ask(app, "GET", f"/v1/users/new/vector?space_id={SPACES['audio']}").status == 409
    assert ask(app, "POST", "/v1/vectors", {"user_ids": ["new"], "space_id": "users-old"}).status == 409
    assert ask(app, "POST", "/v1/vectors", {"user_ids": ["new"], "space_id": SPACES["users"]}).status == 200
    assert ask(app, "POST", "/v1/users/new/nearest", {"k": 1, "space_id": "users-old"}).status == 409
    assert ask(app, "POST", "/v1/users/new/nearest", {"k": 1, "space_id": SPACES["users"]}).status == 404


def test_vectors_come_in_the_order_asked(app: Service) -> None:
    told = ask(app, "POST", "/v1/vectors", {"user_ids": ["bob", "new", "ann", "bob"]}).json()
    assert told["spaces"] == SPACES
    assert [one and one["user_id"] for one in told["vectors"]] == ["bob", None, "ann", "bob"]
    assert told["vectors"][0].items() >= VECTOR.items()


@pytest.mark.parametrize("kind", [{}, {"kind": "event"}])
def test_events_are_accepted_as_messages(app: Service, fake: Fake, kind: dict[str, str]) -> None:
    told = ask(app, "POST", "/v1/events", {"events": [{**EVENT, **kind}, {**EVENT, "user_id": "new"}]})
    assert (told.status, told.json()) == (202, {"accepted": 2})
    first, second = map(read_message, fake.messages)
    assert first == Event(user_id="ann", item_id="t1", timestamp=5, feedback="up")
    assert second.user_id == "new"


def test_an_onboarding_with_and_without_a_profile(app: Service, fake: Fake) -> None:
    picked = {"user_id": "new", "answered_at": 5, "artists": ["abba"]}
    assert ask(app, "POST", "/v1/onboarding", picked).json() == {"accepted": 1}
    profile = {"told_at": 6, "categories": {"country": "SE"}, "age": 30, "registered_at": 4}
    assert ask(app, "POST", "/v1/onboarding", {**picked, "profile": profile}).json() == {"accepted": 2}
    onboarding = Onboarding(user_id="new", answered_at=5, artists=["abba"])
    person = Profile(user_id="new", told_at=6, categories={"country": "SE"}, age=30, registered_at=4)
    assert list(map(read_message, fake.messages)) == [onboarding, onboarding, person]


def test_a_profile_within_an_onboarding_has_all_fields_of_a_profile() -> None:
    def fields(of: type[msgspec.Struct]) -> dict[str, object]:
        return {one.name: (one.type, one.default) for one in msgspec.structs.fields(of) if one.name != "user_id"}

    assert fields(OwnProfile).keys() == fields(Profile).keys()
    assert all(msgspec.json.schema(a) == msgspec.json.schema(b) for a, b in zip_types(OwnProfile, Profile))


def zip_types(own: type[msgspec.Struct], whole: type[msgspec.Struct]) -> list[tuple[object, object]]:
    types = {one.name: one.type for one in msgspec.structs.fields(whole)}
    return [(one.type, types[one.name]) for one in msgspec.structs.fields(own)]


def test_profiles(app: Service, fake: Fake) -> None:
    told = ask(app, "POST", "/v1/profiles", {"profiles": [{"user_id": "ann", "told_at": 1, "age": 3}]})
    assert (told.status, told.json()) == (202, {"accepted": 1})
    assert list(map(read_message, fake.messages)) == [Profile(user_id="ann", told_at=1, age=3)]


def test_neighbours_of_users_and_tracks(app: Service, fake: Fake) -> None:
    near = ask(app, "POST", f"/v1/users/{segment(ODD)}/nearest", {"k": 3}).json()
    assert near == {"space_id": SPACES["users"], "near": [{"id": "bob", "score": 0.5}], "spaces": SPACES}
    tracks = ask(app, "POST", "/v1/tracks/t1/nearest", {"k": 3, "modality": "audio"}).json()
    assert tracks["space_id"] == SPACES["audio"]
    assert fake.asked == ("t1", "audio", 3)


def test_a_ranking(app: Service, fake: Fake) -> None:
    asked = {"item_ids": ["t1", "new"], "station_id": "jazz", "by": "recommender"}
    told = ask(app, "POST", "/v1/users/ann/rank", asked).json()
    assert told["items"] == [{"item_id": "t1", "score": 1.0}, {"item_id": "new", "score": None}]
    assert (told["by"], told["spaces"]) == ("recommender", SPACES)
    assert fake.asked == ("ann", ["t1", "new"], "jazz", "recommender")
    assert ask(app, "POST", "/v1/users/ann/rank", {"item_ids": ["t1"]}).json()["by"] == "users"


def test_what_is_known_of_a_user(app: Service) -> None:
    told = ask(app, "GET", f"/v1/users/{segment(ODD)}").json()
    assert told["user_id"] == ODD
    assert told["recent"][0]["item_id"] == "t1"
    assert told["moves"][0]["before"] is None
    assert told["spaces"] == SPACES


def test_forgetting_twice_is_no_mistake(app: Service, fake: Fake) -> None:
    told = ask(app, "DELETE", f"/v1/users/{segment(ODD)}")
    assert (told.status, told.json()) == (200, {"user_id": ODD, "known": True})
    assert ask(app, "DELETE", "/v1/users/new").json() == {"user_id": "new", "known": False}
    assert fake.forgotten == [ODD, "new"]


def test_a_user_called_vector_is_a_user(app: Service, fake: Fake) -> None:
    """Paths are cut at slashes before they are decoded: what looks like another path within an id is none."""
    assert ask(app, "DELETE", "/v1/users/ann%2Fvector").json()["user_id"] == "ann/vector"
    assert ask(app, "GET", "/v1/users/ann%2Fvector").status == 404
    assert ask(app, "GET", "/v1/users/vector").json()["error"] == "nothing is known of this user"
    assert ask(app, "GET", "/v1/users/..%2F..%2Fmetrics").status == 404
    assert ask(app, "GET", "/v1/users//vector").json()["error"] == "there is no such page"


def test_lineage_and_status(app: Service) -> None:
    assert ask(app, "GET", "/v1/lineage").json() == {"space": {"id": SPACES["users"], "parents": []}}
    told = ask(app, "GET", "/v1/status").json()
    assert (told["waiting"], told["oldest"], told["dead"]) == (7, 1_700_000_000.0, 2)
    assert (told["workers"], told["users"], told["vectors"]) == (1, 3, 2)
    assert told["freshness"] == {"median": 0.25, "p99": 1.5, "measured": 100}


def test_the_dead_are_told_and_why(app: Service, fake: Fake, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        told = ask(app, "GET", "/v1/dead")
        fake.fails = RuntimeError("ann heard secret")
        assert ask(app, "GET", "/v1/dead").status == 500
    assert told.status == 200
    assert fake.asked == (100,)
    reason = "it can't be read: user_id is missing"
    assert told.json() == {
        "messages": [
            {"user_id": "ann", "reason": reason, "accepted_at": 1_700_000_000.5, "body": '{"item_id": "secret ☃"}'},
            {"user_id": "bob", "reason": reason, "accepted_at": 1_600_000_000.0, "body": "\ufffd" + "x" * 4095},
        ]
    }
    assert "secret" not in caplog.text
    assert "ann" not in caplog.text


def test_alive_and_ready(app: Service, fake: Fake) -> None:
    assert ask(app, "GET", "/readyz").json() == {"ok": True}
    fake.why = "the model is being loaded"
    refused = ask(app, "GET", "/readyz")
    assert (refused.status, refused.json()["error"]) == (503, "not ready: the model is being loaded")
    assert int(refused.headers["retry-after"]) > 0
    fake.fails = RuntimeError()
    assert ask(app, "GET", "/healthz").json() == {"ok": True}, "no store is asked whether the service runs"


def test_the_page_may_do_nothing_but_ask_here(app: Service) -> None:
    told = ask(app, "GET", "/")
    assert told.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in told.headers["content-security-policy"]
    for path, kind in (("/page.js", "text/javascript"), ("/page.css", "text/css")):
        assert ask(app, "GET", path).headers["content-type"].startswith(kind)


@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/openapi.json", "/v1/users/new", "/nowhere"])
def test_every_answer_is_what_it_says_and_is_kept_by_nobody(app: Service, path: str) -> None:
    told = ask(app, "GET", path)
    assert told.headers["x-content-type-options"] == "nosniff"
    assert told.headers["cache-control"] == "no-store"
    assert not [name for name in told.headers if name.startswith("access-control")]


def test_get_may_be_asked_for_its_head(app: Service) -> None:
    assert ask(app, "HEAD", "/v1/users/ann/vector").status == 200


def test_requests_that_wait_are_read_and_accepted_together(fake: Fake) -> None:
    async def run() -> None:
        app = Service(fake)
        fake.gate = threading.Event()
        reads = [asyncio.ensure_future(asking(app, "GET", "/v1/users/ann/vector")) for _ in range(9)]
        await asyncio.sleep(0.1)
        reads += [asyncio.ensure_future(asking(app, "GET", "/v1/users/bob/vector")) for _ in range(9)]
        await asyncio.sleep(0.1)
        fake.gate.set()
        told = await asyncio.gather(*reads)
        assert [one.json()["user_id"] for one in told] == ["ann"] * 9 + ["bob"] * 9
        assert len(fake.calls) <= 3
        assert sum(fake.calls) == 18

    asyncio.run(run())


def test_no_call_runs_on_the_event_loop(app: Service, fake: Fake) -> None:
    for method, path, body in (
        ("GET", "/v1/users/ann/vector", None),
        ("GET", "/v1/users/ann", None),
        ("GET", "/v1/lineage", None),
        ("GET", "/v1/status", None),
        ("GET", "/v1/dead", None),
        ("GET", "/readyz", None),
        ("GET", "/metrics", None),
        ("DELETE", "/v1/users/ann", None),
        ("POST", "/v1/vectors", {"user_ids": ["ann"]}),
        ("POST", "/v1/events", {"events": [EVENT]}),
        ("POST", "/v1/users/ann/nearest", {"k": 1}),
        ("POST", "/v1/tracks/t1/nearest", {"k": 1}),
        ("POST", "/v1/users/ann/rank", {"item_ids": ["t1"]}),
    ):
        fake.threads.clear()
        assert ask(app, method, path, body).status in (200, 202)
        assert fake.threads, path
        assert threading.get_ident() not in fake.threads, path


def test_who_asks_for_neighbours_keeps_nobody_waiting(
    app: Service, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neighbours and portraits of many users, all at once, may take as long as they like."""
    gate = threading.Event()

    def slow(*_: object) -> None:
        assert gate.wait(20)

    for name in ("nearest_users", "nearest_tracks", "user"):
        monkeypatch.setattr(fake, name, slow)

    async def run() -> None:
        slow_ones = [
            asyncio.ensure_future(asking(app, method, path, body))
            for method, path, body in (
                ("POST", "/v1/users/ann/nearest", {"k": 1}),
                ("POST", "/v1/tracks/t1/nearest", {"k": 1}),
                ("GET", "/v1/users/ann", None),
            )
            for _ in range(20)
        ]
        await asyncio.sleep(0.1)
        for method, path, body in (
            ("POST", "/v1/events", {"events": [EVENT]}),
            ("GET", "/v1/users/ann/vector", None),
            ("POST", "/v1/users/ann/rank", {"item_ids": ["t1"]}),
            ("GET", "/v1/status", None),
            ("DELETE", "/v1/users/ann", None),
        ):
            told = await asyncio.wait_for(asking(app, method, path, body), 10)
            assert told.status in (200, 202), path
        assert not [one for one in slow_ones if one.done()]
        gate.set()
        await asyncio.gather(*slow_ones)

    asyncio.run(run())
