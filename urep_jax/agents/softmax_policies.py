"""Policies that a service tries out side by side, each a softmax of weights of its own.

    logit of candidate i = <weights, what is seen of i> + <towards, content of i>

What a model can learn of listeners it learns from where logging policies differ: of one diet nothing is known that
another would change. A service that changes what a listener gets from week to week sees the same listener on several.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float32, Int32

from urep_jax.core.streams import name_key
from urep_jax.core.types import LISTENED
from urep_jax.simulation.ranges import require
from urep_jax.simulation.satisfaction.environment import AnyState, AnyWorld, Observation
from urep_jax.simulation.satisfaction.logs import drawn
from urep_jax.simulation.satisfaction.mechanisms import DAYS_PER_WEEK, HOURS_PER_DAY
from urep_jax.simulation.satisfaction.params import SatisfactionParams
from urep_jax.simulation.satisfaction.rollout import Choose

SEEN = ("near", "popular", "long", "known", "style", "liked")
"""What is weighed of a candidate, each about of size 1: how near it is to the listener's vector, its fame and length,
how often the listener heard it, the share of recent events of its style, and how near it is to what was heard of late,
less what was left."""

LIKED = ("near", "liked")
"""Which of these say that a candidate is to the listener's taste."""


class SoftmaxPolicies(NamedTuple):
    """`A` policies.

    Attributes:
        weights: of `SEEN`.
        towards: of the numbers of an item's content.
    """

    weights: Float32[Array, "A M"]
    towards: Float32[Array, "A F"]


def draw_policies(key: jax.Array, count: int, content: int, strength: float) -> SoftmaxPolicies:
    """Policies as different as chance makes them; the first offers anything, and none goes away from what is liked.

    Args:
        key: decides which.
        count: how many, at least 1.
        content: numbers of an item's content.
        strength: standard deviation of each weight, and the length of `towards`; at least 0.

    Raises:
        ValueError: if a value is out of range.
    """
    require(count >= 1, f"count is {count}, but must be at least 1; raise it")
    require(0 <= strength < math.inf, f"strength is {strength}, but must be at least 0; raise it")
    weights_AxM = strength * jax.random.normal(name_key(key, "weights"), (count, len(SEEN)))
    # Of what is worse than anything there is nothing to learn, and no service would try it out.
    weights_AxM = jnp.where(jnp.array([name in LIKED for name in SEEN]), jnp.abs(weights_AxM), weights_AxM)
    towards_AxF = jax.random.normal(name_key(key, "towards"), (count, content))
    towards_AxF *= strength / jnp.linalg.norm(towards_AxF, axis=1, keepdims=True)
    return SoftmaxPolicies(weights_AxM.at[0].set(0.0), towards_AxF.at[0].set(0.0))


def more_of_the_same(content: int, weight: float = 2.0) -> SoftmaxPolicies:
    """One policy: what is near to the listener's vector, and to what was heard of late.

    Args:
        content: numbers of an item's content.
        weight: of either.
    """
    is_weighed_M = jnp.array([name in LIKED for name in SEEN], jnp.float32)
    return SoftmaxPolicies(weight * is_weighed_M[None], jnp.zeros((1, content)))


def seen_of_candidates(world: AnyWorld, seen: Observation) -> Float32[Array, "N M"]:
    """What is weighed of each candidate, by `SEEN`.

    Args:
        world: the world; only what a service knows of it is read.
        seen: of one listener.
    """
    of, recent = world.items, seen.recent
    fame_V, long_V = _standardised(of.log_popularity), _standardised(jnp.log(of.minutes))
    content_NxF = of.content[seen.candidates]
    is_event_R = recent.item >= 0
    is_heard_R = jnp.isin(recent.feedback, jnp.array(LISTENED))
    sign_R = is_event_R * jnp.where(is_heard_R, 1.0, -1.0)
    events = jnp.maximum(is_event_R.sum(), 1)
    liked_F = sign_R @ of.content[recent.item]
    is_same_NxR = of.style[seen.candidates][:, None] == of.style[recent.item]
    columns = (
        _near(content_NxF, seen.vector),
        fame_V[seen.candidates],
        long_V[seen.candidates],
        jnp.log1p(seen.heard),
        3 * (is_same_NxR & is_event_R).sum(1) / events,
        _near(content_NxF, liked_F),
    )
    return jnp.stack(columns, axis=1)


def logits(policy: SoftmaxPolicies, world: AnyWorld, seen: Observation) -> Float32[Array, "N"]:
    """Of each candidate, by one policy: `SoftmaxPolicies` without their first axis."""
    return seen_of_candidates(world, seen) @ policy.weights + world.items.content[seen.candidates] @ policy.towards


def act(
    learnt: SoftmaxPolicies,
    world: AnyWorld,
    params: SatisfactionParams,
    key: jax.Array,
    state: AnyState,
    seen: Observation,
) -> jax.Array:
    """A candidate drawn by one policy, as `evaluation.long_term.follow` asks for it."""
    return jax.random.categorical(key, logits(learnt, world, seen))


def in_turn(world: AnyWorld, policies: SoftmaxPolicies, which: Int32[Array, "U W"]) -> Choose:
    """What `write_log` draws with: for each listener another policy each week.

    Args:
        world: the world that is logged; only what a service knows of it is read.
        policies: the policies.
        which: of them each listener gets in each week; the last one stays.
    """

    def choose(key: jax.Array, state: AnyState, seen: Observation) -> tuple[jax.Array, jax.Array]:
        week = jnp.minimum(seen.hours / (HOURS_PER_DAY * DAYS_PER_WEEK), which.shape[1] - 1).astype(jnp.int32)
        one = jax.tree.map(lambda x: x[which[state.listener, week]], policies)
        return drawn(lambda seen: logits(one, world, seen))(key, state, seen)

    return choose


def _standardised(x_V: jax.Array) -> jax.Array:
    return (x_V - x_V.mean()) / jnp.maximum(x_V.std(), 1e-6)


def _near(content_NxF: jax.Array, to_F: jax.Array) -> jax.Array:
    """The component of each along a direction."""
    return content_NxF @ to_F / jnp.maximum(jnp.linalg.norm(to_F), 1e-6)
