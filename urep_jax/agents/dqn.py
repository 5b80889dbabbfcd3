"""Q-learning with a network that scores (state, track) pairs: the score is the return that is expected of the track.

    Q(s, i) = value(s) + score(s, i),   minimise (Q(s_t, i_t) - G_t)^2,
    G_t the lambda-return of (1 - epsilon) max_i Q(s, i) + epsilon mean_i Q(s, i)

with epsilon the share of random choices while it learns. Returns differ far more by chance than by one item. So the
best of many noisy scores is too good, and more so where what comes of random choices is counted as if the best had been
chosen: what is followed is what is expected (expected Sarsa: van Seijen et al. 2009, "A theoretical and empirical
analysis of expected Sarsa"). And it learns best from returns that are mostly the network's own: a `trace` of 0.3, where
policy optimisation has 0.95.

Many listeners side by side stand in for a replay, and normalised layers for a target network: Gallici et al. (2024),
"Simplifying deep temporal difference learning" (PQN). An action has numbers, not an output of its own: Dulac-Arnold et
al. (2015), and Spotify's action-head DQN (Tomasi et al. 2023, arXiv 2310.09123). With no horizon it learns the expected
reward of the next item alone: the myopic agent.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float32, Int32

from urep_jax.agents.learning import (
    Learner,
    LearningConfig,
    Params,
    Report,
    learn,
    mean_over,
    returns_of,
)
from urep_jax.agents.views import Look, View, learnt, scores
from urep_jax.models import candidate_scorer
from urep_jax.models.candidate_scorer import Scores
from urep_jax.simulation.satisfaction.draws import whole
from urep_jax.simulation.satisfaction.environment import AnyState, AnyWorld, Observation
from urep_jax.simulation.satisfaction.params import SatisfactionParams
from urep_jax.simulation.satisfaction.rollout import TRUE, Environment, go_on, start_again


@dataclasses.dataclass(frozen=True)
class DqnConfig(LearningConfig):
    """Of Q-learning.

    Attributes:
        explore: epsilon, the share of random choices at the end.
        exploring: share of the updates in which it falls from 1 to that.
    """

    explore: float = 0.1
    exploring: float = 0.3


class _Kept(NamedTuple):
    listener: Float32[Array, "X"]
    relation: Float32[Array, "M"]
    item: Int32[Array, ""]
    expected: Float32[Array, ""]


def update(
    key: jax.Array,
    learner: Learner,
    base: Any,
    world: AnyWorld,
    params: SatisfactionParams,
    look: Look,
    cfg: DqnConfig,
    environment: Environment = TRUE,
) -> tuple[Learner, Report]:
    """Walk on for `cfg.steps`, and learn from what happened.

    Args:
        key: decides what is drawn.
        learner: what is carried.
        base: what its look asks for.
        world: where the listeners live.
        params: its parameters, with the rewards that count.
        look: how it looks at the world.
        cfg: how it learns.
        environment: the world itself, or what stands in for it.
    """
    again, walking, learning = jax.random.split(key, 3)
    walk = start_again(again, learner.walk, world, params, environment)
    items_VxF = look.items(world)
    now = learnt(learner.params, base, world, look, cfg.network)
    share = learner.update / (cfg.exploring * cfg.updates)
    explore = jnp.maximum(1 - (1 - cfg.explore) * share, cfg.explore)

    def scored(state: AnyState, seen: Observation) -> tuple[View, Scores]:
        return scores(now, world, params, state, seen, look, cfg.network)

    def expected(found: Scores) -> jax.Array:
        of = found.candidates
        return found.value + (1 - explore) * of.max() + explore * of.mean()

    def choose(key: jax.Array, state: AnyState, seen: Observation) -> tuple[jax.Array, _Kept]:
        view, found = scored(state, seen)
        if_random, which = jax.random.uniform(key, (2,))
        action = jnp.where(if_random < explore, whole(which, len(seen.candidates)), jnp.argmax(found.candidates))
        return action, _Kept(view.listener, view.candidates[action], seen.candidates[action], expected(found))

    walk, taken = go_on(walking, walk, choose, world, params, cfg.steps, environment)
    last_B = jax.vmap(lambda state: expected(scored(state, environment.observe(state, world))[1]))(walk.state)
    return_TxB = returns_of(taken, taken.kept.expected, last_B, cfg)

    def loss(net: Params, part: tuple[_Kept, jax.Array, jax.Array]) -> jax.Array:
        kept, return_B, is_there_B = part
        vectors_BxW = candidate_scorer.item_vectors(net, items_VxF[kept.item], cfg.network)
        found = jax.vmap(
            lambda listener_X, vector_W, relation_M: candidate_scorer.apply(
                net, listener_X, vector_W[None], jnp.zeros(1, jnp.int32), relation_M[None], cfg.network
            )
        )(kept.listener, vectors_BxW, kept.relation)
        error_B = found.value + found.candidates[:, 0] - return_B
        return mean_over(error_B**2, is_there_B)

    batch = (taken.kept, return_TxB, taken.is_there)
    net, opt_state, value = learn(learner.params, learner.opt_state, loss, batch, learning, cfg)
    report = Report(mean_over(taken.reward, taken.is_there), value)
    return Learner(learner.update + 1, net, opt_state, walk), report
