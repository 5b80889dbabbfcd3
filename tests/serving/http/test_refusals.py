"""Every refusal: one form, the right status, and nothing of users in the log."""

import asyncio
import logging
import re
from typing import Any

import pytest

from tests.serving.http.fake import ERRORS, Fake, ask, asking
from tests.serving.http.test_endpoints import EVENT
from urep_jax.serving.http import desk
from urep_jax.serving.http.app import Service
from urep_jax.serving.http.limits import Limits, Rate
from urep_jax.serving.http.refusals import Refusal


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def app(fake: Fake) -> Service:
    return Service(fake)


def refused(app: Service, status: int, method: str, path: str, body: Any = None, **headers: str) -> str:
    told = ask(app, method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    assert told.status == status, told.body
    assert told.headers["content-type"] == "application/json"
    assert told.json().keys() == {"error", "mend"}
    assert all(told.json().values())
    return str(told.json()["error"])


def test_what_is_unknown(app: Service) -> None:
    assert refused(app, 404, "GET", "/v1/users/new/vector") == "nothing is known of this user"
    refused(app, 404, "GET", "/v1/users/new")
    refused(app, 404, "POST", "/v1/users/new/nearest", {"k": 1})
    refused(app, 404, "POST", "/v1/users/new/rank", {"item_ids": ["t1"]})
    assert refused(app, 404, "POST", "/v1/tracks/new/nearest", {"k": 1}) == "nothing is known of this track"


@pytest.mark.parametrize(
    "path", ["/v1", "/v1/users", "/v1/users/", "/v1/users/a/b/vector", "/metrics/", "//", "/v1/%ff"]
)
def test_pages_that_are_not_there(app: Service, path: str) -> None:
    refused(app, 404, "GET", path)


def test_methods_that_a_path_has_not(app: Service) -> None:
    told = ask(app, "PUT", "/v1/users/ann")
    assert (told.status, told.headers["allow"]) == (405, "DELETE, GET")
    assert ask(app, "GET", "/v1/events").headers["allow"] == "POST"
    assert ask(app, "HEAD", "/v1/events").status == 405


@pytest.mark.parametrize(
    "body", [b"", b"{", b"nope", b'{"user_ids":["a"]} x', b'{"user_ids":["\xff"]}', b"\xff", b'{"']
)
def test_what_is_no_json(app: Service, body: bytes) -> None:
    assert refused(app, 400, "POST", "/v1/vectors", body).startswith("the body can't be read as JSON: ")


def test_what_is_nested_too_deeply(app: Service) -> None:
    deep = b"[" * 100_000
    refused(app, 422, "POST", "/v1/events", b'{"events": ' + deep)
    refused(app, 422, "POST", "/v1/events", b'{"nope": ' + deep)


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("/v1/events", {"events": []}, "$.events"),
        ("/v1/events", {"events": [EVENT] * 1001}, "$.events"),
        ("/v1/events", {"events": [EVENT, {**EVENT, "feedback": "like"}]}, "$.events[1].feedback"),
        ("/v1/events", {"events": [{**EVENT, "timestamp": "5"}]}, "$.events[0].timestamp"),
        ("/v1/events", {"events": [{**EVENT, "timestamp": 1 << 40}]}, "$.events[0].timestamp"),
        ("/v1/events", {"events": [{**EVENT, "user_id": ""}]}, "$.events[0].user_id"),
        ("/v1/events", {"events": [{**EVENT, "user_id": "x" * 129}]}, "$.events[0].user_id"),
        ("/v1/events", {"events": [{**EVENT, "nope": 1}]}, "nope"),
        ("/v1/events", {"events": [{**EVENT, "kind": "forget"}]}, "$.events[0].kind"),
        ("/v1/events", {"events": [EVENT], "nope": 1}, "nope"),
        ("/v1/events", {}, "events"),
        ("/v1/onboarding", {"user_id": "a", "answered_at": 1, "profile": {}}, "told_at"),
        ("/v1/onboarding", {"user_id": "a", "answered_at": 1, "profile": {"told_at": 1, "user_id": "b"}}, "user_id"),
        ("/v1/onboarding", {"user_id": "a", "answered_at": 1, "artists": ["x"] * 257}, "$.artists"),
        ("/v1/profiles", {"profiles": [{"user_id": "a", "told_at": 1, "age": 151}]}, "$.profiles[0].age"),
        ("/v1/vectors", {"user_ids": []}, "$.user_ids"),
        ("/v1/vectors", {"user_ids": ["a"] * 1001}, "$.user_ids"),
        ("/v1/users/ann/nearest", {"k": 0}, "$.k"),
        ("/v1/users/ann/nearest", {"k": 1001}, "$.k"),
        ("/v1/tracks/t1/nearest", {"k": 1, "modality": 3}, "$.modality"),
        ("/v1/users/ann/rank", {"item_ids": []}, "$.item_ids"),
        ("/v1/users/ann/rank", {"item_ids": ["t1"], "k": 1}, "k"),
    ],
)
def test_fields_that_are_not_as_they_must_be(app: Service, fake: Fake, path: str, body: Any, named: str) -> None:
    assert f"`{named}`" in refused(app, 422, "POST", path, body)
    assert not fake.messages


def test_what_can_be_read_but_not_used(app: Service, fake: Fake) -> None:
    profiles = [{"user_id": "ann", "told_at": 1}, {"user_id": "ann", "told_at": 1, "categories": {"mood": "sad"}}]
    told = refused(app, 422, "POST", "/v1/profiles", {"profiles": profiles})
    assert told == "'mood' is no category; country is - at `$.profiles[1]`"
    person = {"told_at": 1, "categories": {"mood": "sad"}}
    onboarding = {"user_id": "ann", "answered_at": 1, "profile": person}
    assert refused(app, 422, "POST", "/v1/onboarding", onboarding).endswith("- at `$.profile`")
    assert not fake.messages, "all of it or nothing"


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        ("StoreFull", 507, "the store is full"),
        ("StoreAway", 503, "the store is away"),
        ("NotReady", 503, "not ready: the index is being built"),
        ("Busy", 503, "the lineage is held by another process"),
        ("SpaceMismatch", 409, "can't compare vectors of a-1 and of a-2"),
        ("Refused", 422, "modality is 'smell', but must be audio"),
        ("RuntimeError", 500, "the service has a fault"),
    ],
)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/users/ann/vector", None),
        ("POST", "/v1/events", {"events": [EVENT]}),
        ("POST", "/v1/users/ann/rank", {"item_ids": ["t1"]}),
        ("GET", "/v1/lineage", None),
        ("GET", "/readyz", None),
    ],
)
def test_errors_of_the_backend(
    app: Service,
    fake: Fake,
    caplog: pytest.LogCaptureFixture,
    error: str,
    status: int,
    told: str,
    method: str,
    path: str,
    body: Any,
) -> None:
    fake.fails = ERRORS[error]
    with caplog.at_level(logging.DEBUG):
        assert refused(app, status, method, path, body).startswith(told)
        assert ("retry-after" in ask(app, method, path, body).headers) == (status == 503)
    assert "secret" not in str(ask(app, method, path, body))
    # A fault is logged with the place in the sources, but not with a text that may tell of users.
    assert ("in _called" in caplog.text) == (status == 500)
    # Folders may be called anything.
    told_of = re.sub(r'File "[^"]*"', "", caplog.text).replace("test1", "")
    assert "ann" not in told_of
    assert "t1" not in told_of
    fake.fails = None
    assert ask(app, method, path, body).status in (200, 202)


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "text/plain"},
        {"content_type": "application/jsonp"},
        {"content_type": "application/json; charset=latin-1"},
        {"content_type": ""},
        {"content_encoding": "gzip"},
    ],
)
def test_bodies_of_another_type(app: Service, headers: dict[str, str]) -> None:
    refused(app, 415, "POST", "/v1/events", {"events": [EVENT]}, **headers)


def test_json_may_say_that_it_is_utf_8(app: Service) -> None:
    headers = {"content-type": 'Application/JSON; charset="UTF-8"', "content-encoding": "identity"}
    assert ask(app, "POST", "/v1/events", {"events": [EVENT]}, headers).status == 202


def test_ids_in_paths(app: Service) -> None:
    refused(app, 400, "GET", "/v1/users/%ff/vector")
    refused(app, 400, "GET", "/v1/users/\xff/vector")
    refused(app, 400, "DELETE", "/v1/users/%ed%a0%80")
    assert "128" in refused(app, 422, "GET", "/v1/users/" + "x" * 129)
    refused(app, 404, "GET", "/v1/users/" + "%C3%BC" * 128 + "/vector")
    refused(app, 422, "GET", "/v1/users/" + "%C3%BC" * 129 + "/vector")


@pytest.mark.parametrize("query", ["nope=1", "space_id=", "space_id=a&space_id=a", "space_id=" + "x" * 129])
def test_parameters(app: Service, query: str) -> None:
    refused(app, 422, "GET", f"/v1/users/ann/vector?{query}")
    refused(app, 422, "GET", f"/v1/status?{query}")


def test_bodies_that_are_too_large(fake: Fake) -> None:
    app = Service(fake, limits=Limits(body_bytes=100))
    small, large = b'{"user_ids":["ann"]}'.ljust(100), b'{"user_ids":["ann"]}'.ljust(101)
    assert ask(app, "POST", "/v1/vectors", small).status == 200
    assert "100 bytes" in refused(app, 413, "POST", "/v1/vectors", large)
    assert "100 bytes" in refused(app, 413, "POST", "/v1/vectors", large, content_length="")
    assert "100 bytes" in refused(app, 413, "POST", "/v1/vectors", b"", content_length="101")


def test_more_than_workers_can_catch_up_with(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    app = Service(fake, limits=Limits(waiting=10))
    fake.backlog = 4
    events = {"events": [EVENT | {"event_id": str(number)} for number in range(5)]}
    assert ask(app, "POST", "/v1/events", events).status == 202
    told = ask(app, "POST", "/v1/events", events)
    assert (told.status, told.headers["retry-after"]) == (503, "5")
    assert told.json()["error"] == "the workers are behind: more than 10 messages would wait for them"
    assert len(fake.messages) == 5, "nothing of it was accepted"
    # At the next look it is seen that they have caught up.
    monkeypatch.setattr(desk, "_LOOK", 0.0)
    fake.backlog = 5
    assert ask(app, "POST", "/v1/events", events).status == 202
    fake.backlog = 6
    assert ask(app, "POST", "/v1/events", events).status == 503
    assert ask(app, "DELETE", "/v1/users/ann").status == 200, "who wants to be forgotten always may"


def test_a_rate_for_each_address(fake: Fake) -> None:
    app = Service(fake, limits=Limits(rate=0.001))

    async def run() -> None:
        assert (await asking(app, "GET", "/v1/status", client="10.0.0.1")).status == 200
        told = await asking(app, "GET", "/v1/status", client="10.0.0.1")
        assert told.status == 429
        assert 990 < int(told.headers["retry-after"]) <= 1000
        assert (await asking(app, "GET", "/nowhere", client="10.0.0.1")).status == 429, (
            "pages that aren't there count too"
        )
        assert (await asking(app, "GET", "/v1/status", client="10.0.0.2")).status == 200
        assert (await asking(app, "GET", "/healthz", client="10.0.0.1")).status == 200

    asyncio.run(run())


def test_a_bucket_fills_at_the_rate() -> None:
    now = [0.0]
    rate = Rate(2.0, addresses=2, clock=lambda: now[0])

    def allowed(address: str) -> bool:
        try:
            rate.take(address)
        except Refusal as refusal:
            return refusal.headers != {"retry-after": "1"}
        return True

    assert [allowed("a") for _ in range(3)] == [True, True, False]
    now[0] = 0.5
    assert [allowed("a") for _ in range(2)] == [True, False]
    now[0] = 100.0
    assert [allowed("a") for _ in range(3)] == [True, True, False], "it holds a second's worth"
    # `b` and `c` come, the bucket of `a` is forgotten.
    assert allowed("b")
    assert allowed("c")
    assert [allowed("a") for _ in range(3)] == [True, True, False]
    assert len(rate._buckets) == 2


@pytest.mark.parametrize(
    "wrong",
    [{"body_bytes": 0}, {"body_seconds": 0.0}, {"body_seconds": float("inf")}, {"rate": -1.0}, {"connections": 0}],
)
def test_limits_that_are_none(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=f"{name} is .*, but must be"):
        Limits(**wrong)
