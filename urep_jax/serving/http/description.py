"""What can be asked, and all that may come back, as OpenAPI 3.1: made from the types that read and write it."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from urep_jax.serving.http.endpoints import Endpoint
from urep_jax.serving.http.refusals import MEANING, Error

_REF = "#/components/schemas/{name}"
_ID = {"type": "string", "minLength": 1, "maxLength": 128}


def describe(
    endpoints: Sequence[Endpoint], texts: Mapping[str, tuple[str, str]], free: Collection[str], guarded: bool
) -> dict[str, Any]:
    """The description.

    Args:
        endpoints: that answer in JSON.
        texts: content type and summary of what is answered to GET in other forms, by path.
        free: paths of those that are answered without a token, and at any rate.
        guarded: whether a token is needed.
    """
    types = {one for endpoint in endpoints for one in (endpoint.takes, endpoint.gives) if one is not None}
    ordered = sorted(types, key=repr)
    references, components = msgspec.json.schema_components([*ordered, Error], ref_template=_REF)
    schemas = dict(zip([*ordered, Error], references, strict=True))
    paths: dict[str, Any] = {}
    for one in endpoints:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, schemas, guarded)
    for path, (media, summary) in texts.items():
        answer = {"description": "That.", "content": {media.partition(";")[0]: {"schema": {}}}}
        refused = {str(s): _refused(s, schemas[Error]) for s in _always(path in free, guarded)}
        paths[path] = {"get": {"summary": summary, "responses": {"200": answer, **refused}}}
        if path in free and guarded:
            paths[path]["get"]["security"] = []
    for schema in components.values():
        _mend(schema)
    bearer = {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}} if guarded else {}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "User representations, near real time",
            "version": "1",
            "description": "What happens to users goes in, their vectors come out. Integers have no decimal point.",
        },
        "paths": paths,
        "components": {"schemas": components, **bearer},
        **({"security": [{"token": []}]} if guarded else {}),
    }


def refusals(endpoint: Endpoint, guarded: bool) -> list[int]:
    """Statuses of all refusals that an endpoint may give."""
    found = {*_always(endpoint.free, guarded), *endpoint.refuses}
    if endpoint.takes is not None:
        found |= {400, 408, 413, 415}
    if "{" in endpoint.path:
        found.add(400)
    return sorted(found)


def _always(free: bool, guarded: bool) -> list[int]:
    """Statuses of refusals that have nothing to do with what is asked for."""
    return [421, 422, 500, *([] if free else [429]), *([401] if guarded and not free else [])]


def _operation(endpoint: Endpoint, schemas: Mapping[Any, Any], guarded: bool) -> dict[str, Any]:
    answer = {"description": endpoint.summary + ".", "content": _json(schemas[endpoint.gives])}
    told: dict[str, Any] = {
        "summary": endpoint.summary,
        "operationId": f"{endpoint.method.lower()} {endpoint.path}",
        "responses": {
            str(int(endpoint.status)): answer,
            **{str(status): _refused(status, schemas[Error]) for status in refusals(endpoint, guarded)},
        },
    }
    if parameters := list(_parameters(endpoint)):
        told["parameters"] = parameters
    if endpoint.takes is not None:
        told["requestBody"] = {"required": True, "content": _json(schemas[endpoint.takes])}
    if endpoint.free and guarded:
        told["security"] = []
    return told


def _parameters(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", endpoint.path):
        text = "Any characters, percent-encoded: a slash is %2F."
        yield {"name": name, "in": "path", "required": True, "description": text, "schema": _ID}
    for name in endpoint.query:
        yield {"name": name, "in": "query", "required": False, "schema": _ID}


def _refused(status: int, schema: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"description": MEANING[status], "content": _json(schema)}
    if status in (429, 503):
        text = "Seconds to wait."
        told["headers"] = {"Retry-After": {"description": text, "schema": {"type": "integer"}, "required": True}}
    return told


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _mend(schema: Any) -> None:
    """The first paragraph of a docstring is for readers of the description; `kind` may be left out: it is one only."""
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].partition("\n\n")[0].split())
    if "kind" in schema.get("properties", {}):
        schema["required"] = [name for name in schema["required"] if name != "kind"]
