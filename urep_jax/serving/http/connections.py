"""Hangs up on who dawdles: uvicorn itself waits for the head of a request for as long as a client likes."""

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from urep_jax.serving.http.limits import Limits

_HEAD_BYTES = 1 << 16


def impatient(limits: Limits) -> type[asyncio.Protocol]:
    """A protocol of uvicorn that ends a connection whose request doesn't come in time.

    Args:
        limits: `body_seconds` are the time for a head, too. What comes of a body after its answer is dropped up to
            `body_bytes`, so that who sends it gets to read why it was refused.
    """
    most = _HEAD_BYTES + limits.body_bytes
    base: Any = AutoHTTPProtocol

    class Impatient(base):
        # uvloop's transports don't call themselves asyncio's.
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._came, self._hurry = 0, None
            self._wait()

        def data_received(self, data: bytes) -> None:
            idle = self._idle()
            super().data_received(data)
            if not self._idle():
                self._stop()
            elif idle:
                self._came += len(data)
                if self._came > most:
                    self.transport.abort()
                elif self._hurry is None:
                    self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def _idle(self) -> bool:
            """Whether no request is being answered."""
            return self.cycle is None or self.cycle.response_complete

        def _wait(self) -> None:
            self._hurry = self.loop.call_later(limits.body_seconds, self._late)

        def _stop(self) -> None:
            self._came = 0
            if self._hurry is not None:
                self._hurry.cancel()
                self._hurry = None

        def _late(self) -> None:
            self._hurry = None
            if self._idle():
                self.transport.abort()

    return Impatient
