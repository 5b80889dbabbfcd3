"""Policies that are tried out side by side: each chooses with the chances that its weights say, in its week."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.agents.small_world import LISTENERS, PARAMS, WIDTH, small_world
from urep_jax.agents.softmax_policies import LIKED, SEEN, SoftmaxPolicies, act, draw_policies, in_turn, more_of_the_same
from urep_jax.core.types import LISTENED
from urep_jax.evaluation.long_term import follow
from urep_jax.simulation.satisfaction.logs import write_log

WORLD = small_world()
CONTENT = np.asarray(WORLD.items.content)
POOLS = np.asarray(WORLD.pools)


def test_each_week_has_its_policy_and_the_log_has_its_chances() -> None:
    """Two in turn, by content alone, and one of more of the same, for one listener each."""
    towards = 0.5 * jax.random.normal(jax.random.key(0), (2, WIDTH))
    same = more_of_the_same(WIDTH)
    policies = SoftmaxPolicies(
        jnp.concatenate([jnp.zeros((2, len(SEEN))), same.weights]), jnp.concatenate([towards, same.towards])
    )
    which = np.zeros((LISTENERS, 2), np.int32)
    which[:, 1], which[0] = 1, 2
    choose = in_turn(WORLD, policies, jnp.asarray(which))
    log, _ = write_log(jax.random.key(1), WORLD, PARAMS, choose, np.arange(LISTENERS), 128)
    assert (log.began[1:][log.is_there[1:]] > 168).any()
    for row, place in zip(*np.nonzero(log.is_there[1:]), strict=True):
        week = int(log.began[1 + row, place] >= 168)
        pool = POOLS[log.pool[1 + row, place]]
        chance_N = np.asarray(jax.nn.softmax(CONTENT[pool] @ towards[week]))
        told = log.probability[1 + row, place]
        np.testing.assert_allclose(told, chance_N[pool == log.item[1 + row, place]][0], rtol=1e-3)

    vector = np.asarray(WORLD.listeners.vector)[0]
    liked = np.zeros(WIDTH)
    for place in range(3):
        pool = POOLS[log.pool[0, place]]
        wanted = vector / np.linalg.norm(vector) + liked / max(np.linalg.norm(liked), 1e-6)
        chance_N = np.asarray(jax.nn.softmax(2 * CONTENT[pool] @ wanted))
        np.testing.assert_allclose(log.probability[0, place], chance_N[pool == log.item[0, place]][0], rtol=1e-3)
        liked += (1 if log.feedback[0, place] in LISTENED else -1) * CONTENT[log.item[0, place]]


def test_followed_alone_a_policy_chooses_what_it_weighs_most() -> None:
    """So strongly that nothing is left to chance: each of an episode is the best of its pool."""
    towards = 1e3 * jax.random.normal(jax.random.key(0), (WIDTH,))
    policy = SoftmaxPolicies(jnp.zeros(len(SEEN)), towards)
    episodes = follow(jax.random.key(1), WORLD, PARAMS, act, policy, np.arange(2, dtype=np.int32), most_steps=1)
    best_P = POOLS[np.arange(len(POOLS)), (CONTENT[POOLS] @ np.asarray(towards)).argmax(1)]
    assert np.isin(episodes.info.item[episodes.is_there], best_P).all()


def test_policies_differ_and_the_first_offers_anything() -> None:
    policies = draw_policies(jax.random.key(0), 200, WIDTH, 0.7)
    assert not np.asarray(policies.weights[0]).any()
    assert not np.asarray(policies.towards[0]).any()
    np.testing.assert_allclose(np.linalg.norm(policies.towards[1:], axis=1), 0.7, rtol=1e-5)
    np.testing.assert_allclose(np.sqrt((np.asarray(policies.weights[1:]) ** 2).mean(0)), 0.7, atol=0.12)
    is_liked = np.array([name in LIKED for name in SEEN])
    assert (np.asarray(policies.weights)[:, is_liked] >= 0).all()
    assert (np.asarray(policies.weights)[1:, ~is_liked] < 0).mean(0).min() > 0.3


def test_what_is_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="count is 0, but must be at least 1"):
        draw_policies(jax.random.key(0), 0, WIDTH, 1.0)
    with pytest.raises(ValueError, match=r"strength is -1\.0, but must be at least 0"):
        draw_policies(jax.random.key(0), 2, WIDTH, -1.0)
