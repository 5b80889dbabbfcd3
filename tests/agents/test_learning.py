"""Agents that learn: one trace, by the key alone, and what they are meant to find."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.agents.tiny import NETWORK, PARAMS, tiny_world
from urep_jax.agents import dqn, policies, ppo
from urep_jax.agents.dqn import DqnConfig
from urep_jax.agents.learning import Learner, LearningConfig, begin, set_out
from urep_jax.agents.ppo import PpoConfig
from urep_jax.agents.views import OBSERVED, TRUE, Look, learnt
from urep_jax.evaluation.long_term import Act, follow, outcome
from urep_jax.simulation.satisfaction.params import SatisfactionParams
from urep_jax.simulation.satisfaction.world import World

SMALL: dict[str, Any] = {"network": NETWORK, "listeners": 8, "steps": 4, "updates": 6, "minibatches": 2, "epochs": 1}
WORLD = tiny_world()

_set_out = jax.jit(set_out, static_argnames="count")


def begun(params: SatisfactionParams, look: Look, cfg: LearningConfig) -> Learner:
    """A learner that knows nothing yet."""
    walk = _set_out(jax.random.key(0), WORLD, params, cfg.listeners)
    return begin(jax.random.key(1), walk, (), WORLD, params, look, cfg)


@pytest.mark.parametrize(("update", "cfg"), [(dqn.update, DqnConfig(**SMALL)), (ppo.update, PpoConfig(**SMALL))])
def test_updates_are_one_program_and_hang_on_the_key_alone(update: Any, cfg: Any) -> None:
    traces = []

    @jax.jit
    def once(key: jax.Array, learner: Learner, world: World) -> Learner:
        traces.append(1)
        return update(key, learner, (), world, PARAMS, OBSERVED, cfg)[0]

    first = begun(PARAMS, OBSERVED, cfg)
    keys = jax.random.split(jax.random.key(1), 3)
    one, other = first, first
    for key in keys:
        one, other = once(key, one, WORLD), once(key, other, WORLD)
    assert len(traces) == 1
    jax.tree.map(np.testing.assert_array_equal, one, other)
    assert int(one.update) == 3
    for name, x in jax.tree_util.tree_leaves_with_path(one.params):
        assert bool(jnp.isfinite(x).all()), name
    moved = jax.tree.map(lambda x, y: bool((x != y).any()), one.params, first.params)
    assert jax.tree.all(moved), "everything learns"


@pytest.mark.parametrize(("update", "cfg"), [(dqn.update, DqnConfig(**SMALL)), (ppo.update, PpoConfig(**SMALL))])
def test_who_is_done_teaches_nothing(update: Any, cfg: Any) -> None:
    # Episodes shorter than the steps between two updates: most of the steps are of listeners who stand still.
    params = dataclasses.replace(PARAMS, most_items=1.0)
    learner = begun(params, OBSERVED, cfg)
    once = jax.jit(lambda key, learner: update(key, learner, (), WORLD, params, OBSERVED, cfg))
    for number in range(3):
        learner, report = once(jax.random.key(number), learner)
        assert bool(jnp.isfinite(report.loss))
    assert jax.tree.all(jax.tree.map(lambda x: bool(jnp.isfinite(x).all()), learner.params))


def trained(update: Any, cfg: Any, look: Look, params: Any) -> tuple[Act, Any]:
    """Train in the small world, all updates in one program."""
    key = jax.random.key(5)

    @jax.jit
    def train(learner: Learner) -> Learner:
        def one(learner: Learner, key: jax.Array) -> tuple[Learner, None]:
            return update(key, learner, (), WORLD, params, look, cfg)[0], None

        return jax.lax.scan(one, learner, jax.random.split(key, cfg.updates))[0]

    net = train(begun(params, look, cfg)).params
    return policies.best(policies.scorer(look, cfg.network)), learnt(net, (), WORLD, look, cfg.network)


def satisfied(act: Act, of: Any) -> float:
    # Everybody sixteen times: the mean of forty walks is off by a third of what is asked for.
    episodes = follow(jax.random.key(9), WORLD, PARAMS, act, of, np.tile(np.arange(40, dtype=np.int32), 16))
    return float(outcome(episodes, WORLD, PARAMS).total_satisfaction.mean())


def test_the_myopic_agent_learns_what_is_liked() -> None:
    params = dataclasses.replace(PARAMS, reward_minutes=0.0, reward_up=1.0, reward_return=0.0)
    small = SMALL | {"listeners": 64, "steps": 16, "updates": 60, "learning_rate": 5e-3}
    act, of = trained(dqn.update, DqnConfig(**small, horizon_days=0.0, reward_unit=1.0, explore=0.2), OBSERVED, params)
    ups = {}
    for name, chosen in (("random", (policies.random, ())), ("myopic", (act, of))):
        episodes = follow(jax.random.key(9), WORLD, PARAMS, *chosen, np.arange(40, dtype=np.int32))
        ups[name] = float((episodes.info.feedback == 1)[episodes.is_there].mean())
    assert ups["myopic"] > 1.5 * ups["random"]


def test_with_the_true_state_looking_ahead_satisfies_more_than_the_best_next_item() -> None:
    small = SMALL | {"listeners": 64, "steps": 16, "updates": 60, "learning_rate": 3e-3}
    act, of = trained(ppo.update, PpoConfig(**small, horizon_days=4.0, reward_unit=30.0), TRUE, PARAMS)

    def at_once(of: Any, world: World, params: Any, key: jax.Array, state: Any, seen: Any) -> jax.Array:
        return jnp.argmax(TRUE.listener((), world, params, state, seen).candidates[:, 0])

    assert satisfied(act, of) > satisfied(at_once, ()) + 0.1
