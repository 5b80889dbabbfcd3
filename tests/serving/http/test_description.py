"""The OpenAPI description tells what is done: schemathesis asks all that it allows, and some that it doesn't."""

from typing import Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from tests.serving.http.fake import SPACES, Fake, ask
from urep_jax.serving.http.app import Service
from urep_jax.serving.http.backend import Found
from urep_jax.serving.http.description import refusals
from urep_jax.serving.http.endpoints import ENDPOINTS
from urep_jax.serving.http.refusals import MEANING

TOKEN = "0123456789abcdef"
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.positive_data_acceptance,
    checks.missing_required_header,
    checks.unsupported_method,
]


class Knowing(Fake):
    """Knows everybody, so that what is asked gets past the 404, and all categories."""

    def check(self, told: Any) -> None:
        """No schema can tell which categories a chain knows."""

    def vectors(self, user_ids: Any) -> Any:
        return Found([self._vector(one) for one in user_ids], SPACES["users"], SPACES)

    def nearest_users(self, user_id: str, k: int) -> Any:
        return super().nearest_users("ann", k)

    def nearest_tracks(self, item_id: str, modality: str | None, k: int) -> Any:
        return super().nearest_tracks("t1", modality, k)

    def rank(self, user_id: str, item_ids: Any, station_id: str | None, by: str | None) -> Any:
        return super().rank("ann", item_ids, station_id, by)

    def user(self, user_id: str) -> Any:
        return super().user("ann")


service = Service(Knowing(), hosts=["testserver"])


async def requests_only(scope: Any, receive: Any, send: Any) -> None:
    """The description is fetched in a life of its own, after which nothing more could be asked."""
    assert scope["type"] == "http"
    await service(scope, receive, send)


schema = schemathesis.openapi.from_asgi("/openapi.json", requests_only)


@schema.hook
def map_body(context: Any, body: Any) -> Any:
    """Whole numbers without a point: to a JSON schema 5.0 is an integer, to us it isn't, as the description says."""
    if isinstance(body, dict):
        return {name: map_body(context, value) for name, value in body.items()}
    if isinstance(body, list):
        return [map_body(context, value) for value in body]
    return int(body) if isinstance(body, float) and body.is_integer() else body


@schema.parametrize()
@settings(max_examples=25, derandomize=True, suppress_health_check=list(HealthCheck))
def test_it_does_what_it_tells(case: schemathesis.Case) -> None:
    case.call_and_validate(checks=CHECKS)


def described(guarded: bool = False) -> dict[str, Any]:
    app = Service(Fake(), token=TOKEN if guarded else None)
    return ask(app, "GET", "/openapi.json", headers={"authorization": f"Bearer {TOKEN}"}).json()


def test_all_endpoints_and_all_their_refusals_are_described() -> None:
    paths = described()["paths"]
    for one in ENDPOINTS:
        told = paths[one.path][one.method.lower()]["responses"]
        assert told.keys() == {str(int(one.status)), *map(str, refusals(one, guarded=False))}
        assert set(refusals(one, guarded=True)) <= MEANING.keys()
    assert {"/", "/metrics", "/openapi.json"} <= paths.keys()
    assert set(paths["/v1/events"]["post"]["responses"]) >= {
        "202",
        "400",
        "408",
        "413",
        "415",
        "422",
        "429",
        "503",
        "507",
    }


def test_a_token_is_described_where_one_is_needed() -> None:
    told = described(guarded=True)
    assert told["security"] == [{"token": []}]
    assert told["paths"]["/healthz"]["get"]["security"] == []
    assert "401" in told["paths"]["/v1/status"]["get"]["responses"]
    assert "401" in told["paths"]["/v1/dead"]["get"]["responses"]
    assert "401" in told["paths"]["/metrics"]["get"]["responses"]
    for path in ("/healthz", "/", "/page.js"):
        assert told["paths"][path]["get"]["security"] == []
        assert not {"401", "429"} & told["paths"][path]["get"]["responses"].keys()
    assert "security" not in described()


def test_words_and_limits_of_messages_are_those_of_the_types() -> None:
    schemas = described()["components"]["schemas"]
    assert schemas["Event"]["properties"]["feedback"] == {"enum": ["down", "play", "skip", "up"]}
    assert schemas["Event"]["required"] == ["user_id", "item_id", "timestamp", "feedback"]
    assert schemas["Event"]["additionalProperties"] is False
    assert schemas["ToldEvents"]["properties"]["events"]["maxItems"] == 1000
    assert schemas["AskedNearest"]["properties"]["k"] == {"type": "integer", "minimum": 1, "maximum": 1000}
    assert schemas["TheDead"]["properties"]["messages"]["maxItems"] == 100
    assert schemas["Dead"]["required"] == ["user_id", "reason", "accepted_at", "body"]
    assert schemas["OneVector"]["required"] == [
        *("user_id", "space_id", "as_of", "computed_at", "events", "values", "spaces"),
    ]


@pytest.mark.parametrize("guarded", [False, True])
def test_it_is_json_that_refers_to_what_is_there(guarded: bool) -> None:
    told = described(guarded)
    text = msgspec.json.encode(told).decode()
    names = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names == told["components"]["schemas"].keys()
