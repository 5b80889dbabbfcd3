"""Training agents in several worlds side by side, in pieces after which a stopped command goes on."""

import dataclasses
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from experiments.folder import flatten
from urep_jax.agents.learning import Learner, LearningConfig, Report, begin, set_out
from urep_jax.agents.views import Learnt, Look, learnt
from urep_jax.core.streams import name_key
from urep_jax.simulation.satisfaction.params import SatisfactionParams
from urep_jax.simulation.satisfaction.rollout import Walk
from urep_jax.simulation.satisfaction.world import World
from urep_jax.training.snapshots import Snapshots

PIECES = 10
"""Pieces that a training is cut into, each with a snapshot at its end."""

Update = Callable[..., tuple[Learner, Report]]


@dataclasses.dataclass(frozen=True)
class Gym:
    """Where agents train.

    Attributes:
        keys: a key for each world, of shape S.
        worlds: the worlds, with a leading axis S.
        params: how satisfaction moves, with the rewards that agents are told of.
        folder: where snapshots go.
        console: where progress is shown.
    """

    keys: jax.Array
    worlds: World
    params: SatisfactionParams
    folder: Path
    console: Console

    def train(self, name: str, update: Update, look: Look, base: Any, cfg: LearningConfig) -> Learnt:
        """Train an agent in each world, or go on where an earlier call stopped.

        Args:
            name: of the agent.
            update: `dqn.update` or `ppo.update`.
            look: how it looks at the world.
            base: what its look asks for, with a leading axis S.
            cfg: how it learns.

        Returns:
            What it has learnt, with a leading axis S.
        """
        keys_S = jax.vmap(partial(name_key, name=f"agents.{name}"))(self.keys)
        walks = _set_out(keys_S, self.worlds, self.params, cfg.listeners)
        learners = _begin(keys_S, walks, base, self.worlds, self.params, look, cfg)
        bounds = [round(cfg.updates * piece / PIECES) for piece in range(PIECES + 1)]
        steps = len(self.keys) * cfg.listeners * cfg.steps
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("reward {task.fields[reward]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )
        with Snapshots(self.folder / "agents" / name, flatten(dataclasses.asdict(cfg))) as snapshots, bar:
            if snapshots.latest:
                learners = snapshots.restore(learners)
            task = bar.add_task(f"{name}: {steps * cfg.updates / 1e6:.1f} million steps", total=cfg.updates, reward="")
            bar.update(task, completed=snapshots.latest)
            for first, last in pairwise(bounds):
                if first == last or last <= snapshots.latest:
                    continue
                numbers = jnp.arange(first, last)
                learners, report = _go_on(keys_S, numbers, learners, base, self.worlds, self.params, update, look, cfg)
                snapshots.save(last, learners)
                bar.update(task, completed=last, reward=f"{float(report.reward.mean()):.3f}")
        return jax.vmap(lambda net, base, world: learnt(net, base, world, look, cfg.network))(
            learners.params, base, self.worlds
        )


@partial(jax.jit, static_argnames="count")
def _set_out(keys_S: jax.Array, worlds: World, params: SatisfactionParams, count: int) -> Walk:
    return jax.vmap(lambda key, world: set_out(name_key(key, "set_out"), world, params, count))(keys_S, worlds)


@partial(jax.jit, static_argnames=("look", "cfg"))
def _begin(
    keys_S: jax.Array,
    walks: Walk,
    base: Any,
    worlds: World,
    params: SatisfactionParams,
    look: Look,
    cfg: LearningConfig,
) -> Learner:
    return jax.vmap(lambda key, walk, base, world: begin(name_key(key, "begin"), walk, base, world, params, look, cfg))(
        keys_S, walks, base, worlds
    )


@partial(jax.jit, static_argnames=("update", "look", "cfg"))
def _go_on(
    keys_S: jax.Array,
    numbers: jax.Array,
    learners: Learner,
    base: Any,
    worlds: World,
    params: SatisfactionParams,
    update: Update,
    look: Look,
    cfg: LearningConfig,
) -> tuple[Learner, Report]:
    def one(key: jax.Array, learner: Learner, base: Any, world: World) -> tuple[Learner, Report]:
        def step(learner: Learner, number: jax.Array) -> tuple[Learner, Report]:
            return update(jax.random.fold_in(key, number + 1), learner, base, world, params, look, cfg)

        return jax.lax.scan(step, learner, numbers)

    # One world after the other: side by side they would need as many times the memory, for nothing on a CPU.
    return jax.lax.map(lambda args: one(*args), (keys_S, learners, base, worlds))
