"""How much anyone may ask for, and how slowly."""

import asyncio
import dataclasses
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from urep_jax.serving.http.refusals import Refusal, retry

MOST_EVENTS = 1000
"""Events, or profiles, in one request."""

MOST_IDS = 1000
"""Users or items that are asked about in one request."""

MOST_NEAR = 1000
"""Neighbours that may be asked for."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a service puts up with.

    Attributes:
        body_bytes: of a request's body, at least 1.
        body_seconds: in which all of it must arrive, above 0; the head of a request has as long.
        rate: requests a second from one address, 0 for no limit; None is none on loopback, and 1000 elsewhere.
        connections: open at once, at least 1; further ones are told 503.
        waiting: messages that no vector knows of yet, at least 1; beyond them nothing is accepted, and 503 told. So no
            vector is later than what workers do in the time that so many take them.

    Raises:
        ValueError: if a number is out of range.
    """

    body_bytes: int = 1 << 20
    body_seconds: float = 10.0
    rate: float | None = None
    connections: int = 1024
    waiting: int = 200_000

    def __post_init__(self) -> None:
        for name, least in (("body_bytes", 1), ("connections", 1), ("waiting", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least {least}")
        if not 0 < self.body_seconds < math.inf:
            raise ValueError(f"body_seconds is {self.body_seconds}, but must be above 0 and finite")
        if self.rate is not None and not 0 <= self.rate < math.inf:
            raise ValueError(f"rate is {self.rate}, but must be at least 0 requests a second; 0 sets no limit")


class ClientGone(Exception):
    """Who asked hung up; nobody is there to be told."""


async def read_body(receive: Receive, length: str | None, limits: Limits) -> bytes:
    """The body of a request.

    Args:
        receive: as ASGI has it.
        length: what the request's head says of its length; None if nothing.
        limits: what is put up with.

    Raises:
        Refusal: 413 as soon as it is too large, 408 if it doesn't come in time.
        ClientGone: if the connection ends before it.
    """
    if length is not None and int(length) > limits.body_bytes:
        raise _too_large(limits)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                body += message.get("body", b"")
                if len(body) > limits.body_bytes:
                    raise _too_large(limits)
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError as error:
        # Whatever else comes on this connection is late, too.
        closing = {"connection": "close"}
        text = f"the body did not arrive within {limits.body_seconds:g} seconds"
        raise Refusal(408, text, "send less at once", closing) from error


def _too_large(limits: Limits) -> Refusal:
    return Refusal(413, f"the body is larger than {limits.body_bytes} bytes", "send it in several requests")


class Rate:
    """A bucket of tokens for each address: it holds one second's worth, and fills at the rate.

    Args:
        rate: requests a second, above 0.
        addresses: that are remembered at once; the one that came longest ago is forgotten first, and starts anew.
        clock: in seconds.
    """

    def __init__(self, rate: float, addresses: int = 10_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._most, self._clock = rate, addresses, clock
        self._room = max(rate, 1.0)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str) -> None:
        """Take one token.

        Raises:
            Refusal: 429 if there is none.
        """
        now = self._clock()
        left, then = self._buckets.pop(address, (self._room, now))
        left = min(self._room, left + (now - then) * self._rate)
        allowed = left >= 1
        self._buckets[address] = (left - allowed, now)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        if not allowed:
            text = f"more than {self._rate:g} requests a second came from one address"
            raise retry(429, text, "ask less often, or for more at once", math.ceil((1 - left) / self._rate))
