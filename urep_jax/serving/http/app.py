"""The ASGI application: who may come in, which endpoint it is, what comes out."""

import asyncio
import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec
from starlette.routing import Match, Route

from urep_jax.serving.http import metrics, page
from urep_jax.serving.http.backend import Backend
from urep_jax.serving.http.description import describe
from urep_jax.serving.http.desk import Desk
from urep_jax.serving.http.endpoints import ENDPOINTS, Asked, Endpoint
from urep_jax.serving.http.limits import ClientGone, Limits, Rate, Receive, read_body
from urep_jax.serving.http.refusals import FAULT, Refusal, refusal_of, unreadable
from urep_jax.serving.http.token import Door

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode

JSON = "application/json"
_LONGEST_ID = 128
_RATE_ELSEWHERE = 1000.0

_ALL_BEAR = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
)
_JSON_BEARS = ((b"content-type", JSON.encode()), *_ALL_BEAR)

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Text(NamedTuple):
    """An answer that isn't made from a struct."""

    media: str
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class _Place(NamedTuple):
    """All that can be done at a path."""

    route: Route
    methods: dict[str, Endpoint]


class Service:
    """The HTTP face of a backend, as an ASGI application.

    Args:
        backend: that is asked.
        host: the address that it is served on: others than loopback need a token.
        token: that requests must bear.
        hosts: that the Host header may name, see `Door`.
        limits: what is put up with.

    Raises:
        ValueError: if others could come in without a token.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        host: str = "127.0.0.1",
        token: str | None = None,
        hosts: Sequence[str] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits if limits is not None else Limits()
        self._door = Door(host, token, hosts)
        rate = self.limits.rate
        if rate is None:
            rate = 0.0 if self._door.loopback else _RATE_ELSEWHERE
        self._rate = Rate(rate) if rate else None
        self._desk = Desk(backend, self.limits.waiting)
        self._metrics = metrics.Metrics()
        texts = {
            **{path: (kind, summary) for path, (kind, _, summary) in page.FILES.items()},
            "/metrics": (metrics.TEXT, "Counts, as Prometheus reads them"),
            "/openapi.json": (JSON, "This description"),
        }
        described = _encode(describe(ENDPOINTS, texts, page.FILES.keys(), self._door.guarded))
        policy = ((b"content-security-policy", page.POLICY.encode()),)

        def shows(kind: str, content: bytes) -> Callable[[Desk, Asked], Awaitable[Text]]:
            async def show(desk: Desk, it: Asked) -> Text:
                return Text(kind, content, policy)

            return show

        async def show_description(desk: Desk, it: Asked) -> Text:
            return Text(JSON, described)

        calls = {path: shows(kind, content) for path, (kind, content, _) in page.FILES.items()}
        calls |= {"/metrics": self._show_metrics, "/openapi.json": show_description}
        # A browser asks for the page before anybody could tell it the token, and the page tells nothing of anyone.
        texts_too = [
            Endpoint("GET", path, calls[path], texts[path][1], Text, refuses=(), free=path in page.FILES)
            for path in texts
        ]
        self._places = list(_places([*ENDPOINTS, *texts_too]))
        # Asked a thousand times as often as all others together, so it isn't looked for.
        (self._vector,) = (one for one in ENDPOINTS if one.path == "/v1/users/{user_id}/vector")
        self._decoders = {one.takes: msgspec.json.Decoder(one.takes) for one in ENDPOINTS if one.takes is not None}

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """What ASGI calls for each request, and once for the whole run."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            await self._answer(scope, receive, send)

    async def close(self) -> None:
        """Wait for what is under way; nothing can be asked afterwards."""
        await asyncio.to_thread(self._desk.close)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return
            await send({"type": "lifespan.startup.complete"})

    async def _answer(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        # Of what a scope holds only this is kept for counts and logs: words of ours, none of a user.
        method, path = "other", "other"
        headers: Sequence[tuple[bytes, bytes]] = _JSON_BEARS
        try:
            heads = dict(scope["headers"])
            self._door.check_host(heads)
            endpoint, name = self._find(scope)
            method, path = endpoint.method, endpoint.path
            if not endpoint.free:
                if self._rate is not None:
                    self._rate.take((scope.get("client") or ("", 0))[0])
                self._door.check_token(heads)
            if isinstance(name, Refusal):
                raise name
            asked = Asked(_segment(name), _query(scope["query_string"], endpoint), None)
            if endpoint.takes is not None:
                asked = asked._replace(body=await self._body(endpoint.takes, heads, receive))
            given = await endpoint.call(self._desk, asked)
            if isinstance(given, Text):
                status, body = 200, given.body
                headers = ((b"content-type", given.media.encode()), *_ALL_BEAR, *given.headers)
            else:
                status, body = endpoint.status, _encode(given)
        except ClientGone:
            return
        except Exception as error:
            refusal = refusal_of(error)
            if refusal is None:
                refusal = FAULT
                _log_fault(method, path, error)
            status, body = refusal.status, _encode(refusal.told)
            headers = (*headers, *((k.encode(), v.encode()) for k, v in refusal.headers.items()))
        self._metrics.count(method, path, int(status), time.perf_counter() - started)
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": int(status), "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": body})

    def _find(self, scope: MutableMapping[str, Any]) -> tuple[Endpoint, "bytes | Refusal"]:
        """The endpoint, and the segment of the path that names a user or track, as it was sent."""
        # `path` is decoded already: a slash of an id can't be told from one between segments.
        raw: bytes = scope["raw_path"]
        if scope["method"] == "GET" and raw.startswith(b"/v1/users/") and raw.endswith(b"/vector"):
            name = raw[len(b"/v1/users/") : -len(b"/vector")]
            if name and b"/" not in name:
                return self._vector, name
        asked = {**scope, "path": raw.decode("latin-1"), "root_path": ""}
        for place in self._places:
            match, found = place.route.matches(asked)
            if match is not Match.NONE:
                method = "GET" if scope["method"] == "HEAD" else scope["method"]
                name = "".join(found["path_params"].values()).encode("latin-1")
                if method in place.methods:
                    return place.methods[method], name
                allowed = ", ".join(sorted(place.methods))
                return _NOWHERE, Refusal(405, "this can't be done here", f"use {allowed}", {"allow": allowed})
        return _NOWHERE, Refusal(404, "there is no such page", "/openapi.json tells what there is")

    async def _body(self, takes: type[Any], heads: dict[bytes, bytes], receive: Receive) -> Any:
        media, _, more = heads.get(b"content-type", b"").lower().partition(b";")
        charset = more.replace(b" ", b"").replace(b'"', b"")
        encoded = heads.get(b"content-encoding", b"identity").lower() != b"identity"
        if media.strip() != JSON.encode() or charset not in (b"", b"charset=utf-8") or encoded:
            raise Refusal(415, "the body isn't plain JSON in UTF-8", f"send it with content-type: {JSON}")
        body = await read_body(receive, heads.get(b"content-length", b"").decode("latin-1") or None, self.limits)
        try:
            return self._decoders[takes].decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise unreadable(error) from error

    async def _show_metrics(self, desk: Desk, it: Asked) -> Text:
        try:
            status = await desk.ask(desk.backend.status)
        except Exception as error:
            if refusal_of(error) is None:
                _log_fault("GET", "/metrics", error)
            status = None
        return Text(metrics.TEXT, self._metrics.text(status, time.time()).encode())


async def _nobody(desk: Desk, it: Asked) -> None:
    raise AssertionError("nothing is there to be called")


_NOWHERE = Endpoint("other", "other", _nobody, "", None)


def _places(endpoints: Sequence[Endpoint]) -> Iterator[_Place]:
    for path in dict.fromkeys(one.path for one in endpoints):
        methods = {one.method: one for one in endpoints if one.path == path}
        yield _Place(Route(path, _nobody), methods)


def _segment(raw: bytes) -> str:
    try:
        name = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError as error:
        raise Refusal(400, "the id in the path isn't UTF-8", "percent-encode the UTF-8 of the id") from error
    if len(name) > _LONGEST_ID:
        raise Refusal(422, f"the id in the path is longer than {_LONGEST_ID} characters", "send the id of the source")
    return name


def _query(raw: bytes, endpoint: Endpoint) -> dict[str, str]:
    if not raw:
        return {}
    found: dict[str, str] = {}
    for name, value in parse_qsl(raw.decode("latin-1"), keep_blank_values=True):
        if name not in endpoint.query or name in found or not 1 <= len(value) <= _LONGEST_ID:
            known = " and ".join(endpoint.query) or "no parameters"
            raise Refusal(422, f"the parameter {name!r} can't be used", f"give {known}, once, of 1 to 128 characters")
        found[name] = value
    return found


def _log_fault(method: str, path: str, error: BaseException) -> None:
    """Where something went wrong, without the error's text: that may name users, and tell what they heard."""
    lines = "".join(traceback.format_tb(error.__traceback__))
    _log.error("%s %s failed with %s\n%s", method, path, type(error).__name__, lines)
