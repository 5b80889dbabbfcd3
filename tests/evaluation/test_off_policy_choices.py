"""Another policy asked about a log of the simulated world, and its estimates against what it brings there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.agents.small_world import ANYTHING, CANDIDATES, LISTENERS, PARAMS, even, small_world
from urep_jax.evaluation import off_policy
from urep_jax.evaluation.off_policy_choices import choices
from urep_jax.evaluation.off_policy_models import expected_sums
from urep_jax.metrics.mean import Mean
from urep_jax.simulation.satisfaction.environment import Observation
from urep_jax.simulation.satisfaction.logs import CHUNK, Log, drawn, write_log

WORLD = small_world()
STEPS = 4


def tilted(seen: Observation) -> jax.Array:
    """Logits of a policy that likes what is near the listener, and long."""
    near_N = WORLD.items.content[seen.candidates] @ seen.vector
    return 0.15 * near_N + 0.3 * WORLD.items.minutes[seen.candidates] + 0.1 * seen.heard


def described(seen: Observation) -> jax.Array:
    near_N = WORLD.items.content[seen.candidates] @ seen.vector
    place_N = jnp.full(CANDIDATES, seen.place, jnp.float32)
    return jnp.stack([near_N, WORLD.items.minutes[seen.candidates], seen.heard, place_N], axis=1)


TILTED = drawn(tilted)
WHO = np.tile(np.arange(LISTENERS), 100)
LOG, _ = write_log(jax.random.key(3), WORLD, PARAMS, ANYTHING, WHO, CHUNK)


def minutes(log: Log) -> np.ndarray:
    """That were heard, of the first events."""
    return np.where(log.is_there, 60 * (log.hours - log.began), 0.0)[:, :STEPS]


def test_a_policy_is_asked_what_it_would_have_done() -> None:
    """The policy that is logged, about its own log: its probabilities, and numbers of what it chose."""
    log, _ = write_log(jax.random.key(4), WORLD, PARAMS, TILTED, WHO, CHUNK)
    found = choices(log, WORLD, PARAMS, tilted, tilted, described)
    there = log.is_there
    np.testing.assert_allclose(found.target[there], log.probability[there], rtol=1e-4)
    np.testing.assert_allclose(found.taken[there][:, 1], np.asarray(WORLD.items.minutes)[log.item[there]], rtol=1e-6)
    np.testing.assert_allclose(found.taken[there][:, 2], log.heard[there], atol=1e-4)
    np.testing.assert_allclose(found.taken[there].mean(0), found.expected[there].mean(0), atol=0.05)
    with pytest.raises(ValueError, match=r"but the log says 0\.\d+; name the policy that wrote the log"):
        choices(log, WORLD, PARAMS, tilted, even, described)


def test_another_policy_brings_what_its_estimates_say() -> None:
    log, _ = write_log(jax.random.key(5), WORLD, PARAMS, TILTED, WHO, CHUNK)
    truth = Mean.from_batch(minutes(log).sum(1))
    found = choices(LOG, WORLD, PARAMS, tilted, even, described)
    cut = jax.tree.map(lambda x: x[:, :STEPS], found)
    there, rewards = LOG.is_there[:, :STEPS], minutes(LOG)
    weights = off_policy.path_weights(cut.target, LOG.probability[:, :STEPS], there)
    np.testing.assert_allclose(weights.mean(0), 1, atol=0.1)
    q, v = expected_sums(rewards, cut, there)
    plain = off_policy.per_decision(rewards, weights, there)
    estimates = [plain, off_policy.weighted_per_decision(rewards, weights, there)]
    estimates.append(off_policy.sequential_dr(rewards, weights, q, v, there))
    estimates.append(off_policy.weighted_sequential_dr(rewards, weights, q, v, there))
    for estimate in estimates:
        assert abs(estimate.value - truth.compute()) < 1.5 * np.hypot(estimate.ci95(), truth.ci95())
    assert rewards.sum(1).mean() < truth.compute() - 3 * truth.ci95(), "the logged mean would not have done"
    assert estimates[3].standard_error < 0.8 * plain.standard_error
    assert 100 < plain.effective < 0.8 * len(WHO)


def test_what_is_never_logged_is_not_guessed_at() -> None:
    def first(seen: Observation) -> jax.Array:
        return jnp.where(jnp.arange(CANDIDATES) == 0, 0.0, -jnp.inf)

    small = jax.tree.map(lambda x: x[:LISTENERS], LOG)
    found = choices(small, WORLD, PARAMS, first, even, described)
    chosen = small.item == np.asarray(WORLD.pools)[small.pool, 0]
    np.testing.assert_array_equal(found.target[small.is_there], chosen[small.is_there])
    offered = np.asarray(WORLD.pools)[small.pool, 0]
    log = small._replace(item=offered, probability=np.ones_like(small.probability))
    item = int(WORLD.pools[small.pool[0, 0], 1])
    with pytest.raises(ValueError, match=rf"target offers item {item} at event 0 of row 0 .* 0\.125, but the logging"):
        choices(log, WORLD, PARAMS, even, first, described)
