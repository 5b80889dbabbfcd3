"""Whether `task=serve` loses or mistakes anything: processes are killed, the disk is full, the clock is set back.

    python -m benchmarks.serving_faults --workspace outputs --kills 20
    python -m benchmarks.serving_faults --workspace outputs --kills 20 --redis

Clients tell events all the time, and send again, with the same `event_id`s, what wasn't acknowledged. Meanwhile a
worker, the service's main process and Redis are each killed by SIGKILL `--kills` times at random moments, the disk that
has the stream and the store is full for some seconds, and the clock of the service and its workers is an hour behind
for some seconds. A service or a Redis that ends is started again, as whoever runs it has it done; a worker is started
again by the service.

After each fault it is told how long it took until a read was answered, and until an event that was told after it was in
a vector and nothing waited any more but what comes meanwhile; for the disk and the clock the seconds of the fault
itself are in it. At the end each user's records in the store are compared with what was acknowledged, event by event,
and each vector with what `UserEncoder.encode_user` makes of the acknowledged events at the vector's moment. It ends
with status 1 if anything was lost, is there that nobody sent, was refused for good, or is more than 1e-5 off: of the
largest number of the vector, if that is above 1.

A full disk needs root on Linux, for a disk of its own (tmpfs), and is told as left out otherwise. The clock is
`time.time` of those processes alone. It prints JSON, and the table to the terminal besides.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.machine import describe
from benchmarks.service import Redis, Service, add_arguments, borrowed, encoder_of
from experiments.tables import markdown_table
from urep_jax.serving.online.deployment import Deployment
from urep_jax.serving.online.messages import Event, records_of
from urep_jax.serving.online.parts import RECORD, Addition, Store, Stream
from urep_jax.serving.user_encoder import UserEncoder

_TOLERANCE = 1e-5
_CLIENTS = 4
_POST = 5
_AGAIN = {0, 503, 507}
"""Statuses after which sending again is right; 0 where nobody answered."""
_REFUSED = 60.0
"""Seconds in which a full disk has to make a difference."""
_HOLD = 3.0
"""Seconds for which the disk is full, and the clock is behind."""
_CLOCK = """
import time
from pathlib import Path

_shift, _time = Path(__file__).with_name("shift"), time.time
time.time = lambda: _time() + float(_shift.read_text())
"""
"""`sitecustomize.py` of the service and its workers: their `time.time` is off by what a file says."""


class Clients:
    """Threads that tell events at a rate, each until it is acknowledged."""

    def __init__(self, service: Service, users: int, items: Sequence[str], rate: float) -> None:
        self.accepted: list[dict[str, Any]] = []
        self.statuses: defaultdict[int, int] = defaultdict(int)
        self._service, self._users, self._items = service, users, items
        self._probes = 0
        self.behind = int(rate / 2)
        self._pause = _CLIENTS * _POST / rate
        self._over, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._tell_on, args=(number,)) for number in range(_CLIENTS)]

    @property
    def refused(self) -> int:
        """How often the service said that a store was full or away."""
        return self.statuses[503] + self.statuses[507]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def tell(self, events: list[dict[str, Any]]) -> None:
        """Tell until it is acknowledged; also after the end, since what may have been accepted has to be known."""
        while (status := self._service.ask("/v1/events", {"events": events})[0]) != 202:
            with self._lock:
                self.statuses[status] += 1
            time.sleep(0.05)
        with self._lock:
            self.accepted.extend(events)

    def probe(self, patience: float = 120.0) -> None:
        """Tell an event, and wait until it is in a vector.

        Raises:
            TimeoutError: if it never is.
        """
        self._probes += 1
        user = f"probe-{self._probes}"
        drawn = random.Random(self._probes)
        self.tell([self._event(drawn, user, f"probe-{self._probes}")])
        until = time.monotonic() + patience
        while self._service.ask(f"/v1/users/{user}/vector")[0] != 200:
            if time.monotonic() > until:
                raise TimeoutError("an event isn't in its vector:\n" + "".join(self._service.told[-50:]))
            time.sleep(0.01)

    def _event(self, drawn: random.Random, user_id: str, event_id: str) -> dict[str, Any]:
        return {
            "user_id": user_id,
            "item_id": drawn.choice(self._items),
            # Late and early ones, so that the order in which they come isn't that of their times.
            "timestamp": int(time.time()) - drawn.choice([0, 0, 0, 60, 86_400, 864_000]),
            "feedback": drawn.choice(["play", "up", "down", "skip"]),
            "played_ratio": drawn.choice([0.0, 0.25, 1.0]),
            "event_id": event_id,
        }

    def _tell_on(self, number: int) -> None:
        drawn, count = random.Random(number), 0
        while not self._over.wait(self._pause):
            users = [f"listener {drawn.randrange(self._users)}" for _ in range(_POST)]
            self.tell([self._event(drawn, user, f"{number}-{count + i}") for i, user in enumerate(users)])
            count += _POST


class Trial:
    """A service under load, and what is done to it."""

    def __init__(
        self, service: Service, clients: Clients, redis: Redis | None, disk: Path | None, clock: Path | None
    ) -> None:
        self._service, self._clients, self._redis, self._disk, self._clock = service, clients, redis, disk, clock

    def faults(self) -> dict[str, Callable[[], None]]:
        """What can be done here, by name."""
        found: dict[str, Callable[[], None]] = {"worker": self._worker, "service": self._main}
        if self._redis is not None:
            found["redis"] = self._kill_redis
        if self._disk is not None:
            found["disk full"] = self._fill
        if self._clock is not None:
            found["clock back"] = self._set_back
        return found

    def suffer(self, fault: Callable[[], None]) -> dict[str, float]:
        """Seconds until a read was answered, and until what had waited was done."""
        time.sleep(random.uniform(0.1, 1.0))
        begin = time.monotonic()
        fault()
        status = 0
        while status not in (200, 404):
            if time.monotonic() - begin > 120:
                raise TimeoutError(
                    f"two minutes later reads are answered {status}:\n" + "".join(self._service.told[-50:])
                )
            status, _ = self._service.ask("/v1/users/listener%200/vector")
            time.sleep(0.005)
        reads = time.monotonic() - begin
        self._clients.probe()
        self._service.until_idle(self._clients.behind)
        return {"reads_s": reads, "idle_s": time.monotonic() - begin}

    def _worker(self) -> None:
        while not (pids := self._service.workers()):
            time.sleep(0.005)
        os.kill(random.choice(pids), signal.SIGKILL)

    def _main(self) -> None:
        self._service.kill()
        self._service.start()
        self._service.until_ready()

    def _kill_redis(self) -> None:
        assert self._redis is not None
        self._redis.kill()
        self._redis.start()

    def _fill(self) -> None:
        assert self._disk is not None
        filler, refused = self._disk / "filler", self._clients.refused
        until = time.monotonic() + _REFUSED
        with filler.open("wb", buffering=0) as file:
            # What SQLite has room for in its log is still accepted: full is what refuses.
            for size in (1 << 20, 1 << 12):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)) == size:
                        pass
            while self._clients.refused == refused:
                if time.monotonic() > until:
                    raise TimeoutError(f"for {_REFUSED:.0f} s the disk was full, but nothing was refused")
                with contextlib.suppress(OSError):
                    file.write(bytes(1 << 12))
                time.sleep(0.01)
            time.sleep(_HOLD)
        filler.unlink()
        if self._redis is not None and self._redis.process.poll() is not None:
            self._redis.start()

    def _set_back(self) -> None:
        assert self._clock is not None
        _set(self._clock, -3600)
        time.sleep(_HOLD)
        _set(self._clock, 0)


def _set(clock: Path, seconds: int) -> None:
    # In one go: nobody reads half of it.
    clock.with_name("next").write_text(str(seconds))
    clock.with_name("next").replace(clock)


def compared(stream: Stream, store: Store, encoder: UserEncoder, accepted: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What of the acknowledged is missing in the store, what is too much, and how far vectors are off."""
    by_user: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in accepted:
        by_user[event["user_id"]].append(event)
    users = sorted(by_user)
    states = store.add([Addition(user, np.zeros(0, RECORD)) for user in users])
    vectors = store.vectors(users, encoder.space.id)
    strangers = set(store.users(most=1 << 20)) - by_user.keys()
    dead = stream.lag().dead
    lost = extra = stale = missing = 0
    off = 0.0
    for user, state, vector in zip(users, states, vectors, strict=True):
        wanted = {record.tobytes() for record in records_of([Event(**event) for event in by_user[user]])}
        there = {record.tobytes() for record in state.records}
        # What no vector hangs on any more may be gone.
        oldest = max(event["timestamp"] for event in by_user[user]) - encoder.features.cfg.reach
        missed = np.frombuffer(b"".join(wanted - there), RECORD)
        lost, extra = lost + int((missed["time"] >= oldest).sum()), extra + len(there - wanted)
        if vector is None:
            missing += 1
            continue
        since = vector.as_of - encoder.features.cfg.reach
        stale += vector.events != sum(event["timestamp"] >= since for event in by_user[user])
        told = sorted(by_user[user], key=lambda event: event["timestamp"])
        columns = {name: [one[name] for one in told] for name in ("item_id", "timestamp", "feedback", "played_ratio")}
        again = encoder.encode_user(columns, time=vector.as_of).values[0]
        # Vectors of a few events have numbers of 20 and more, of which float32 keeps seven digits.
        off = max(off, float(np.abs(vector.values - again).max() / max(1.0, np.abs(again).max())))
    found: dict[str, float] = {
        "users": len(users),
        "events": len(accepted),
        "lost": lost,
        "extra": extra,
        "strangers": len(strangers),
    }
    found |= {"dead": dead, "without_vector": missing, "stale_vectors": stale, "largest_difference": off}
    wrong = lost or extra or strangers or dead or missing or stale or not off <= _TOLERANCE
    return {**found, "good": not wrong}


@contextlib.contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[Path | None]:
    """A disk of its own; None where that isn't allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    call = ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=700", "tmpfs", str(folder)]
    if not sys.platform.startswith("linux") or os.geteuid() or subprocess.run(call, capture_output=True).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def measured(given: argparse.Namespace) -> dict[str, Any]:
    """All faults, and what is there in the end."""
    encoder = encoder_of(given.workspace, given.chain)
    items = sorted({one for part in encoder.features.modalities for one in part.item_ids.to_pylist()})
    results: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        workspace = stack.enter_context(borrowed(given.workspace))
        kept = workspace / ("redis" if given.redis else "serving")
        disk = None
        if "disk full" in given.faults:
            disk = stack.enter_context(small_disk(kept, given.disk_mib))
        kept.mkdir(exist_ok=True)
        settings, redis = [f"serving.workers={given.workers}"], None
        if given.redis:
            redis = Redis(kept)
            stack.callback(redis.kill)
            settings.append(f"serving.redis={redis.url}")
        clock: Path | None = None
        environment: dict[str, str] = {}
        if "clock back" in given.faults:
            clock = workspace / "clock" / "shift"
            clock.parent.mkdir()
            clock.with_name("sitecustomize.py").write_text(_CLOCK)
            _set(clock, 0)
            environment["PYTHONPATH"] = os.pathsep.join([str(clock.parent), os.environ.get("PYTHONPATH", "")])
        service = Service(workspace, given.chain, settings, environment)
        stack.callback(service.stop)
        service.until_ready()
        with Clients(service, given.users, items, given.rate) as clients:
            trial = Trial(service, clients, redis, disk, clock)
            clients.probe()
            for name, fault in trial.faults().items():
                if name not in given.faults:
                    continue
                times = given.kills if name in ("worker", "service", "redis") else 1
                found = [trial.suffer(fault) for _ in range(times)]
                results[name] = {"times": times}
                for what in ("reads_s", "idle_s"):
                    seconds = [one[what] for one in found]
                    results[name] |= {what: round(float(np.median(seconds)), 2), f"{what}_max": round(max(seconds), 2)}
                print(f"{name}: {results[name]}", file=sys.stderr)
        service.until_idle()
        results["sent_again"] = dict(clients.statuses)
        service.stop()
        deployment = Deployment(
            lineage=workspace / "lineage.sqlite",
            chain=given.chain,
            recommenders=None,
            folder=workspace / "serving" / given.chain,
            redis=None if redis is None else redis.url,
        )
        stream, store = deployment.open()
        with contextlib.closing(stream), contextlib.closing(store):
            results["end"] = compared(stream, store, encoder, clients.accepted)
        results["end"]["good"] &= clients.statuses.keys() <= _AGAIN
    results["left_out"] = sorted(set(given.faults) - results.keys())
    return results


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the numbers as JSON, and the table on the standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving_faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    every = ["worker", "service", "redis", "disk full", "clock back"]
    add_arguments(parser)
    parser.add_argument("--faults", nargs="+", choices=every, default=None, help="all that can be, if left out")
    parser.add_argument("--kills", type=int, default=20, help="of each process")
    parser.add_argument("--users", type=int, default=100, help="users who listen")
    parser.add_argument("--rate", type=float, default=200.0, help="events a second")
    parser.add_argument("--disk-mib", type=int, default=256, help="size of the disk that gets full")
    given = parser.parse_args(arguments)
    given.faults = given.faults or [one for one in every if given.redis or one != "redis"]
    results = measured(given)
    about = {name: value for name, value in vars(given).items() if name != "workspace"}
    print(json.dumps({"machine": describe(), "about": about, "serving_faults": results}, indent=1))
    rows = [["fault", "times", "until reads answer, s", "until nothing waits, s"]]
    for name in given.faults:
        if name in results:
            one = results[name]
            seconds = [f"{one[what]:.2f} (at most {one[f'{what}_max']:.2f})" for what in ("reads_s", "idle_s")]
            rows.append([name, str(one["times"]), *seconds])
    console = Console(stderr=True)
    console.print(markdown_table(rows), soft_wrap=True, markup=False)
    end = results["end"]
    console.print(
        f"{end['events']:,} events of {end['users']} users: {end['lost']} lost, {end['extra']} too many, "
        f"{end['dead']} dead; {end['stale_vectors'] + end['without_vector']} vectors behind, the others at most "
        f"{end['largest_difference']:.1e} off" + ("".join(f"; left out: {one}" for one in results["left_out"])),
        soft_wrap=True,
        markup=False,
    )
    if not end["good"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
