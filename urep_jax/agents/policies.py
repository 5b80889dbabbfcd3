"""Policies that need no training, and those that a network's scores make."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from urep_jax.agents.views import Learnt, Look, scores
from urep_jax.core.types import LISTENED
from urep_jax.evaluation.long_term import Act
from urep_jax.models.candidate_scorer import CandidateScorerConfig
from urep_jax.simulation.satisfaction.environment import AnyState, AnyWorld, Observation
from urep_jax.simulation.satisfaction.params import SatisfactionParams

RECENTLY = 12
"""Events in which `rotate` looks for a style."""


def random(
    learnt: Any, world: AnyWorld, params: SatisfactionParams, key: jax.Array, state: AnyState, seen: Observation
) -> jax.Array:
    """Any candidate, each as likely."""
    return jax.random.randint(key, (), 0, seen.candidates.shape[0])


def popular(
    learnt: Any, world: AnyWorld, params: SatisfactionParams, key: jax.Array, state: AnyState, seen: Observation
) -> jax.Array:
    """A candidate in proportion to its plays before: the most popular one would be the same one again and again."""
    return jax.random.categorical(key, world.items.log_popularity[seen.candidates])


Score = Callable[[Any, AnyWorld, SatisfactionParams, AnyState, Observation], jax.Array]
"""`score(learnt, world, params, state, observation)`: a score of each candidate."""


def scorer(look: Look, cfg: CandidateScorerConfig) -> Score:
    """The scores of a network; what it has learnt is a `views.Learnt`."""

    def score(
        learnt: Learnt, world: AnyWorld, params: SatisfactionParams, state: AnyState, seen: Observation
    ) -> jax.Array:
        return scores(learnt, world, params, state, seen, look, cfg)[1].candidates

    return score


def best(score: Score) -> Act:
    """The candidate of the highest score."""

    def act(
        learnt: Any, world: AnyWorld, params: SatisfactionParams, key: jax.Array, state: AnyState, seen: Observation
    ) -> jax.Array:
        return jnp.argmax(score(learnt, world, params, state, seen))

    return act


def rotate(score: Score) -> Act:
    """A rule: the candidate of the highest score among the styles that weren't heard of late."""

    def act(
        learnt: Any, world: AnyWorld, params: SatisfactionParams, key: jax.Array, state: AnyState, seen: Observation
    ) -> jax.Array:
        recent, style_V = seen.recent, world.items.style
        is_heard_R = jnp.isin(recent.feedback, jnp.array(LISTENED)) & (recent.item >= 0)
        style_R = jnp.where(is_heard_R, style_V[recent.item], -1)[-RECENTLY:]
        is_old_N = (style_V[seen.candidates][:, None] == style_R).any(1)
        scores_N = score(learnt, world, params, state, seen)
        # If every style was heard, the best of all.
        return jnp.argmax(jnp.where(is_old_N & ~is_old_N.all(), -jnp.inf, scores_N))

    return act
