"""Between the event loop and a backend, which blocks."""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from urep_jax.core.spaces import SpaceMismatch
from urep_jax.serving.http.backend import Backend
from urep_jax.serving.http.batching import Coalescer
from urep_jax.serving.http.limits import Limits
from urep_jax.serving.http.refusals import Refusal, retry
from urep_jax.serving.online.messages import Told, message_of
from urep_jax.serving.online.parts import Message, StoredVector

Answer = TypeVar("Answer")

_THREADS = 8
_CHECKING = 2
_SEARCHING = 4
_FORGETTING = 2
_MOST_READ = 4096
_MOST_ACCEPTED = 8192
_LOOK = 0.5
"""Seconds between two looks at how much waits."""


class Read(NamedTuple):
    """A vector as it was read, None for none, and the space and the spaces of that moment."""

    vector: StoredVector | None
    space_id: str
    spaces: Mapping[str, str]


class Desk:
    """Calls a backend in threads, reads and what is accepted in batches.

    Args:
        backend: that is called.
        most_waiting: messages that may wait for workers.
    """

    def __init__(self, backend: Backend, most_waiting: int = Limits.waiting) -> None:
        self.backend, self._most_waiting = backend, most_waiting
        self._waiting, self._looked = 0, -math.inf
        self._threads = ThreadPoolExecutor(_THREADS, "backend")
        # What is accepted is looked at first, which takes no time, and waits for nobody else's questions.
        self._checking = ThreadPoolExecutor(_CHECKING, "check")
        # Neighbours and portraits are made of much; nobody else is to wait for them.
        self._searching = ThreadPoolExecutor(_SEARCHING, "search")
        # Forgetting waits for workers; nobody else is to wait for it.
        self._forgetting = ThreadPoolExecutor(_FORGETTING, "forgetting")
        self._reads: Coalescer[str, Read] = Coalescer(self._read, _MOST_READ, "vectors")
        self._accepts: Coalescer[Message, None] = Coalescer(self._accept, _MOST_ACCEPTED, "accept")

    async def read(self, user_ids: Sequence[str], space_id: str | None = None) -> Sequence[Read]:
        """Vectors of users.

        Raises:
            SpaceMismatch: if vectors of another space are served than was asked for, whether the users have any or not.
        """
        found = await self._reads(user_ids)
        if space_id is not None:
            for one in found:
                refuse_other_space(space_id, one.space_id)
        return found

    async def accept(self, told: Sequence[Told], places: Sequence[str]) -> int:
        """Accept all that was told, or nothing; how much it is.

        Args:
            told: that is accepted.
            places: where each stands in what was sent, for a refusal.

        Raises:
            Refusal: 422 if the backend can't use some of it; 503 if too much waits for workers.
        """
        loop = asyncio.get_running_loop()
        reasons = await loop.run_in_executor(self._checking, lambda: list(map(self.backend.check, told)))
        for place, reason in zip(places, reasons, strict=True):
            if reason is not None:
                raise Refusal(422, f"{reason} - at `{place}`", "mend it, and send all again: nothing was accepted")
        await self._accepts([message_of(one) for one in told])
        return len(told)

    async def ask(self, call: Callable[[], Answer]) -> Answer:
        """What a call gives that may block."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def search(self, call: Callable[[], Answer]) -> Answer:
        """What a call gives that may look through everything there is."""
        return await asyncio.get_running_loop().run_in_executor(self._searching, call)

    async def forget(self, user_id: str) -> bool:
        """Forget a user; whether there was anything."""
        return await asyncio.get_running_loop().run_in_executor(self._forgetting, self.backend.forget, user_id)

    def close(self) -> None:
        """Wait for what is under way, and let go of the threads."""
        for one in (self._reads, self._accepts):
            one.close()
        for pool in (self._threads, self._checking, self._searching, self._forgetting):
            pool.shutdown()

    def _read(self, user_ids: Sequence[str]) -> list[Read]:
        found = self.backend.vectors(user_ids)
        return [Read(vector, found.space_id, found.spaces) for vector in found.vectors]

    def _accept(self, messages: Sequence[Message]) -> Sequence[None]:
        # Between two looks it counts what comes, and not what is done.
        if (now := time.monotonic()) - self._looked > _LOOK:
            self._waiting, self._looked = self.backend.waiting(), now
        if self._waiting + len(messages) > self._most_waiting:
            text = f"the workers are behind: more than {self._most_waiting:,} messages would wait for them"
            raise retry(503, text, "send the same again later; nothing of it was accepted", 5)
        self.backend.accept(messages)
        self._waiting += len(messages)
        return [None] * len(messages)


def refuse_other_space(wanted: str | None, found: str) -> None:
    """Refuse vectors of another space than was asked for.

    Raises:
        SpaceMismatch: if one was asked for, and it is another.
    """
    if wanted is not None and wanted != found:
        raise SpaceMismatch(f"vectors of {wanted!r} were asked for, but those that are served are of {found!r}")
