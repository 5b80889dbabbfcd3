"""Many requests, one call: all that wait while a call is under way go into the next one together."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")


class Coalescer(Generic[Part, Result]):
    """Hands the parts of all requests that wait at a moment to one call, and each request the results of its own.

    A store that writes to disk takes about as long for a hundred messages as for one (group commit), and a thread is
    changed once for all. Nobody waits for a batch to fill: a request that comes alone is called for alone, at once.

    A call that fails, fails for those whose parts are in it. A request that is cancelled leaves the others alone; if
    its call hasn't begun, its parts are not called for.

    Args:
        call: gives one result for each part, in order. It may block: it has a thread of its own, always the same one.
        most: parts that go into one call, at least 1. A request with more goes alone, whole.
        name: of the thread.

    Raises:
        ValueError: if `most` is below 1.
    """

    def __init__(self, call: Callable[[Sequence[Part]], Sequence[Result]], most: int, name: str = "coalescer") -> None:
        if most < 1:
            raise ValueError(f"most is {most}, but must be at least 1 part a call")
        self._call, self._most = call, most
        self._thread = ThreadPoolExecutor(1, name)
        self._waiting: deque[tuple[Sequence[Part], asyncio.Future[Sequence[Result]]]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, parts: Sequence[Part]) -> Sequence[Result]:
        """The results for these parts.

        Raises:
            Exception: what the call raised.
        """
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[Sequence[Result]] = loop.create_future()
        self._waiting.append((parts, mine))
        if self._running is None:
            self._running = loop.create_task(self._run())
        return await mine

    def close(self) -> None:
        """Wait for the call under way, and let go of the thread."""
        self._thread.shutdown()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while batch := self._next():
                parts = [part for own, _ in batch for part in own]
                try:
                    results = await loop.run_in_executor(self._thread, self._checked, parts)
                except BaseException as error:
                    _fail(batch, error)
                    if not isinstance(error, Exception):
                        raise
                    continue
                first = 0
                for own, future in batch:
                    if not future.done():
                        future.set_result(results[first : first + len(own)])
                    first += len(own)
        finally:
            self._running = None
            # Only when the loop itself is being stopped is there anyone left.
            _fail(self._waiting, asyncio.CancelledError())
            self._waiting.clear()

    def _next(self) -> list[tuple[Sequence[Part], "asyncio.Future[Sequence[Result]]"]]:
        batch: list[tuple[Sequence[Part], asyncio.Future[Sequence[Result]]]] = []
        count = 0
        while self._waiting:
            parts, future = self._waiting[0]
            if not future.done():
                if batch and count + len(parts) > self._most:
                    break
                batch.append((parts, future))
                count += len(parts)
            self._waiting.popleft()
        return batch

    def _checked(self, parts: Sequence[Part]) -> Sequence[Result]:
        results = self._call(parts)
        if len(results) != len(parts):
            raise RuntimeError(f"{len(results)} results came for {len(parts)} parts; the call must give one for each")
        return results


def _fail(batch: Sequence[tuple[Sequence[Part], "asyncio.Future[Sequence[Result]]"]], error: BaseException) -> None:
    for _, future in batch:
        if future.done():
            continue
        if isinstance(error, Exception):
            future.set_exception(error)
            # Who asked may be cancelled in this very moment; then nobody looks at it, and that's fine.
            future.exception()
        else:
            future.cancel()
