"""Policies by rule."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from tests.agents.tiny import PARAMS, tiny_world
from urep_jax.agents import planner, policies
from urep_jax.core.types import Feedback
from urep_jax.simulation.satisfaction.environment import Observation, State, reset, utility
from urep_jax.simulation.satisfaction.world import World

WORLD = tiny_world()


def begun() -> tuple[State, Observation]:
    seen, state = reset(jax.random.key(0), WORLD, PARAMS, 5)
    return state, seen


def test_random_and_popular_draw_as_they_say() -> None:
    state, seen = begun()
    keys = jax.random.split(jax.random.key(1), 20_000)
    for act, share_N in (
        (policies.random, np.full(20, 1 / 20)),
        (policies.popular, np.exp(np.asarray(WORLD.items.log_popularity[seen.candidates], np.float64))),
    ):
        drawn = jax.vmap(lambda key, act=act: act((), WORLD, PARAMS, key, state, seen))(keys)
        counts_N = np.bincount(np.asarray(drawn), minlength=20)
        assert stats.chisquare(counts_N, len(keys) * share_N / share_N.sum()).pvalue > 1e-4


def score(learnt: jax.Array, world: World, params: object, state: State, seen: Observation) -> jax.Array:
    """By number of the item, from what was learnt."""
    return learnt[seen.candidates]


def test_best_and_rotate_follow_the_score() -> None:
    state, seen = begun()
    learnt = jax.random.normal(jax.random.key(2), (WORLD.items.style.shape[0],))
    key = jax.random.key(3)
    first = policies.best(score)(learnt, WORLD, PARAMS, key, state, seen)
    assert first == jnp.argmax(learnt[seen.candidates])
    rotate = policies.rotate(score)
    assert rotate(learnt, WORLD, PARAMS, key, state, seen) == first, "nothing was heard yet"

    item = seen.candidates[first]
    for feedback, is_kept in ((Feedback.UP, False), (Feedback.SKIP, True)):
        recent = seen.recent._replace(
            item=seen.recent.item.at[-1].set(item), feedback=seen.recent.feedback.at[-1].set(feedback)
        )
        then = rotate(learnt, WORLD, PARAMS, key, state, seen._replace(recent=recent))
        same_style = WORLD.items.style[seen.candidates[then]] == WORLD.items.style[item]
        assert bool(same_style) == is_kept, "a style that was skipped wasn't heard"
        if not is_kept:
            other_N = WORLD.items.style[seen.candidates] != WORLD.items.style[item]
            assert then == jnp.argmax(jnp.where(other_N, learnt[seen.candidates], -jnp.inf))

    everything = seen._replace(recent=seen.recent._replace(item=jnp.full(24, item), feedback=jnp.full(24, Feedback.UP)))
    one_style = WORLD._replace(items=WORLD.items._replace(style=jnp.zeros_like(WORLD.items.style)))
    assert rotate(learnt, one_style, PARAMS, key, state, everything) == first, "every style was heard"


def test_a_plan_without_weights_is_the_best_next_item_and_others_nourish_more() -> None:
    state, seen = begun()
    key = jax.random.key(0)
    worth_N = utility(state, seen.candidates, WORLD, PARAMS)
    assert planner.act(planner.Rule(0.0, 0.0), WORLD, PARAMS, key, state, seen) == jnp.argmax(worth_N)
    far = planner.act(planner.Rule(1_000.0, 0.0), WORLD, PARAMS, key, state, seen)
    nourishing_N = WORLD.hidden.nourishment[seen.candidates]
    assert nourishing_N[far] == nourishing_N.max()


def test_a_plan_looks_ahead_where_that_pays_and_only_there() -> None:
    rule = planner.plan(jax.random.key(4), WORLD, PARAMS, np.arange(40, dtype=np.int32))
    assert rule.nourishment > 0
    flat = WORLD._replace(hidden=WORLD.hidden._replace(nourishment=jnp.zeros_like(WORLD.hidden.nourishment)))
    rule = planner.plan(jax.random.key(4), flat, PARAMS.without_the_long_term(), np.arange(40, dtype=np.int32))
    assert rule == planner.RULES[0], "all rules play the same then, and the first of them counts"
