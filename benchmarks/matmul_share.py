"""How near a training step comes to the machine's matrix products, and what takes the rest.

    python -m benchmarks.matmul_share

Each step runs on one core, so that nothing overlaps. Its floating-point operations are those of the matrix products in
the compiled program, counted as often as they ran; activations, dropout, norms and the optimiser count as time and not
as work. The machine's rate is that of one plain product, 4,096 x 2,000 by 2,000 x 2,000, in the precision that the step
computes in; both take turns, and the share is taken within each round. What a step's time goes to is told by the kinds
of instructions, of which a fused one counts where the first of these fits: products, rows of tables, exponentials,
sums, arithmetic, moves and rounding.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
import pyarrow as pa
from hydra import compose, initialize_config_dir

from benchmarks import logs
from benchmarks.machine import describe
from benchmarks.programs import KINDS, MOVES, Profile, profile
from experiments.knobs import CONF
from experiments.negative_feedback.recipe import Recipe
from experiments.tables import markdown_table
from urep_jax.core.precision import Compute, product
from urep_jax.data.epochs import BatchesByStep
from urep_jax.data.negatives import negative_sampler
from urep_jax.data.sequences import Sequences
from urep_jax.data.user_features.batches import UserBatches
from urep_jax.data.vocabulary import build_vocabulary, item_counts
from urep_jax.models.autoencoder import AutoencoderConfig
from urep_jax.training.autoencoder import autoencoder_objective
from urep_jax.training.negative_feedback import negative_feedback_objective
from urep_jax.training.objective import Objective
from urep_jax.training.optimizers import adam
from urep_jax.training.parallel import parallelize

RECIPES = {
    "paper": "recipe=paper",
    "gsasrec": "recipe=gsasrec max_length=200",
    "next_item": "recipe=next_item max_length=200",
    "next_item, float32": "recipe=next_item max_length=200 model.compute=float32",
}
AUTOENCODER = "autoencoder"
_SIZE = (4096, 2000)
"""Of the plain product, and of the autoencoder's batch."""


class Step:
    """A training that takes its steps with Adam."""

    def __init__(self, objective: Objective, batches: BatchesByStep[Any], steps: int, compute: Compute) -> None:
        self.compute = compute
        self._parallel = parallelize(objective, adam(1e-3), 0, batches.batch_size)
        self._state = self._parallel.init()
        iterator = batches.iterate(sys.maxsize)
        self._batches = [self._parallel.put_batch(next(iterator)) for _ in range(steps)]
        jitted: Any = self._parallel.step
        self._step = jitted.lower(self._parallel.key, self._state, self._batches[0]).compile()
        self.run()

    def run(self) -> object:
        """Take the steps."""
        for batch in self._batches:
            self._state, info = self._step(self._parallel.key, self._state, batch)
        return jax.block_until_ready((self._state, info))

    def profile(self) -> Profile:
        """Take them, and see what takes how long."""
        return profile(self._step.as_text(), self.run)


def recipe_step(overrides: str, users: int | None, steps: int, knobs: Sequence[str]) -> Step:
    """The step of a recipe on MovieLens-1M, or a look-alike."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        data = ["experiment=negative_feedback", "data=movielens_1m", "data.path=."]
        recipe = Recipe.from_config(compose("config", overrides=[*data, *overrides.split(), *knobs]))
    events = logs.movielens_events() if users is None else None
    log = logs.all_liked(logs.generated(users or logs.MOVIELENS_USERS) if events is None else logs.read_events(events))
    split = logs.all_trains(log)
    vocabulary = build_vocabulary(log, split)
    recipe = recipe.sized_for(vocabulary)
    sampler = negative_sampler(item_counts(log, split, vocabulary), recipe.negative_power)
    objective = negative_feedback_objective(recipe.model, recipe.loss, sampler, recipe.tables)
    batches = recipe.batches(Sequences(log, vocabulary, recipe.sequences), split)
    return Step(objective, batches, steps, recipe.model.compute)


def autoencoder_step(steps: int) -> Step:
    """The step of an autoencoder of the paper's size."""
    rows, features = _SIZE
    x = np.random.default_rng(0).normal(size=(rows, features)).astype(np.float32)
    batches = UserBatches(x.__getitem__, pa.array([str(n) for n in range(rows)]), rows, seed=0)
    return Step(autoencoder_objective(AutoencoderConfig(features, 120, (512, 256), 0.005)), batches, steps, "float32")


def plain_product(compute: Compute) -> Callable[[], float]:
    """A product that tells its operations a second."""
    rows, inner = _SIZE
    left, right = (jax.random.normal(jax.random.key(0), (n, inner)) for n in (rows, inner))
    compiled = jax.jit(lambda left, right: product(left, right, compute)).lower(left, right).compile()
    jax.block_until_ready(compiled(left, right))

    def rate() -> float:
        before = time.perf_counter()
        jax.block_until_ready(compiled(left, right))
        return 2 * rows * inner**2 / (time.perf_counter() - before)

    return rate


def measure(steps: dict[str, Step], rounds: int) -> dict[str, dict[str, Any]]:
    """Shares of the machine's rate, and of each step's time by kind."""
    rates = {compute: plain_product(compute) for compute in sorted({step.compute for step in steps.values()})}
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            machine = rates[step.compute]()
            ran = step.profile()
            machine = (machine + rates[step.compute]()) / 2
            seconds = sum(ran.seconds.values())
            told = {kind: ran.seconds[kind] / seconds for kind in (*KINDS, MOVES)}
            told["share"] = ran.operations / seconds / machine
            told["share_of_products"] = ran.operations / ran.seconds["products"] / machine
            told["machine_gflop_per_s"] = machine / 1e9
            seen[name].append(told)
    return {name: {key: _spread([one[key] for one in own]) for key in own[0]} for name, own in seen.items()}


def _spread(values: Sequence[float]) -> list[float]:
    return [round(value, 3) for value in (statistics.median(values), min(values), max(values))]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the numbers as JSON, and the table on the standard error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cases = [*RECIPES, AUTOENCODER]
    parser.add_argument("--cases", nargs="+", choices=cases, default=cases)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="of each case in a round")
    parser.add_argument("--users", type=int, help="of a generated log, in place of MovieLens-1M")
    parser.add_argument("--knobs", nargs="+", default=[], help="of all recipes, as of experiments.run")
    given = parser.parse_args(arguments)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    steps = {
        name: recipe_step(RECIPES[name], given.users, given.steps, given.knobs)
        if name in RECIPES
        else autoencoder_step(given.steps)
        for name in given.cases
    }
    results = measure(steps, given.rounds)
    head = ["of a step's time", *results]
    table = [["share of the machine's products", *(_told(found["share"]) for found in results.values())]]
    table += [["the products' own", *(_told(found["share_of_products"]) for found in results.values())]]
    table += [[kind, *(_told(found[kind]) for found in results.values())] for kind in (*KINDS, MOVES)]
    print(markdown_table([head, *table]), file=sys.stderr)
    about = {"rounds": given.rounds, "steps": given.steps, "knobs": given.knobs}
    print(json.dumps({"machine": describe(), "about": about, "matmul_share": results}))


def _told(spread: Sequence[float]) -> str:
    middle, low, high = (f"{value:.0%}" for value in spread)
    return f"{middle} ({low} to {high})"


if __name__ == "__main__":
    main()
