"""How much `task=serve` carries, over HTTP, on one machine.

    python -m benchmarks.serving --workspace outputs
    python -m benchmarks.serving --workspace outputs --redis --events 2000 --reads 1000 --seconds 300

The service, its workers, Redis and the client are processes of their own. The service gets a copy of the workspace's
lineage and starts with nobody. Three phases follow each other:

- `begin`: each of `--users` gets `--history` events as fast as they are accepted, and all are encoded: what it can
  catch up with.
- `reads`: vectors are read as fast as they go over `--connections` for `--read-seconds`; by wrk where it is installed.
- `events`: `--events` a second are told, in posts of `--post` over several users, with `--reads` a second beside them.
  Open loop: latencies count from when a request was due. Besides, `--probes` events a second are waited for: from when
  the post was due until a read gives a vector that knows of it. The service's own freshness is of its last 2,048
  messages, from their acceptance until the vector was stored. With `--days` so many days pass for users meanwhile:
  their windows fill up, and what is older is removed, so it shows what memory grows to.

Of each process the share of one core is told, and the memory at the start, the middle and the end; besides, the
processor time that a read takes the service, and an event the workers: what else runs changes it less than the rest.

It prints JSON, and the table to the terminal besides.
"""

import argparse
import contextlib
import json
import multiprocessing
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from rich.console import Console

from benchmarks import load
from benchmarks.load import Load, Told, summary
from benchmarks.machine import describe
from benchmarks.service import Meter, Service, add_arguments, encoder_of, running
from experiments.tables import markdown_table


def begin(service: Service, client: ProcessPoolExecutor, asked: Load, history: int) -> dict[str, Any]:
    """Everybody gets a history."""
    started = time.monotonic()
    told: Told = client.submit(load.run, asked, "all_once", history).result()
    service.until_idle(patience=600)
    seconds = time.monotonic() - started
    return {
        "events": told.accepted,
        "events_per_s": round(told.accepted / seconds),
        "accepted_per_s": round(told.accepted / told.seconds),
        "failed": sum(told.failed.values()),
    }


def reads(client: ProcessPoolExecutor, asked: Load, by_wrk: bool) -> dict[str, Any]:
    """Vectors as fast as they go."""
    if by_wrk and (found := load.wrk(asked)) is not None:
        return found
    told: Told = client.submit(load.run, asked, "closed_loop").result()
    seconds = told.latency["reads"]
    return {
        "client": "own",
        "count": len(seconds),
        "per_s": round(len(seconds) / told.seconds),
        **summary(seconds),
        "failed": sum(told.failed.values()),
        "client_cpu": round(told.cpu_seconds / told.seconds, 3),
    }


def events(service: Service, client: ProcessPoolExecutor, asked: Load) -> dict[str, Any]:
    """Events at a rate, and reads beside them."""
    told: Told = client.submit(load.run, asked).result()
    status, at_end = service.ask("/v1/status")
    fresh = at_end["freshness"] if status == 200 and at_end["freshness"] else {"median": 0.0, "p99": 0.0}
    return {
        "events": told.accepted,
        "accepted_per_s": round(told.accepted / told.seconds),
        **{kind: {"count": len(seconds), **summary(seconds)} for kind, seconds in sorted(told.latency.items())},
        "freshness": {"p50_ms": round(1000 * fresh["median"], 2), "p99_ms": round(1000 * fresh["p99"], 2)},
        "failed": sum(told.failed.values()),
        "failures": told.failed,
        "waiting_at_end": at_end["waiting"] if at_end else None,
        "dead": at_end["dead"] if at_end else None,
        "seconds_until_idle": round(service.until_idle(), 2),
        "client_cpu": round(told.cpu_seconds / told.seconds, 3),
    }


def costs(phase: str, found: Mapping[str, Any], meter: Meter) -> dict[str, float]:
    """Microseconds of processor time: a read of the service, an event of all workers."""
    if phase == "reads":
        return {"service_us_per_read": round(1e6 * meter.cpu_seconds("service") / max(found["count"], 1), 1)}
    return {"workers_us_per_event": round(1e6 * meter.cpu_seconds("worker") / max(found["events"], 1), 1)}


def measured(given: argparse.Namespace) -> dict[str, Any]:
    """All phases."""
    items = sorted(
        {
            one
            for part in encoder_of(given.workspace, given.chain).features.modalities
            for one in part.item_ids.to_pylist()
        }
    )
    users = [f"listener-{number}" for number in range(given.users)]
    results: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        started = time.monotonic()
        _, service, redis = stack.enter_context(running(given))
        results["start_s"] = round(time.monotonic() - started, 1)
        spawn = multiprocessing.get_context("spawn")
        client = stack.enter_context(ProcessPoolExecutor(1, mp_context=spawn))
        pids = {} if redis is None else {"redis": redis.process.pid}
        pids |= {"service": service.process.pid}
        pids |= {f"worker {number}": pid for number, pid in enumerate(service.workers())}
        asked = Load(service.port, users, items, given.read_seconds, given.connections)
        phases = {
            "begin": lambda: begin(service, client, asked, given.history),
            "reads": lambda: reads(client, asked, given.client == "wrk"),
            "events": lambda: events(
                service,
                client,
                asked._replace(
                    **{name: getattr(given, name) for name in ("seconds", "events", "post", "reads", "probes", "days")}
                ),
            ),
        }
        for name in given.phases:
            with Meter(pids) as meter:
                results[name] = phases[name]()
            results[name]["processes"] = meter.told()
            results[name] |= costs(name, results[name], meter)
    return results


def rows(results: Mapping[str, Any]) -> list[list[str]]:
    """The table."""
    told = [["phase", "", "a second", "p50, ms", "p99, ms", "largest, ms", "failed"]]

    def row(phase: str, what: str, rate: object, found: Mapping[str, float], failed: object = "") -> None:
        numbers = [f"{found[name]:,.1f}" if name in found else "" for name in ("p50_ms", "p99_ms", "max_ms")]
        told.append([phase, what, str(rate), *numbers, str(failed)])

    if "begin" in results:
        row("begin", "events encoded", f"{results['begin']['events_per_s']:,}", {}, results["begin"]["failed"])
    if "reads" in results:
        found = results["reads"]
        row("reads", f"vectors, {found['client']}", f"{found['per_s']:,}", found, found["failed"])
    if "events" in results:
        found = results["events"]
        row("events", "accepted, and posts", f"{found['accepted_per_s']:,}", found.get("posts", {}), found["failed"])
        row("events", "reads beside", "", found.get("reads", {}))
        row("events", "fresh, from outside", "", found.get("probes", {}))
        row("events", "fresh, as the service says", "", found["freshness"])
    for phase in ("begin", "reads", "events"):
        cost = {name: one for name, one in results.get(phase, {}).items() if "_us_per_" in name}
        told += [[phase, f"{one:,.0f} {name.replace('_', ' ')}", *[""] * 5] for name, one in cost.items()]
        for name, one in results.get(phase, {}).get("processes", {}).items():
            memory = " → ".join(f"{one[f'mib_{when}']:,.0f}" for when in ("start", "middle", "end"))
            told.append([phase, f"{name}: {one['cpu']:.2f} cores, {memory} MiB", *[""] * 5])
    return told


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the numbers as JSON, and the table on the standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument("--users", type=int, default=2000, help="users who listen")
    parser.add_argument("--history", type=int, default=20, help="events of each user at the beginning")
    parser.add_argument(
        "--phases", nargs="+", choices=["begin", "reads", "events"], default=["begin", "reads", "events"]
    )
    parser.add_argument("--client", choices=["wrk", "own"], default="wrk", help="of the phase of reads")
    parser.add_argument("--connections", type=int, default=32, help="that the client keeps")
    parser.add_argument("--read-seconds", type=float, default=20.0, help="of the phase of reads")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the phase of events")
    parser.add_argument("--events", type=float, default=2000.0, help="events a second")
    parser.add_argument("--post", type=int, default=10, help="events of one post")
    parser.add_argument("--reads", type=float, default=1000.0, help="reads a second beside the events")
    parser.add_argument("--probes", type=float, default=5.0, help="events a second whose vectors are waited for")
    parser.add_argument("--days", type=float, default=0.0, help="that pass for users in the phase of events")
    given = parser.parse_args(arguments)
    results = measured(given)
    about = {name: value for name, value in vars(given).items() if name != "workspace"}
    print(json.dumps({"machine": describe(), "about": about, "serving": results}, indent=1))
    Console(stderr=True).print(markdown_table(rows(results)), soft_wrap=True, markup=False)


if __name__ == "__main__":
    main()
