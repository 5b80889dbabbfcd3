"""Training agents in several worlds side by side, in pieces after which a stopped command goes on."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from rich.console import Console

from experiments.folder import flatten
from experiments.long_term_satisfaction.side_by_side import at_home, each
from experiments.progress import WorkBar
from urep_jax.agents.learning import Learner, LearningConfig, Report, begin, set_out
from urep_jax.agents.views import Learnt, Look, learnt
from urep_jax.core.streams import name_key
from urep_jax.simulation.satisfaction.environment import AnyWorld
from urep_jax.simulation.satisfaction.params import SatisfactionParams
from urep_jax.simulation.satisfaction.rollout import TRUE, Environment, Walk
from urep_jax.training.snapshots import Snapshots

PIECES = 10
"""Pieces that a training is cut into, each with a snapshot at its end."""

Update = Callable[..., tuple[Learner, Report]]


@dataclasses.dataclass(frozen=True)
class Gym:
    """Where agents train.

    Attributes:
        keys: a key for each world.
        worlds: the worlds.
        params: how satisfaction moves, with the rewards that agents are told of.
        folder: where snapshots go.
        console: where progress is shown.
        environment: the worlds themselves, or what stands in for them.
    """

    keys: Sequence[jax.Array]
    worlds: Sequence[AnyWorld]
    params: SatisfactionParams
    folder: Path
    console: Console
    environment: Environment = TRUE

    def train(self, name: str, update: Update, look: Look, bases: Sequence[Any], cfg: LearningConfig) -> list[Learnt]:
        """Train an agent in each world, or go on where an earlier call stopped.

        Args:
            name: of the agent.
            update: `dqn.update` or `ppo.update`.
            look: how it looks at the world.
            bases: what its look asks for, of each world.
            cfg: how it learns.

        Returns:
            What it has learnt in each world.
        """
        count = len(self.worlds)
        keys = [at_home(number, name_key(key, f"agents.{name}")) for number, key in enumerate(self.keys)]
        begun = (self.params, self.environment)
        walks = [_set_out(*of, *begun, cfg.listeners) for of in zip(keys, self.worlds, strict=True)]
        learners = [_begin(*of, *begun, look, cfg) for of in zip(keys, walks, bases, self.worlds, strict=True)]
        bounds = [round(cfg.updates * piece / PIECES) for piece in range(PIECES + 1)]
        steps = count * cfg.listeners * cfg.steps
        title = f"{name}: {steps * cfg.updates / 1e6:.1f} million steps"

        def go_on(numbers: jax.Array, learners: Sequence[Learner], number: int) -> tuple[Learner, Report]:
            of = (keys[number], numbers, learners[number], bases[number], self.worlds[number])
            return jax.block_until_ready(_go_on(*of, self.params, update, look, cfg, self.environment))

        with (
            Snapshots(self.folder / "agents" / name, flatten(dataclasses.asdict(cfg))) as snapshots,
            WorkBar(self.console, title, cfg.updates, snapshots.latest) as bar,
        ):
            if snapshots.latest:
                learners = snapshots.restore(learners)
            is_compiled = False
            for first, last in pairwise(bounds):
                if first == last or last <= snapshots.latest:
                    continue
                found = each(partial(go_on, jnp.arange(first, last), learners), count, is_compiled=is_compiled)
                is_compiled = True
                learners = [learner for learner, _ in found]
                snapshots.save(last, learners)
                reward = float(jnp.stack([report.reward.mean() for _, report in found]).mean())
                bar.advance(last - first, f"reward {reward:.3f}")
        return [
            learnt(learner.params, base, world, look, cfg.network)
            for learner, base, world in zip(learners, bases, self.worlds, strict=True)
        ]


@partial(jax.jit, static_argnames=("environment", "count"))
def _set_out(key: jax.Array, world: AnyWorld, params: SatisfactionParams, environment: Environment, count: int) -> Walk:
    return set_out(name_key(key, "set_out"), world, params, count, environment)


@partial(jax.jit, static_argnames=("environment", "look", "cfg"))
def _begin(
    key: jax.Array,
    walk: Walk,
    base: Any,
    world: AnyWorld,
    params: SatisfactionParams,
    environment: Environment,
    look: Look,
    cfg: LearningConfig,
) -> Learner:
    return begin(name_key(key, "begin"), walk, base, world, params, look, cfg, environment)


@partial(jax.jit, static_argnames=("update", "look", "cfg", "environment"))
def _go_on(
    key: jax.Array,
    numbers: jax.Array,
    learner: Learner,
    base: Any,
    world: AnyWorld,
    params: SatisfactionParams,
    update: Update,
    look: Look,
    cfg: LearningConfig,
    environment: Environment,
) -> tuple[Learner, Report]:
    def step(learner: Learner, number: jax.Array) -> tuple[Learner, Report]:
        return update(jax.random.fold_in(key, number + 1), learner, base, world, params, look, cfg, environment)

    return jax.lax.scan(step, learner, numbers)
