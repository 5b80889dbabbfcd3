"""What a training step costs by size of the catalogue, negatives and length: `python -m benchmarks.step_cost`.

Along each axis all sizes take turns of a few steps, and a size's ratio to the first is taken within each round, so that
other load falls on all. Batches are full (no padding) and their items uniform over the catalogue, so that hardly any is
read twice: the most rows that a batch can read. `--compile-only` counts what the compiled step does and runs nothing:
these numbers are the same on every machine of a kind.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.machine import describe
from experiments.tables import markdown_table
from urep_jax.core.types import Feedback
from urep_jax.data.negatives import negative_sampler
from urep_jax.data.sequences import Batch
from urep_jax.data.vocabulary import FIRST_ITEM
from urep_jax.models.transformer import TransformerConfig
from urep_jax.training.negative_feedback import LossConfig, negative_feedback_objective
from urep_jax.training.objective import TableMode
from urep_jax.training.optimizers import adam
from urep_jax.training.parallel import Parallel, parallelize

BLOCKS, HEADS, EXPANSION, DROPOUT, P_TASK = 2, 1, 1, 0.2, 0.15
_BATCHES = 4
_GIB = 2**30


class Case(NamedTuple):
    """One step. With `bce` the negative is the hardest of `k`."""

    items: int = 10_000
    length: int = 200
    k: int = 1
    loss: str = "bce"
    tables: TableMode = "sparse"

    def size(self, axis: str) -> int:
        """Along an axis."""
        return {"catalogue": self.items, "length": self.length, "negatives": self.k}[axis]

    def named(self, axis: str) -> str:
        """By what it differs from the others along an axis."""
        how = f" {self.tables if self.loss == 'bce' else self.loss}" if axis == "catalogue" else ""
        return f"{self.size(axis):,}{how}"


AXES: Mapping[str, Sequence[Case]] = {
    "catalogue": [
        *(Case(items) for items in (10_000, 100_000, 1_000_000, 10_000_000)),
        *(Case(items, tables="dense") for items in (10_000, 100_000, 1_000_000)),
        *(Case(items, tables="dense", loss="softmax") for items in (10_000, 100_000)),
    ],
    "length": [Case(length=length) for length in (50, 100, 200, 400)],
    "negatives": [Case(100_000, k=k) for k in (1, 10, 100, 1_000, 10_000, 100_000)],
}
"""Sizes along each axis, the first of which the others are compared with."""


class Shape(NamedTuple):
    """What all cases share."""

    batch_size: int
    width: int


def full_batch(rng: np.random.Generator, items: int, batch_size: int, length: int) -> tuple[Batch]:
    """A batch without padding, of random negatives only."""
    B, L, T = batch_size, length, max(1, round(P_TASK * length))
    zeros_BxL = np.zeros((B, L), np.int32)
    batch = Batch(
        row=np.arange(B, dtype=np.int32),
        item=rng.integers(FIRST_ITEM, FIRST_ITEM + items, (B, L), np.int32),
        station=zeros_BxL,
        feedback=rng.integers(Feedback.UP, Feedback.SKIP, (B, L), np.int8, endpoint=True),
        device=zeros_BxL,
        hour=zeros_BxL,
        task=rng.integers(0, L, (B, T), np.int32),
        target=rng.integers(FIRST_ITEM, FIRST_ITEM + items, (B, T), np.int32),
        negative=np.zeros((B, T), np.int32),
        rung=np.zeros((B, T), np.int8),
    )
    return (batch,)


def training(case: Case, shape: Shape) -> Parallel:
    """The training of a case."""
    model = TransformerConfig(
        case.items,
        max_length=case.length,
        width=shape.width,
        blocks=BLOCKS,
        heads=HEADS,
        expansion=EXPANSION,
        dropout=DROPOUT,
    )
    loss = LossConfig(case.loss, case.k, batch_size=shape.batch_size)
    sampler = negative_sampler(np.ones(case.items, int))
    objective = negative_feedback_objective(model, loss, sampler, case.tables)
    return parallelize(objective, adam(1e-3), 0, shape.batch_size)


def compiled(parallel: Parallel, case: Case, shape: Shape) -> tuple[Any, dict[str, float]]:
    """The step's program, and what it takes: nothing is allocated for it."""
    batch = parallel.put_batch(full_batch(np.random.default_rng(0), case.items, shape.batch_size, case.length))
    jitted: Any = parallel.step
    before = time.perf_counter()
    step = jitted.lower(parallel.key, parallel.stored_like, batch).compile()
    seconds = time.perf_counter() - before
    memory = step.memory_analysis()
    return step, {
        "compile_s": round(seconds, 2),
        "flops": step.cost_analysis()["flops"],
        "temporary_gib": round(memory.temp_size_in_bytes / _GIB, 3),
        # What a step is given is written over by what it gives back.
        "state_gib": round(memory.alias_size_in_bytes / _GIB, 3),
    }


class System:
    """A training that goes on where it stood."""

    def __init__(self, case: Case, shape: Shape) -> None:
        parallel = training(case, shape)
        self._step, self.told = compiled(parallel, case, shape)
        rng = np.random.default_rng(1)
        batches = (full_batch(rng, case.items, shape.batch_size, case.length) for _ in range(_BATCHES))
        self._batches = [parallel.put_batch(batch) for batch in batches]
        self._key, self._state = parallel.key, parallel.init()
        self.train(1)

    def train(self, steps: int) -> dict[str, float]:
        """Take some steps; returns how long they took, by the clock and by the time that threads ran."""
        before, cpu_before = time.perf_counter(), time.process_time()
        for i in range(steps):
            self._state, _ = self._step(self._key, self._state, self._batches[i % _BATCHES])
        jax.block_until_ready(self._state)
        return {"ms": time.perf_counter() - before, "cpu_ms": time.process_time() - cpu_before}


def measure(cases: Sequence[Case], axis: str, shape: Shape, rounds: int, steps: int) -> dict[str, dict[str, Any]]:
    """Let the sizes along an axis take turns."""
    systems = {case.named(axis): System(case, shape) for case in cases}
    turns: dict[str, list[dict[str, float]]] = {name: [] for name in systems}
    for _ in range(rounds):
        for name, system in systems.items():
            turns[name].append(system.train(steps))
    first = next(iter(turns.values()))
    results: dict[str, dict[str, Any]] = {}
    for name, own in turns.items():
        results[name] = dict(systems[name].told)
        for clock in ("ms", "cpu_ms"):
            results[name][clock] = round(1000 * statistics.median(turn[clock] for turn in own) / steps, 1)
            ratio = [turn[clock] / other[clock] for turn, other in zip(own, first, strict=True)]
            results[name][f"{clock}_to_first"] = round(statistics.median(ratio), 2)
            results[name][f"{clock}_to_first_spread"] = [round(min(ratio), 2), round(max(ratio), 2)]
    return results


def table_of(axis: str, results: Mapping[str, Mapping[str, Any]]) -> str:
    """The numbers of an axis, to be read."""
    rows = [[axis, "ms", "thread ms", "to the first", "thread time", "state, GiB", "temporary, GiB"]]
    for name, found in results.items():
        told = [str(found["ms"]), str(found["cpu_ms"])]
        for clock in ("ms", "cpu_ms"):
            low, high = found[f"{clock}_to_first_spread"]
            told.append(f"{found[f'{clock}_to_first']} ({low} to {high})")
        rows.append([name, *told, f"{found['state_gib']:.2f}", f"{found['temporary_gib']:.2f}"])
    return markdown_table(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the numbers as JSON, and tables on the standard error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--axes", nargs="+", choices=AXES, default=list(AXES))
    parser.add_argument("--largest", type=int, default=sys.maxsize, help="leave out what is larger along its axis")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=2, help="steps of each size in each round")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile-only", action="store_true", help="run nothing")
    given = parser.parse_args(arguments)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.threads])
    shape = Shape(given.batch_size, given.width)
    results: dict[str, Any] = {}
    for axis in given.axes:
        cases = [case for case in AXES[axis] if case.size(axis) <= given.largest]
        if given.compile_only:
            results[axis] = {case.named(axis): compiled(training(case, shape), case, shape)[1] for case in cases}
            continue
        results[axis] = measure(cases, axis, shape, given.rounds, given.steps)
        print(table_of(axis, results[axis]), file=sys.stderr)
    about = {"blocks": BLOCKS, "heads": HEADS, "expansion": EXPANSION, "dropout": DROPOUT, "p_task": P_TASK}
    about |= {"width": given.width, "batch_size": given.batch_size, "threads": given.threads}
    about |= {"rounds": given.rounds, "steps": given.steps}
    print(json.dumps({"machine": describe(), "about": about, "step_cost": results}, indent=1))


if __name__ == "__main__":
    main()
