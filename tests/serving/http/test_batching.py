"""Many requests, one call."""

import asyncio
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urep_jax.serving.http.batching import Coalescer

# Parts of a request, of which a 0 makes its call fail, and whether it is cancelled while it waits.
REQUEST = st.tuples(st.lists(st.integers(0, 9), min_size=1, max_size=4), st.booleans())


class Calls:
    """A call that waits at a gate, and remembers what it was called with."""

    def __init__(self) -> None:
        self.seen: list[list[int]] = []
        self.threads: set[int] = set()
        self.gate, self.inside = threading.Event(), threading.Event()

    def __call__(self, parts: Sequence[int]) -> list[int]:
        self.seen.append(list(parts))
        self.threads.add(threading.get_ident())
        self.inside.set()
        assert self.gate.wait(20)
        if 0 in parts:
            raise ZeroDivisionError
        return [10 * part for part in parts]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def shares(requests: Sequence[list[int]], most: int) -> list[list[list[int]]]:
    """Which requests go into one call."""
    calls: list[list[list[int]]] = []
    for parts in requests:
        if calls and sum(map(len, calls[-1])) + len(parts) <= most:
            calls[-1].append(parts)
        else:
            calls.append([parts])
    return calls


@given(st.lists(REQUEST, max_size=8), st.integers(1, 8))
def test_those_who_wait_share_calls_and_each_gets_its_own(requests: list[tuple[list[int], bool]], most: int) -> None:
    async def run() -> None:
        calls = Calls()
        coalescer = Coalescer(calls, most)
        first = asyncio.ensure_future(coalescer([1]))
        await asyncio.to_thread(calls.inside.wait, 20)
        # The first is in its call, so all of these wait.
        tasks = [asyncio.ensure_future(coalescer(parts)) for parts, _ in requests]
        await settle()
        for task, (_, leaves) in zip(tasks, requests, strict=True):
            if leaves:
                task.cancel()
        await settle()
        calls.gate.set()
        assert await first == [10]
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        expected = shares([parts for parts, leaves in requests if not leaves], most)
        assert calls.seen[1:] == [[part for parts in call for part in parts] for call in expected]
        fate = iter([(parts, call) for call in expected for parts in call])
        for end, (_, leaves) in zip(ends, requests, strict=True):
            if leaves:
                assert isinstance(end, asyncio.CancelledError)
                continue
            parts, call = next(fate)
            if any(0 in other for other in call):
                assert isinstance(end, ZeroDivisionError)
            else:
                assert end == [10 * part for part in parts]
        assert await coalescer([2, 3]) == [20, 30], "it goes on after failures"
        assert len(calls.threads) == 1
        assert calls.threads != {threading.get_ident()}
        coalescer.close()

    asyncio.run(run())


@given(st.lists(st.booleans(), min_size=1, max_size=5))
def test_who_leaves_during_a_call_leaves_the_others_alone(leave: list[bool]) -> None:
    async def run() -> None:
        calls = Calls()
        coalescer = Coalescer(calls, 9)
        tasks = [asyncio.ensure_future(coalescer([place + 1])) for place in range(len(leave))]
        await asyncio.to_thread(calls.inside.wait, 20)
        for task, leaves in zip(tasks, leave, strict=True):
            if leaves:
                task.cancel()
        await settle()
        calls.gate.set()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert await coalescer([9]) == [90]
        assert calls.seen == [list(range(1, len(leave) + 1)), [9]]
        for place, (end, leaves) in enumerate(zip(ends, leave, strict=True)):
            assert isinstance(end, asyncio.CancelledError) if leaves else end == [10 * (place + 1)]
        coalescer.close()

    asyncio.run(run())


def test_a_failure_is_for_those_in_the_call_only() -> None:
    async def run() -> None:
        calls = Calls()
        coalescer = Coalescer(calls, 2)
        tasks = [asyncio.ensure_future(coalescer(parts)) for parts in ([1], [0], [2], [3])]
        calls.gate.set()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert calls.seen == [[1, 0], [2, 3]]
        assert [type(end) for end in ends[:2]] == [ZeroDivisionError, ZeroDivisionError]
        assert ends[2:] == [[20], [30]]
        coalescer.close()

    asyncio.run(run())


def test_a_call_must_give_a_result_for_each() -> None:
    async def run() -> None:
        coalescer: Coalescer[int, int] = Coalescer(lambda parts: [], 2)
        with pytest.raises(RuntimeError, match="0 results came for 1 parts"):
            await coalescer([1])
        coalescer.close()

    asyncio.run(run())


def test_when_the_loop_stops_nobody_is_left_waiting() -> None:
    async def run() -> list[object]:
        calls = Calls()
        coalescer = Coalescer(calls, 1)
        tasks = [asyncio.ensure_future(coalescer([part])) for part in (1, 2)]
        await asyncio.get_running_loop().run_in_executor(None, calls.inside.wait, 20)
        assert coalescer._running is not None
        coalescer._running.cancel()
        calls.gate.set()
        ends = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 20)
        coalescer.close()
        return ends

    assert [type(end) for end in asyncio.run(run())] == [asyncio.CancelledError, asyncio.CancelledError]


def test_most_is_at_least_one() -> None:
    with pytest.raises(ValueError, match="most is 0, but must be at least 1"):
        Coalescer(lambda parts: parts, 0)
