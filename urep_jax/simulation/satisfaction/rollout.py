"""Many listeners side by side, over many steps, with whatever chooses what they are offered.

They live in an `Environment`: `TRUE`, if no other is named.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float32, Int32

from urep_jax.simulation.satisfaction.environment import AnyState, AnyWorld, Info, Observation, observe, reset, step
from urep_jax.simulation.satisfaction.params import SatisfactionParams

GROUP = 32
"""Listeners who walk side by side on a CPU, one group after another. It changes no number. What they carry stays in a
core's cache: with two worlds on two cores an update of Q-learning with 128 listeners takes .74 of the time that all at
once take, of policy optimisation .85; with one world there is no difference."""

SMALL_PRODUCTS = {"xla_cpu_multi_thread_eigen": False}
"""Compiler options of programs that walk. Their products are small, and on a CPU to cut one up for several cores costs
more than it gives: without, an update of policy optimisation in two worlds side by side takes .84 of the time, and less
of it in one world alone too. Other devices have no use for it."""

Tree = TypeVar("Tree")
Choose = Callable[[jax.Array, AnyState, Observation], tuple[jax.Array, Any]]
"""`choose(key, state, observation)` for one listener: the action, and what else is to be kept of the choice.

Policies read the observation alone; the state is there for oracles.
"""


class Environment(NamedTuple):
    """Where listeners live: functions of one listener, as in `satisfaction.environment`.

    Attributes:
        reset: `reset(key, world, params, listener=None)`: an observation and a state.
        step: `step(key, state, action, world, params)`: these, and reward, terminated, truncated and info.
        observe: `observe(state, world)`: what a service sees.
    """

    reset: Callable[..., tuple[Observation, AnyState]]
    step: Callable[..., tuple[Observation, AnyState, jax.Array, jax.Array, jax.Array, Info]]
    observe: Callable[[AnyState, AnyWorld], Observation]


TRUE = Environment(reset, step, observe)
"""The simulated world itself."""


class Walk(NamedTuple):
    """Listeners on their way: all that is carried from step to step.

    Attributes:
        state: of each.
        is_done: whose episode is over; they stand still.
    """

    state: AnyState
    is_done: Bool[Array, "B"]


class Trajectory(NamedTuple):
    """What happened to `B` listeners in `T` steps.

    Attributes:
        kept: what `choose` gave to be kept.
        action: what was offered.
        reward: of the step; 0 where nobody walks any more.
        terminated: whether the listener left for good in this step.
        truncated: whether the episode was cut in this step.
        is_there: whether the step was taken at all.
        info: what happened.
    """

    kept: Any
    action: Int32[Array, "T B *S"]
    reward: Float32[Array, "T B"]
    terminated: Bool[Array, "T B"]
    truncated: Bool[Array, "T B"]
    is_there: Bool[Array, "T B"]
    info: Info


def start(
    key: jax.Array,
    world: AnyWorld,
    params: SatisfactionParams,
    listeners: Int32[Array, "B"],
    environment: Environment = TRUE,
) -> Walk:
    """These listeners, at the beginning of an episode each."""
    keys = jax.random.split(key, len(listeners))
    _, state = jax.vmap(lambda one, who: environment.reset(one, world, params, who))(keys, listeners)
    return Walk(state, jnp.zeros(len(listeners), bool))


def start_again(
    key: jax.Array, walk: Walk, world: AnyWorld, params: SatisfactionParams, environment: Environment = TRUE
) -> Walk:
    """Others, drawn evenly, in place of those whose episode is over."""

    def one(key: jax.Array, state: AnyState, is_done: jax.Array) -> AnyState:
        _, new = environment.reset(key, world, params)
        return where(is_done, new, state)

    state = jax.vmap(one)(jax.random.split(key, len(walk.is_done)), walk.state, walk.is_done)
    return Walk(state, jnp.zeros_like(walk.is_done))


def go_on(
    key: jax.Array,
    walk: Walk,
    choose: Choose,
    world: AnyWorld,
    params: SatisfactionParams,
    num_steps: int,
    environment: Environment = TRUE,
) -> tuple[Walk, Trajectory]:
    """Take so many steps; who is done stands still, so that the last state of an episode is there to be looked at.

    Args:
        key: decides what is drawn.
        walk: where the listeners are.
        choose: chooses what each is offered.
        world: the world.
        params: its parameters.
        num_steps: steps of each.
        environment: where they live.
    """

    def one(key: jax.Array, state: AnyState, is_done: jax.Array) -> tuple[AnyState, jax.Array, Trajectory]:
        choosing, stepping = jax.random.split(key)
        action, kept = choose(choosing, state, environment.observe(state, world))
        _, after, reward, terminated, truncated, info = environment.step(stepping, state, action, world, params)
        is_there = ~is_done
        taken = Trajectory(kept, action, reward * is_there, terminated & is_there, truncated & is_there, is_there, info)
        return where(is_done, state, after), is_done | terminated | truncated, taken

    def all_of_them(walk: Walk, keys_TxB: jax.Array) -> tuple[Walk, Trajectory]:
        def step(walk: Walk, keys_B: jax.Array) -> tuple[Walk, Trajectory]:
            state, is_done, taken = jax.vmap(one)(keys_B, walk.state, walk.is_done)
            return Walk(state, is_done), taken

        return jax.lax.scan(step, walk, keys_TxB)

    B = len(walk.is_done)
    keys_TxB = jax.vmap(lambda key: jax.random.split(key, B))(jax.random.split(key, num_steps))
    groups = B // GROUP if jax.default_backend() == "cpu" and B % GROUP == 0 else 1
    if groups <= 1:
        return all_of_them(walk, keys_TxB)

    def cut(x: jax.Array, axis: int) -> jax.Array:
        parts = x.reshape(*x.shape[:axis], groups, GROUP, *x.shape[axis + 1 :])
        return jnp.moveaxis(parts, axis, 0)

    def whole(x: jax.Array, axis: int) -> jax.Array:
        parts = jnp.moveaxis(x, 0, axis)
        return parts.reshape(*parts.shape[:axis], B, *parts.shape[axis + 2 :])

    parts = jax.tree.map(partial(cut, axis=0), walk), cut(keys_TxB, 1)
    walks, taken = jax.lax.map(lambda part: all_of_them(*part), parts)
    return jax.tree.map(partial(whole, axis=0), walks), jax.tree.map(partial(whole, axis=1), taken)


def where(chosen: Bool[Array, ""], yes: Tree, no: Tree) -> Tree:
    """One of two trees of the same shape."""
    return jax.tree.map(lambda x, y: jnp.where(chosen, x, y), yes, no)
