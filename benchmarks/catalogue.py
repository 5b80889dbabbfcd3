"""Time of a training step by size of the catalogue, dense and row-sparse: `python -m benchmarks.catalogue`.

Dense moves every row of the item table in every step, row-sparse those that the batch reads. The two take turns of a
few steps; the ratio is taken within each round, so that other load falls on both. Batches are full (no padding) and
their items uniform over the catalogue, so that hardly any is read twice: the most rows that a batch can read.
"""

import argparse
import json
import os
import statistics
import time
from typing import Any

import jax
import numpy as np

from benchmarks.machine import describe
from urep_jax.core.types import Feedback
from urep_jax.data.negatives import negative_sampler
from urep_jax.data.sequences import Batch
from urep_jax.data.vocabulary import FIRST_ITEM
from urep_jax.models.transformer import TransformerConfig
from urep_jax.training.negative_feedback import LossConfig, negative_feedback_objective
from urep_jax.training.objective import TableMode
from urep_jax.training.optimizers import adam
from urep_jax.training.parallel import parallelize
from urep_jax.training.row_sparse import count_ids

WIDTH, BLOCKS, HEADS, EXPANSION, DROPOUT, P_TASK = 128, 2, 1, 1, 0.2, 0.15
LOSS, K_NEGATIVES = "bce", 1
_BATCHES = 4


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


class System:
    """A training, compiled, that goes on where it stood.

    Args:
        tables: how its tables are learnt.
        items: size of the catalogue.
        batch_size: rows of a batch.
        length: positions of a row.
    """

    def __init__(self, tables: TableMode, items: int, batch_size: int, length: int) -> None:
        model = TransformerConfig(
            items, max_length=length, width=WIDTH, blocks=BLOCKS, heads=HEADS, expansion=EXPANSION, dropout=DROPOUT
        )
        loss = LossConfig(LOSS, K_NEGATIVES, batch_size=batch_size)
        objective = negative_feedback_objective(model, loss, negative_sampler(np.ones(items, int)), tables)
        parallel = parallelize(objective, adam(1e-3), 0, batch_size)
        rng = np.random.default_rng(0)
        self._batches = [parallel.put_batch(full_batch(rng, items, batch_size, length)) for _ in range(_BATCHES)]
        self._key, self._state = parallel.key, parallel.init()
        assert objective.row_wise is not None
        self.ids_per_step = count_ids(objective.row_wise, self._batches[0], jax.random.key(0))["item"]
        jitted: Any = parallel.step
        before = time.perf_counter()
        self._step = jitted.lower(parallel.key, self._state, self._batches[0]).compile()
        self.compile_s = time.perf_counter() - before
        self.temporary_gib = self._step.memory_analysis().temp_size_in_bytes / 2**30

    def train(self, steps: int) -> dict[str, float]:
        """Take some steps; returns how long they took, by the clock and by the time that threads ran."""
        before, cpu_before = time.perf_counter(), time.process_time()
        for i in range(steps):
            self._state, _ = self._step(self._key, self._state, self._batches[i % _BATCHES])
        jax.block_until_ready(self._state)
        return {"seconds": time.perf_counter() - before, "cpu_seconds": time.process_time() - cpu_before}


def measure(items: int, rounds: int, steps: int, batch_size: int, length: int) -> dict[str, Any]:
    """Let dense and row-sparse take turns on a catalogue of `items`."""
    systems = {tables: System(tables, items, batch_size, length) for tables in ("dense", "sparse")}
    for system in systems.values():
        system.train(1)
    turns: dict[str, list[dict[str, float]]] = {tables: [] for tables in systems}
    for _ in range(rounds):
        for tables, system in systems.items():
            turns[tables].append(system.train(steps))
    result: dict[str, Any] = {"ids_per_step": systems["sparse"].ids_per_step}
    for tables, system in systems.items():
        ms = [1000 * turn["seconds"] / steps for turn in turns[tables]]
        result[tables] = {
            "ms_per_step": round(statistics.median(ms), 1),
            "ms_per_step_spread": [round(min(ms), 1), round(max(ms), 1)],
            "cpu_ms_per_step": round(1000 * statistics.median(t["cpu_seconds"] for t in turns[tables]) / steps, 1),
            "compile_s": round(system.compile_s, 2),
            "temporary_gib": round(system.temporary_gib, 3),
        }
    for clock, told in {"seconds": "dense_over_sparse", "cpu_seconds": "dense_over_sparse_cpu"}.items():
        ratio = [dense[clock] / sparse[clock] for dense, sparse in zip(turns["dense"], turns["sparse"], strict=True)]
        result[told] = round(statistics.median(ratio), 2)
        result[f"{told}_spread"] = [round(min(ratio), 2), round(max(ratio), 2)]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[4_000, 30_000, 300_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=3, help="steps of each side in each round")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--max-length", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.threads])
    results = {
        str(items): measure(items, arguments.rounds, arguments.steps, arguments.batch_size, arguments.max_length)
        for items in arguments.items
    }
    about: dict[str, float | str] = {
        "width": WIDTH,
        "blocks": BLOCKS,
        "heads": HEADS,
        "expansion": EXPANSION,
        "dropout": DROPOUT,
    }
    about |= {"loss": LOSS, "k_negatives": K_NEGATIVES, "p_task": P_TASK}
    about |= {"batch_size": arguments.batch_size, "max_length": arguments.max_length, "threads": arguments.threads}
    about |= {"rounds": arguments.rounds, "steps": arguments.steps}
    print(json.dumps({"machine": describe(), "about": about, "catalogue": results}, indent=1))


if __name__ == "__main__":
    main()
