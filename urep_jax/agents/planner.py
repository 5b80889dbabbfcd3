"""An oracle that needs no training: rules that weigh what hidden state says of each candidate, and the best of them.

    score(i) = worth_i + a nourishment_i dose_i - b satiation_i

with the true utility `worth`, nourishment and satiation. Which weights are best is found by trying: each rule is
followed for whole episodes, and the one that satisfies most is kept.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32, Int32

from urep_jax.agents.views import TRUE
from urep_jax.evaluation.long_term import follow, outcome
from urep_jax.simulation.satisfaction.environment import Observation, State
from urep_jax.simulation.satisfaction.params import SatisfactionParams
from urep_jax.simulation.satisfaction.world import World


class Rule(NamedTuple):
    """Weights of a rule, each a number.

    Attributes:
        nourishment: a.
        rest: b.
    """

    nourishment: Float32[Array, ""] | float
    rest: Float32[Array, ""] | float


RULES = tuple(Rule(float(a), float(b)) for a in (0, 0.5, 1, 2, 4, 8) for b in (0, 2))
"""What is tried; the first is best for the next item alone."""


def act(
    rule: Rule, world: World, params: SatisfactionParams, key: jax.Array, state: State, seen: Observation
) -> jax.Array:
    """The candidate that a rule puts first; reads hidden state."""
    worth_N, _, nourishing_N, tired_N, _ = TRUE.listener((), world, params, state, seen).candidates.T
    return jnp.argmax(worth_N + rule.nourishment * nourishing_N - rule.rest * tired_N)


def plan(key: jax.Array, world: World, params: SatisfactionParams, listeners: Int32[np.ndarray, "U"]) -> Rule:
    """The best of the `RULES`, by mean total satisfaction of these listeners with the same draws.

    Args:
        key: decides what is drawn.
        world: the world.
        params: its parameters.
        listeners: who is followed, by number.
    """

    def satisfied(rule: Rule) -> float:
        weights = Rule(jnp.float32(rule.nourishment), jnp.float32(rule.rest))
        episodes = follow(key, world, params, act, weights, listeners)
        return float(outcome(episodes, world, params).total_satisfaction.mean())

    return max(RULES, key=satisfied)
