"""A client that puts load on a service over HTTP: kept connections, many requests at once, in one thread.

Open loop: a request is due when the clock says so, whether or not those before it were answered, and its latency counts
from then. So a service that stands still for a second is told of by all who would have asked in it.
"""

import asyncio
import contextlib
import itertools
import random
import re
import resource
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_SPACES = re.compile(rb'"spaces":(\{[^}]*\})')
_encode = msgspec.json.Encoder().encode
_DAY = 86_400
_POLL = 0.003
"""Seconds between two looks whether a vector is fresh."""


class Load(NamedTuple):
    """What is asked of a service.

    Attributes:
        port: of it, on this machine.
        users: ids of users.
        items: ids of items that events tell of.
        seconds: for how long.
        connections: that are kept.
        events: a second; 0 for none.
        post: events of one request.
        reads: a second; 0 for none.
        probes: a second: events whose vectors are waited for.
        rankings: a second, of a hundred items each; 0 for none.
        days: that pass for users meanwhile, the last of them today; 0 where events are told as they happen.
    """

    port: int
    users: Sequence[str]
    items: Sequence[str]
    seconds: float
    connections: int = 64
    events: float = 0.0
    post: int = 10
    reads: float = 0.0
    probes: float = 0.0
    rankings: float = 0.0
    days: float = 0.0


class Told(NamedTuple):
    """What came of it.

    Attributes:
        latency: seconds of each request that was answered well, by kind.
        failed: how many were not, by kind and status.
        accepted: events.
        spaces: how many vectors and rankings came from which spaces, as they told it.
        cpu_seconds: of this client.
        seconds: that it ran.
    """

    latency: dict[str, np.ndarray]
    failed: dict[str, int]
    accepted: int
    spaces: dict[str, int]
    cpu_seconds: float
    seconds: float


def summary(seconds: np.ndarray) -> dict[str, float]:
    """Milliseconds at p50, p99 and the largest."""
    if not len(seconds):
        return {"p50_ms": float("nan"), "p99_ms": float("nan"), "max_ms": float("nan")}
    p50, p99, most = 1000 * np.percentile(seconds, [50, 99, 100])
    return {"p50_ms": round(float(p50), 2), "p99_ms": round(float(p99), 2), "max_ms": round(float(most), 2)}


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.closed = asyncio.Event()
        self._asked: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def ask(self, request: bytes) -> Awaitable[tuple[int, bytes]]:
        self._asked = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._asked

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._buffer, 0, end)
        whole = end + 4 + (int(length[1]) if length else 0)
        if len(self._buffer) >= whole and self._asked is not None and not self._asked.done():
            self._asked.set_result((int(self._buffer[9:12]), bytes(self._buffer[end + 4 : whole])))
            del self._buffer[:whole]

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()
        if self._asked is not None and not self._asked.done():
            self._asked.set_exception(ConnectionResetError("the service hung up"))


class Client:
    """Kept connections to a service; who finds none free waits for one."""

    def __init__(self, port: int, connections: int) -> None:
        self._port = port
        self._free: asyncio.LifoQueue[_Connection | None] = asyncio.LifoQueue()
        for _ in range(connections):
            self._free.put_nowait(None)

    async def __call__(self, request: bytes) -> tuple[int, bytes]:
        """Status and body; 0 and nothing where nobody answers."""
        one = await self._free.get()
        try:
            if one is None or one.transport.is_closing():
                made = asyncio.get_running_loop().create_connection(_Connection, "127.0.0.1", self._port)
                _, one = await made
            return await one.ask(request)
        except OSError:
            one = None
            return 0, b""
        finally:
            self._free.put_nowait(one)

    async def close(self) -> None:
        """Hang up; nothing is under way any more."""
        while not self._free.empty():
            one = self._free.get_nowait()
            if one is not None:
                one.transport.close()
                await one.closed.wait()


def get(user_id: str) -> bytes:
    """A request for a vector."""
    return f"GET /v1/users/{user_id}/vector HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def post(events: Sequence[dict[str, Any]]) -> bytes:
    """A request that tells of events."""
    return _post("events", {"events": events})


def rank(user_id: str, item_ids: Sequence[str]) -> bytes:
    """A request for a ranking."""
    return _post(f"users/{user_id}/rank", {"item_ids": item_ids})


def _post(path: str, told: dict[str, Any]) -> bytes:
    body = _encode(told)
    head = f"POST /v1/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def moment(load: Load, begin: float, now: float) -> int:
    """The moment of who listens, seconds since 1970, at a moment of a load that has begun at another."""
    left = max(1 - (now - begin) / max(load.seconds, 1e-9), 0.0)
    return int(now - left * load.days * _DAY)


class _Run:
    """One load under way."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._ask = Client(load.port, load.connections)
        self._latency: dict[str, list[float]] = {}
        self._failed: Counter[str] = Counter()
        self._spaces: Counter[str] = Counter()
        self._accepted = 0
        self._random = random.Random(time.time_ns())
        self._name, self._number = f"{time.time_ns():x}", itertools.count()
        self._gets = [get(user) for user in load.users]
        self._begin = time.time()

    def _event(self, user_id: str) -> dict[str, Any]:
        return {
            "user_id": user_id,
            "item_id": self._random.choice(self._load.items),
            "timestamp": moment(self._load, self._begin, time.time()),
            "feedback": "play",
            "played_ratio": 1.0,
            "event_id": f"{self._name}-{next(self._number)}",
        }

    def _done(self, kind: str, status: int, due: float) -> bool:
        good = 200 <= status < 300
        if good:
            self._latency.setdefault(kind, []).append(time.perf_counter() - due)
        else:
            self._failed[f"{kind} {status}"] += 1
        return good

    def _answered(self, kind: str, status: int, body: bytes, due: float) -> None:
        if self._done(kind, status, due):
            found = _SPACES.search(body)
            self._spaces[found[1].decode() if found else ""] += 1

    async def _read(self, due: float) -> None:
        status, body = await self._ask(self._random.choice(self._gets))
        self._answered("reads", status, body, due)

    async def _rank(self, due: float) -> None:
        load = self._load
        status, body = await self._ask(rank(self._random.choice(load.users), self._random.choices(load.items, k=100)))
        self._answered("rankings", status, body, due)

    async def _post(self, due: float) -> None:
        users = self._random.choices(self._load.users, k=self._load.post)
        status, _ = await self._ask(post([self._event(user) for user in users]))
        if self._done("posts", status, due):
            self._accepted += self._load.post

    async def _probe(self, due: float) -> None:
        user = f"probe {self._name}-{next(self._number)}".replace(" ", "-")
        status, _ = await self._ask(post([self._event(user)]))
        if not 200 <= status < 300:
            self._failed[f"probes {status}"] += 1
            return
        self._accepted += 1
        while time.perf_counter() - due < 60:
            status, _ = await self._ask(get(user))
            if status == 200:
                break
            await asyncio.sleep(_POLL)
        self._done("probes", status, due)

    async def open_loop(self) -> None:
        """All that is asked for, each at its rate."""
        load = self._load
        kinds = [(load.reads, self._read), (load.rankings, self._rank), (load.probes, self._probe)]
        kinds.append((load.events / load.post, self._post))
        await asyncio.gather(*(self._at_rate(rate, one) for rate, one in kinds if rate))

    async def _at_rate(self, rate: float, one: Callable[[float], Awaitable[None]]) -> None:
        begin = time.perf_counter()
        under_way: set[asyncio.Future[None]] = set()
        for number in range(int(self._load.seconds * rate)):
            due = begin + number / rate
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            task = asyncio.ensure_future(one(due))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)

    async def closed_loop(self) -> None:
        """Reads, as fast as they go."""
        until = time.perf_counter() + self._load.seconds

        async def keep_reading() -> None:
            while (now := time.perf_counter()) < until:
                await self._read(now)

        await asyncio.gather(*(keep_reading() for _ in range(self._load.connections)))

    async def all_once(self, each: int) -> None:
        """So many events of each user, in large posts, as fast as they go."""
        told = [self._event(user) for _ in range(each) for user in self._load.users]
        portions = [told[start : start + 500] for start in range(0, len(told), 500)]

        async def send(portion: list[dict[str, Any]]) -> None:
            status, _ = await self._ask(post(portion))
            if self._done("posts", status, time.perf_counter()):
                self._accepted += len(portion)

        for start in range(0, len(portions), 4):
            await asyncio.gather(*map(send, portions[start : start + 4]))

    async def close(self) -> None:
        await self._ask.close()

    def told(self, cpu: float, begin: float) -> Told:
        latency = {kind: np.array(seconds) for kind, seconds in self._latency.items()}
        taken = time.process_time() - cpu, time.perf_counter() - begin
        return Told(latency, dict(self._failed), self._accepted, dict(self._spaces), *taken)


def run(load: Load, way: str = "open_loop", *arguments: int) -> Told:
    """Put a load on a service, in this process.

    Args:
        load: what is asked.
        way: a method of `_Run`: `open_loop`, `closed_loop` for reads as fast as they go, `all_once`.
        arguments: the method's.
    """
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):
        import uvloop

        factory = uvloop.new_event_loop

    async def whole() -> Told:
        one, cpu, begin = _Run(load), time.process_time(), time.perf_counter()
        await getattr(one, way)(*arguments)
        told = one.told(cpu, begin)
        await one.close()
        return told

    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(whole())


_LUA = """
local users = {%s}
local number = 0
request = function()
  number = number + 1
  return wrk.format("GET", "/v1/users/" .. users[number %% #users + 1] .. "/vector")
end
done = function(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print(string.format("told %%d %%d %%d %%d %%d %%d", summary.requests, summary.duration, failed,
    latency:percentile(50), latency:percentile(99), latency.max))
end
"""


def wrk(load: Load) -> dict[str, Any] | None:
    """Reads as fast as they go, by wrk in one thread; None where there is no wrk."""
    if shutil.which("wrk") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "reads.lua")
        script.write_text(_LUA % ",".join(f'"{user}"' for user in load.users))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = ["wrk", "-t1", f"-c{load.connections}", f"-d{max(1, round(load.seconds))}s", "-s", str(script)]
        said = subprocess.run(
            [*command, f"http://127.0.0.1:{load.port}"], check=True, capture_output=True, text=True
        ).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = re.search(r"told (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)", said)
    assert found, said
    requests, duration, failed, p50, p99, most = map(int, found.groups())
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "client": "wrk",
        "count": requests,
        "per_s": round(1e6 * requests / duration),
        "p50_ms": p50 / 1000,
        "p99_ms": p99 / 1000,
        "max_ms": most / 1000,
        "failed": failed,
        "client_cpu": round(cpu * 1e6 / duration, 3),
    }
