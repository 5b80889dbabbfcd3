"""How fast the stream and the store of online inference are, in SQLite and in Redis.

    python -m benchmarks.online_parts

Each part is used as a service and a worker use it, on one machine. Users have `--records` events, vectors 120 numbers.
The latency is from before `append` in one process until the vector that a worker in another process wrote can be read;
nothing is encoded in between. Redis is a server of the benchmark's own, with `appendfsync always`.

It prints JSON, and the table to the terminal besides.
"""

import argparse
import contextlib
import json
import multiprocessing
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.machine import describe
from experiments.tables import markdown_table
from urep_jax.serving.online.parts import RECORD, Addition, Message, Store, StoredVector, Stream
from urep_jax.serving.online.redis_store import RedisStore
from urep_jax.serving.online.redis_stream import RedisStream
from urep_jax.serving.online.sqlite_store import SqliteStore
from urep_jax.serving.online.sqlite_stream import SqliteStream

_BODY = b'{"kind": "event", "item_id": "track 123456", "timestamp": 1767225600, "feedback": "up", "played_ratio": 1.0}'
_SPACE = "users-aa"
_VALUES = np.linspace(-1, 1, 120, dtype=np.float32)


def opened(kind: str, at: str) -> tuple[Stream, Store]:
    """Both parts, in the process that calls."""
    if kind == "sqlite":
        return SqliteStream(Path(at)), SqliteStore(Path(at))
    return RedisStream(at), RedisStore(at)


@contextlib.contextmanager
def places(kinds: Sequence[str]) -> Iterator[dict[str, str]]:
    """Where the parts of each kind are: a folder, and the URL of a Redis server that lives as long as this."""
    with tempfile.TemporaryDirectory(prefix="urep", ignore_cleanup_errors=True) as folder:
        found = {"sqlite": folder}
        if "redis" not in kinds:
            yield found
            return
        program = shutil.which("redis-server")
        if program is None:
            raise SystemExit("redis-server is not installed; install it, or measure --kinds sqlite alone")
        command = [program, "--port", "0", "--unixsocket", f"{folder}/redis.sock", "--dir", folder, "--save", ""]
        server = subprocess.Popen(
            [*command, "--appendonly", "yes", "--appendfsync", "always"], stdout=subprocess.DEVNULL
        )
        while not Path(folder, "redis.sock").exists():
            time.sleep(0.01)
        try:
            yield found | {"redis": f"unix://{folder}/redis.sock"}
        finally:
            server.kill()
            server.wait()


def rate(call: Callable[[int], int], seconds: float) -> float:
    """How much `call` does a second; it is given how often it was called, and returns how much it did."""
    done = calls = 0
    begin = time.perf_counter()
    while (taken := time.perf_counter() - begin) < seconds:
        done += call(calls)
        calls += 1
    return done / taken


def records_of(start: int, count: int) -> np.ndarray:
    """Records that nobody had yet."""
    made = np.zeros(count, RECORD)
    made["key"] = made["time"] = np.arange(start, start + count)
    return made


def work(kind: str, at: str) -> None:
    """A worker that encodes nothing: for ever."""
    stream, store = opened(kind, at)
    number = 10**9
    while True:
        found = stream.take(256, 1.0)
        users = list(dict.fromkeys(one.message.user_id for one in found))
        states = store.add([Addition(one, records_of(number + place, 1)) for place, one in enumerate(users)])
        number += len(users)
        store.write([_vector(one, state.revision) for one, state in zip(users, states, strict=True)])
        stream.done(found)


def read(kind: str, at: str, users: int, seconds: float, rates: "multiprocessing.Queue[float]") -> None:
    """Vectors read a second, one at a time and a hundred at a time."""
    _, store = opened(kind, at)
    for size in (1, 100):
        rates.put(rate(partial(_read, store, users, size), seconds))


def measured(kind: str, at: str, users: int, records: int, seconds: float) -> dict[str, float]:
    """All rates of one kind."""
    stream, store = opened(kind, at)
    told: dict[str, float] = {}

    def append(number: int, size: int) -> int:
        stream.append([Message(str((number * size + i) % users), _BODY) for i in range(size)], 0.0)
        return size

    def take(_: int) -> int:
        found = stream.take(256, 0.0)
        stream.done(found)
        return len(found)

    told["messages/s appended, posts of 1"] = rate(lambda number: append(number, 1), seconds)
    with ThreadPoolExecutor(16) as pool:
        begin = time.perf_counter()
        counts = pool.map(lambda _: seconds * rate(lambda number: append(number, 1), seconds), range(16))
        told["messages/s appended, posts of 1, 16 threads"] = sum(counts) / (time.perf_counter() - begin)
    told["messages/s appended, posts of 50"] = rate(lambda number: append(number, 50), seconds)
    while stream.lag().waiting < 256 * 40:
        append(0, 256)
    told["messages/s taken and done, 256 at once"] = rate(take, min(seconds, 0.5))
    while take(0):
        pass

    for start in range(0, users, 100):
        store.add([Addition(str(user), records_of(user, records)) for user in range(start, min(start + 100, users))])

    def add(number: int) -> int:
        some = [str((number * 100 + i) % users) for i in range(100)]
        states = store.add([Addition(one, records_of(10**7 + number * 100 + i, 1)) for i, one in enumerate(some)])
        store.write([_vector(one, state.revision) for one, state in zip(some, states, strict=True)])
        return 100

    told["users/s added to, read and given a vector, 100 at once"] = rate(add, seconds)
    known = [state.revision for state in store.add([Addition(str(user), records_of(user, 0)) for user in range(users)])]

    def write(number: int) -> int:
        return store.write(
            [_vector(str(user % users), known[user % users]) for user in range(number * 100, number * 100 + 100)]
        )

    told["vectors/s written, 100 at once"] = rate(write, seconds)
    spawn = multiprocessing.get_context("spawn")
    rates: multiprocessing.Queue[float] = spawn.Queue()
    reader = spawn.Process(target=read, args=(kind, at, users, seconds, rates))
    reader.start()
    told["vectors/s read by another process, 1 at once"] = rates.get()
    told["vectors/s read by another process, 100 at once"] = rates.get()
    reader.join()
    told |= latencies(kind, at, stream, store, seconds)
    stream.close()
    store.close()
    return told


def latencies(kind: str, at: str, stream: Stream, store: Store, seconds: float) -> dict[str, float]:
    """Milliseconds from a post until its vector can be read, while another thread posts 100 messages a second."""
    spawn = multiprocessing.get_context("spawn")
    stream.close()
    stream, _ = opened(kind, at)  # A new one, which takes nothing, so that the worker has all partitions.
    worker = spawn.Process(target=work, args=(kind, at), daemon=True)
    worker.start()
    ended = threading.Event()

    def others() -> None:
        while not ended.wait(0.01):
            stream.append([Message("other", _BODY)], 0.0)

    beside = threading.Thread(target=others)
    beside.start()
    found = []
    for number in range(max(3, int(20 * seconds))):
        user = f"late {number}"
        begin = time.perf_counter()
        stream.append([Message(user, _BODY)], 0.0)
        while store.vectors([user], _SPACE) == [None]:
            time.sleep(0.001)
        found.append(1000 * (time.perf_counter() - begin))
    ended.set()
    beside.join()
    worker.kill()
    worker.join()
    stream.close()
    found = found[1:]  # The first waited for the worker's start.
    return {"ms from post to vector, median": float(np.median(found)), "95%": float(np.quantile(found, 0.95))}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the numbers as JSON, and the table on the standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.online_parts",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kinds", nargs="+", choices=["sqlite", "redis"], default=["sqlite", "redis"])
    parser.add_argument("--users", type=int, default=2000, help="users that are known")
    parser.add_argument("--records", type=int, default=300, help="events of each user")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    given = parser.parse_args(arguments)
    with places(given.kinds) as where:
        results = {kind: measured(kind, where[kind], given.users, given.records, given.seconds) for kind in given.kinds}
    about = {"users": given.users, "records": given.records, "width": len(_VALUES)}
    print(json.dumps({"machine": describe(), "about": about, "online_parts": results}, indent=1))
    rows = [[name, *(f"{results[kind][name]:,.0f}" for kind in given.kinds)] for name in results[given.kinds[0]]]
    Console(stderr=True).print(markdown_table([["", *given.kinds], *rows]), soft_wrap=True, markup=False)


def _vector(user_id: str, revision: int) -> StoredVector:
    return StoredVector(user_id, _SPACE, 1, revision, 1, 0.0, _VALUES)


def _read(store: Store, users: int, size: int, call: int) -> int:
    assert None not in store.vectors([str((call * size + i) % users) for i in range(size)], _SPACE)
    return size


if __name__ == "__main__":
    main()
