"""Users a second whose nearest items are found, beside faiss, by size of the catalogue: `python -m benchmarks.ranking`.

Both look at every item and give the same ones: `serving.neighbours.exact_neighbours`, which goes through the items in
blocks, and faiss's `Flat` index (extra `neighbours`). They take turns, and the ratio is taken within each round.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from benchmarks.machine import describe
from benchmarks.training import times
from urep_jax.serving.neighbours import Neighbours, exact_neighbours, faiss_search

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)


def measure(items: int, users: int, width: int, k: int, rounds: int) -> dict[str, dict[str, Any]]:
    """Let both find items of one catalogue, in turns."""
    rng = np.random.default_rng(0)
    users_NxD, items_VxD = (rng.standard_normal((n, width), np.float32) for n in (users, items))
    on_device, flat = jnp.asarray(items_VxD), faiss_search(items_VxD, "Flat")
    systems: dict[str, Callable[[], Neighbours]] = {
        "urep_jax": lambda: exact_neighbours(users_NxD, on_device, k),
        "faiss": lambda: flat(users_NxD, k),
    }
    # The first call compiles; and both find the same.
    ours, theirs = (find().item for find in systems.values())
    agree = float(np.mean([len(np.intersect1d(a, b)) / k for a, b in zip(ours, theirs, strict=True)]))
    turns: dict[str, list[dict[str, Any]]] = {name: [] for name in systems}
    for _ in range(rounds):
        for name, find in systems.items():
            before, cpu_before = time.perf_counter(), time.process_time()
            find()
            seconds, cpu_seconds = time.perf_counter() - before, time.process_time() - cpu_before
            turns[name].append({"seconds": seconds, "cpu_seconds": cpu_seconds, "users": users})
    found: dict[str, dict[str, Any]] = {
        name: {"users_per_s": round(users / statistics.median(turn["seconds"] for turn in own))}
        for name, own in turns.items()
    }
    found["urep_jax"] |= times("faiss", turns["urep_jax"], turns["faiss"], "users")
    return found | {"both": {"agree": round(agree, 6)}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--largest", type=int, default=1_000_000, help="catalogue (default: %(default)s)")
    parser.add_argument("--users", type=int, default=512, help="(default: %(default)s)")
    parser.add_argument("--width", type=int, default=128, help="(default: %(default)s)")
    parser.add_argument("--k", type=int, default=100, help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="(default: %(default)s)")
    given = parser.parse_args()
    shape = (given.users, given.width, given.k, given.rounds)
    results = {f"{items:,}": measure(items, *shape) for items in SIZES if items <= given.largest}
    print(json.dumps({"machine": describe(), "about": vars(given), "ranking": results}, indent=1))


if __name__ == "__main__":
    main()
