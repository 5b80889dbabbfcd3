"""The oracle beside exact dynamic programming, in a world small enough for it.

Nobody tires of anything there, sessions have no mood, and whoever skips has had enough of the session: all that a
listener carries from item to item is net exposure, one number. What an item is worth is then

    Q(n, i) = E[integral of s over the step, discounted] + E[discount V(n')],   V(n) = max_i Q(n, i),

a semi-Markov decision process, solved on a fine grid of n.
"""

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.agents.small_world import small_world
from urep_jax.agents import planner, policies, ppo
from urep_jax.agents.learning import begin, set_out
from urep_jax.agents.planner import RULES, Rule
from urep_jax.agents.ppo import PpoConfig
from urep_jax.agents.views import TRUE, learnt
from urep_jax.evaluation.long_term import Act, follow
from urep_jax.models.candidate_scorer import CandidateScorerConfig
from urep_jax.simulation.satisfaction import mechanisms as of
from urep_jax.simulation.satisfaction.params import SatisfactionParams
from urep_jax.simulation.satisfaction.world import World

PARAMS = SatisfactionParams(
    memory=0.6, innovation=0.0, satiation=0.0, repeats=0.0, context=0.0, mood=0.0, impatience=100.0, weeks=30.0
)
WHO, BETA = 3, 1 / (4 * 7 * 24)
"""The listener, and the rate at which what comes later counts less: after four weeks, 1/e."""

GRID_E = np.linspace(-4.0, 1.2, 521)
"""Below it satisfaction is nothing, so that it may end there."""


def one_pool(world: World) -> World:
    """The same candidates in each session, half of them empty: they please more, and don't nourish."""
    is_empty_V = np.arange(len(world.hidden.pull)) % 2 == 0
    hidden = world.hidden._replace(nourishment=jnp.where(is_empty_V, -0.25, 1.0), pull=jnp.where(is_empty_V, 1.0, 0.0))
    return world._replace(hidden=hidden, listeners=world.listeners._replace(pools=0 * world.listeners.pools))


WORLD = one_pool(small_world())


@dataclasses.dataclass(frozen=True)
class Problem:
    """What comes of each item at each exposure, E x N: satisfaction at once, and what the next value weighs where."""

    at_once: np.ndarray
    weight: np.ndarray
    worth: np.ndarray

    def q(self, value_E: np.ndarray) -> np.ndarray:
        return self.at_once + self.weight @ value_E

    def value_of(self, action_E: np.ndarray) -> np.ndarray:
        rows = np.arange(len(GRID_E))
        return np.linalg.solve(np.eye(len(GRID_E)) - self.weight[rows, action_E], self.at_once[rows, action_E])

    def best(self) -> np.ndarray:
        """Policy iteration: each step is better, until none is."""
        action_E = self.worth.argmax(1)
        while True:
            better_E = self.q(self.value_of(action_E)).argmax(1)
            if (better_E == action_E).all():
                return action_E
            action_E = better_E


@cache
def problem() -> Problem:
    """The decision process of the listener."""
    at_N, who = WORLD.pools[0], WORLD.listeners
    length_N = np.asarray(WORLD.items.minutes[at_N])
    base_N = np.asarray(WORLD.hidden.parts[at_N] @ who.wishes[WHO] + WORLD.hidden.pull[at_N])
    satisfied_E = np.asarray(of.satisfaction_of(PARAMS, jnp.asarray(GRID_E)))
    worth_ExN = base_N + PARAMS.engagement * (satisfied_E[:, None] - 0.5)
    chance_ExNx4 = np.asarray(jax.nn.softmax(of.feedback_logits(PARAMS, jnp.asarray(worth_ExN)), axis=-1))
    left_ExN = chance_ExNx4[..., 2:].sum(-1)
    at_once_ExN = np.zeros_like(worth_ExN)
    weight_ExNxE = np.zeros((*worth_ExN.shape, len(GRID_E)))

    def add(chance_ExN: np.ndarray, ratio: float, is_left: bool) -> None:
        dose_N = of.doses(PARAMS, jnp.full(length_N.shape, ratio), jnp.asarray(length_N))
        before_ExN, nourishing_ExN, dose_ExN = jnp.broadcast_arrays(
            jnp.asarray(GRID_E)[:, None], WORLD.hidden.nourishment[at_N], dose_N
        )
        left_early_ExN = jnp.full(before_ExN.shape, is_left)
        after_ExN = np.clip(
            of.exposure_after(
                PARAMS, before_ExN, nourishing_ExN, dose_ExN, left_early_ExN, jnp.zeros(before_ExN.shape)
            ),
            GRID_E[0],
            GRID_E[-1],
        )
        s_ExN = np.asarray(of.satisfaction_of(PARAMS, jnp.asarray(after_ExN)))
        here_N = ratio * length_N / 60
        over_N = np.ones_like(here_N) if is_left else np.asarray(of.enough(PARAMS, jnp.asarray(length_N)))
        mean_ExN = 24 * np.asarray(
            of.days_away(PARAMS, jnp.asarray(s_ExN), jnp.full(s_ExN.shape, who.pause[WHO]), jnp.ones(s_ExN.shape))
        )
        stays_ExN = 1 - np.asarray(of.chance_to_leave(PARAMS, jnp.asarray(s_ExN)))
        later_N = np.exp(-BETA * here_N)
        away_ExN = over_N * stays_ExN * later_N / (1 + BETA * mean_ExN)
        at_once_ExN[:] += chance_ExN * s_ExN * ((1 - later_N) / BETA + away_ExN * mean_ExN)
        goes_on_ExN = chance_ExN * ((1 - over_N) * later_N + away_ExN)
        place_ExN = np.interp(after_ExN, GRID_E, np.arange(len(GRID_E)))
        low_ExN = np.minimum(place_ExN.astype(int), len(GRID_E) - 2)
        e, n = np.indices(place_ExN.shape)
        weight_ExNxE[e, n, low_ExN] += goes_on_ExN * (1 - (place_ExN - low_ExN))
        weight_ExNxE[e, n, low_ExN + 1] += goes_on_ExN * (place_ExN - low_ExN)

    add(1 - left_ExN, 1.0, is_left=False)
    nodes, weights = np.polynomial.legendre.leggauss(4)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        add(left_ExN * weight, float(node**2), is_left=True)
    return Problem(at_once_ExN, weight_ExNxE, worth_ExN)


START = int(np.abs(GRID_E).argmin())


def exact(act_of: Callable[[np.ndarray], np.ndarray]) -> float:
    """Discounted satisfaction of a rule, in weeks, from the beginning."""
    return float(problem().value_of(act_of(problem().worth))[START]) / (24 * 7)


def ruled(rule: Rule) -> Callable[[np.ndarray], np.ndarray]:
    nourishing_N = np.asarray(WORLD.hidden.nourishment[WORLD.pools[0]])
    dose_N = np.asarray(of.doses(PARAMS, jnp.ones(len(nourishing_N)), WORLD.items.minutes[WORLD.pools[0]]))
    return lambda worth_ExN: (worth_ExN + rule.nourishment * nourishing_N * np.minimum(dose_N, 3.0)).argmax(1)


def simulated(act: Act, of_agent: Any, listeners: int = 600) -> tuple[float, float]:
    """The same by simulation, and half its 95 % interval."""
    episodes = follow(jax.random.key(2), WORLD, PARAMS, act, of_agent, np.full(listeners, WHO, np.int32))
    hours_TxU = np.where(episodes.is_there, episodes.info.hours, 0.0).astype(np.float64)
    before_TxU = np.cumsum(hours_TxU, axis=0) - hours_TxU
    found_U = (np.exp(-BETA * before_TxU) * -np.expm1(-BETA * hours_TxU) / BETA * episodes.info.satisfaction).sum(0)
    return float(found_U.mean()) / (24 * 7), float(1.96 * found_U.std() / listeners**0.5) / (24 * 7)


@cache
def best() -> float:
    """The most discounted satisfaction that there can be, in weeks."""
    return float(problem().value_of(problem().best())[START]) / (24 * 7)


@pytest.mark.parametrize("rule", [RULES[0], Rule(2.0, 0.0)])
def test_dynamic_programming_is_of_the_world_that_is_simulated(rule: Rule) -> None:
    told, half = simulated(planner.act, Rule(jnp.float32(rule.nourishment), jnp.float32(rule.rest)))
    assert abs(told - exact(ruled(rule))) < 1.5 * half
    assert half < 0.05 * best()


def test_the_planner_comes_near_to_the_best_that_there_is() -> None:
    found = planner.plan(jax.random.key(1), WORLD, PARAMS, np.full(100, WHO, np.int32))
    at_once = exact(ruled(RULES[0]))
    assert at_once < 0.9 * best(), "looking ahead matters here"
    assert 0.95 * best() < exact(ruled(found)) <= best() + 1e-9


def test_policy_optimisation_with_the_true_state_comes_near_to_the_best_that_there_is() -> None:
    network = CandidateScorerConfig(width=8, hidden=16)
    cfg = PpoConfig(
        network, listeners=128, steps=16, updates=60, learning_rate=3e-3, horizon_days=10.0, reward_unit=30.0
    )

    @jax.jit
    def train(key: jax.Array) -> Any:
        first, walking, learning = jax.random.split(key, 3)
        learner = begin(first, set_out(walking, WORLD, PARAMS, cfg.listeners), (), WORLD, PARAMS, TRUE, cfg)

        def one(learner: Any, key: jax.Array) -> tuple[Any, None]:
            return ppo.update(key, learner, (), WORLD, PARAMS, TRUE, cfg)[0], None

        return jax.lax.scan(one, learner, jax.random.split(learning, cfg.updates))[0].params

    net = train(jax.random.key(4))
    told, half = simulated(policies.best(policies.scorer(TRUE, network)), learnt(net, (), WORLD, TRUE, network))
    assert 0.93 * best() < told < best() + 1.5 * half
