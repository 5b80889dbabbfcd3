"""Proximal policy optimisation over candidates: the scores are logits of what is offered.

    maximise  min(rho A, clip(rho, 1 - c, 1 + c) A) - weight (v - G)^2 + entropy H,   rho = pi(i | s) / pi_old(i | s)

with A the generalised advantage: Schulman et al. (2017), arXiv 1707.06347.
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
from urep_jax.simulation.satisfaction.draws import category
from urep_jax.simulation.satisfaction.environment import AnyState, AnyWorld, Observation
from urep_jax.simulation.satisfaction.params import SatisfactionParams
from urep_jax.simulation.satisfaction.rollout import TRUE, Environment, go_on, start_again


@dataclasses.dataclass(frozen=True)
class PpoConfig(LearningConfig):
    """Of proximal policy optimisation.

    Attributes:
        ratio_clip: c, how far the policy may move in an update.
        entropy: what spread of the policy is worth at the beginning; falls to nothing at the end.
        value_weight: of the value's error in the loss.
    """

    ratio_clip: float = 0.2
    entropy: float = 0.01
    value_weight: float = 0.5


class _Kept(NamedTuple):
    view: View
    candidates: Int32[Array, "N"]
    action: Int32[Array, ""]
    log_probability: Float32[Array, ""]
    value: Float32[Array, ""]


def update(
    key: jax.Array,
    learner: Learner,
    base: Any,
    world: AnyWorld,
    params: SatisfactionParams,
    look: Look,
    cfg: PpoConfig,
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

    def choose(key: jax.Array, state: AnyState, seen: Observation) -> tuple[jax.Array, _Kept]:
        view, found = scores(now, world, params, state, seen, look, cfg.network)
        action = category(jax.random.uniform(key), found.candidates)
        log_probability = jax.nn.log_softmax(found.candidates)[action]
        return action, _Kept(view, seen.candidates, action, log_probability, found.value)

    walk, taken = go_on(walking, walk, choose, world, params, cfg.steps, environment)

    def value_of(state: AnyState) -> jax.Array:
        return scores(now, world, params, state, environment.observe(state, world), look, cfg.network)[1].value

    last_B = jax.vmap(value_of)(walk.state)
    return_TxB = returns_of(taken, taken.kept.value, last_B, cfg)
    raw_TxB = (return_TxB - taken.kept.value) * taken.is_there
    centred_TxB = raw_TxB - mean_over(raw_TxB, taken.is_there)
    spread = jnp.sqrt(mean_over(centred_TxB**2, taken.is_there))
    advantage_TxB = centred_TxB / jnp.maximum(spread, 1e-8)
    entropy_weight = cfg.entropy * (1 - learner.update / cfg.updates)

    def loss(net: Params, part: tuple[_Kept, jax.Array, jax.Array, jax.Array]) -> jax.Array:
        kept, return_B, advantage_B, is_there_B = part
        vectors_VxW = candidate_scorer.item_vectors(net, items_VxF, cfg.network)
        found = jax.vmap(
            lambda view, candidates_N: candidate_scorer.apply(
                net, view.listener, vectors_VxW, candidates_N, view.candidates, cfg.network
            )
        )(kept.view, kept.candidates)
        log_BxN = jax.nn.log_softmax(found.candidates)
        log_B = jnp.take_along_axis(log_BxN, kept.action[:, None], axis=1)[:, 0]
        ratio_B = jnp.exp(log_B - kept.log_probability)
        clipped_B = jnp.clip(ratio_B, 1 - cfg.ratio_clip, 1 + cfg.ratio_clip)
        gain_B = jnp.minimum(ratio_B * advantage_B, clipped_B * advantage_B)
        error_B = (found.value - return_B) ** 2
        entropy_B = -(jnp.exp(log_BxN) * log_BxN).sum(1)
        return mean_over(-gain_B + cfg.value_weight * error_B - entropy_weight * entropy_B, is_there_B)

    batch = (taken.kept, return_TxB, advantage_TxB, taken.is_there)
    net, opt_state, value = learn(learner.params, learner.opt_state, loss, batch, learning, cfg)
    report = Report(mean_over(taken.reward, taken.is_there), value)
    return Learner(learner.update + 1, net, opt_state, walk), report
