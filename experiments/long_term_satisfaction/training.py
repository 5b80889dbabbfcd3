"""Training agents in several worlds side by side, in pieces after which a stopped command goes on."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from rich.console import Console

from experiments.folder import flatten
from experiments.long_term_satisfaction.side_by_side import at_home, side_by_side
from experiments.progress import WorkBar
from urep_jax.agents.learning import Learner, LearningConfig, Report, begin, set_out
from urep_jax.agents.views import Learnt, Look, learnt
from urep_jax.core.streams import name_key
from urep_jax.simulation.satisfaction.environment import AnyWorld
from urep_jax.simulation.satisfaction.params import SatisfactionParams
from urep_jax.simulation.satisfaction.rollout import SMALL_PRODUCTS, TRUE, Environment, Walk
from urep_jax.training.snapshots import Snapshots

PIECES = 10
"""Pieces that a training is cut into, after which it is told how far it has come."""

SECONDS_TO_LOSE = 20.0
"""After so long there is a snapshot at the end of a piece: one takes seconds, of many worlds."""

Update = Callable[..., tuple[Learner, Report]]


class Course(NamedTuple):
    """How an agent is trained.

    Attributes:
        name: of the agent.
        update: `dqn.update` or `ppo.update`.
        look: how it looks at the world.
        cfg: how it learns.
        params: how satisfaction moves, with the rewards that it is told of.
        base: how the agent is trained that its look asks, if it asks one.
    """

    name: str
    update: Update
    look: Look
    cfg: LearningConfig
    params: SatisfactionParams
    base: "Course | None" = None


@dataclasses.dataclass(frozen=True)
class Gym:
    """Where agents train.

    Attributes:
        keys: a key for each world.
        worlds: the worlds.
        folder: where snapshots go.
        console: where progress is shown.
        environment: the worlds themselves, or what stands in for them.
    """

    keys: Sequence[jax.Array]
    worlds: Sequence[AnyWorld]
    folder: Path
    console: Console
    environment: Environment = TRUE

    def compile(self, courses: Sequence[Course]) -> None:
        """Compile what trains these agents, side by side: one program keeps one core busy, and for long.

        Args:
            courses: how they are trained, in the order of their training.
        """
        with self.console.status(f"compiling what trains {', '.join(course.name for course in courses)}"):
            side_by_side(self._compile, courses)

    def train(self, course: Course, bases: Sequence[Any]) -> list[Learnt]:
        """Train an agent in each world, or go on where an earlier call stopped.

        Args:
            course: how it is trained.
            bases: what its look asks, of each world.

        Returns:
            What it has learnt in each world.
        """
        count, cfg = len(self.worlds), course.cfg
        learners: Sequence[Learner] = [self._begin(course, number, base) for number, base in enumerate(bases)]
        steps = count * cfg.listeners * cfg.steps
        title = f"{course.name}: {steps * cfg.updates / 1e6:.1f} million steps"

        def go_on(numbers: jax.Array, learners: Sequence[Learner], number: int) -> tuple[Learner, Report]:
            return jax.block_until_ready(_go_on(*self._asked(course, number, numbers, learners[number], bases[number])))

        with (
            Snapshots(self.folder / "agents" / course.name, flatten(dataclasses.asdict(cfg))) as snapshots,
            WorkBar(self.console, title, cfg.updates, snapshots.latest) as bar,
        ):
            if snapshots.latest:
                learners = snapshots.restore(learners)
            saved = time.monotonic()
            for numbers in _pieces(cfg):
                first, last = numbers[0], numbers[-1] + 1
                if last <= snapshots.latest:
                    continue
                found = side_by_side(partial(go_on, jnp.array(numbers), learners), range(count))
                learners = [learner for learner, _ in found]
                if last == cfg.updates or time.monotonic() - saved > SECONDS_TO_LOSE:
                    snapshots.save(last, learners)
                    saved = time.monotonic()
                reward = float(jnp.stack([report.reward.mean() for _, report in found]).mean())
                bar.advance(last - first, f"reward {reward:.3f}")
        return [self._learnt(course, number, *of) for number, of in enumerate(zip(learners, bases, strict=True))]

    def _key(self, course: Course, number: int) -> jax.Array:
        return at_home(number, name_key(self.keys[number], f"agents.{course.name}"))

    def _begin(self, course: Course, number: int, base: Any) -> Learner:
        key, world = self._key(course, number), self.worlds[number]
        walk = _set_out(key, world, course.params, self.environment, course.cfg.listeners)
        return _begin(key, walk, base, world, course.params, self.environment, course.look, course.cfg)

    def _learnt(self, course: Course, number: int, learner: Learner, base: Any) -> Learnt:
        return learnt(learner.params, base, self.worlds[number], course.look, course.cfg.network)

    def _asked(self, course: Course, number: int, numbers: jax.Array, learner: Learner, base: Any) -> tuple[Any, ...]:
        """What `_go_on` is called with: the program that was compiled is found again if both ask alike."""
        return (
            *(self._key(course, number), numbers, learner, base, self.worlds[number], course.params),
            *(course.update, course.look, course.cfg, self.environment),
        )

    def _compile(self, course: Course) -> None:
        # Of the first world, before anything is learnt: only shapes matter.
        base: Any = ()
        if course.base is not None:
            base = self._learnt(course.base, 0, self._begin(course.base, 0, ()), ())
        learner = self._begin(course, 0, base)
        _go_on.lower(*self._asked(course, 0, jnp.array(_pieces(course.cfg)[0]), learner, base)).compile()


def _pieces(cfg: LearningConfig) -> list[range]:
    """The numbers of updates, cut into pieces."""
    bounds = [round(cfg.updates * piece / PIECES) for piece in range(PIECES + 1)]
    return [range(first, last) for first, last in pairwise(bounds) if first < last]


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


@partial(jax.jit, static_argnames=("update", "look", "cfg", "environment"), compiler_options=SMALL_PRODUCTS)
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
