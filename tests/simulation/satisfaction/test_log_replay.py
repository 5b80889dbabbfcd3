"""A log replayed: what the service saw when it chose, seen again."""

import jax
import jax.numpy as jnp
import numpy as np

from tests.agents.small_world import ANYTHING, LISTENERS, PARAMS, WIDTH, small_world
from urep_jax.simulation.satisfaction.environment import RECENT, Observation
from urep_jax.simulation.satisfaction.logs import joined, write_log
from urep_jax.simulation.satisfaction.replay import replay

WORLD = small_world()


def fingerprint(seen: Observation) -> jax.Array:
    """A number to which all that is seen adds something of its own, about as much as the rest does."""
    scale = seen._replace(
        vector=1.0,
        candidates=0.1,
        heard=1.0,
        recent=seen.recent._replace(item=0.1, feedback=1.0, ratio=1.0, hours=0.01),
        hour=0.1,
        device=1.0,
        place=0.1,
        days_since=1.0,
        hours=0.01,
    )
    scaled = jax.tree.map(lambda x, by: jnp.ravel(x * by), seen, scale)
    numbers = jnp.concatenate(jax.tree.leaves(scaled))
    assert numbers.shape == (WIDTH + 2 * 8 + 4 * RECENT + 5,)
    return jax.random.normal(jax.random.key(5), numbers.shape) @ numbers


def told(key, state, seen):
    """In place of the probability, what was seen."""
    return ANYTHING(key, state, seen)[0], fingerprint(seen)


LOG, _ = write_log(jax.random.key(1), WORLD, PARAMS, told, np.arange(LISTENERS), 128)


def test_what_the_service_saw_is_seen_again() -> None:
    there = LOG.is_there
    seen, item, heard = replay(
        LOG, WORLD, PARAMS, lambda seen, action: (fingerprint(seen), seen.candidates[action], seen.heard[action])
    )
    assert there.sum() > 300
    assert np.std(LOG.probability[there]) > 1
    np.testing.assert_allclose(np.asarray(seen)[there], LOG.probability[there], atol=2e-3)
    np.testing.assert_array_equal(np.asarray(item)[there], LOG.item[there])
    np.testing.assert_allclose(np.asarray(heard)[there], LOG.heard[there], atol=1e-4)
    assert LOG.heard[there].max() > 2


def test_what_lies_after_the_last_event_changes_nothing() -> None:
    short = jax.tree.map(lambda x: x if x.ndim == 1 else x[:, :20], LOG)
    both = joined([short, LOG])
    assert (both.began[:LISTENERS, 20:] == 0).all()
    again = np.asarray(replay(both, WORLD, PARAMS, lambda seen, action: fingerprint(seen)))
    np.testing.assert_allclose(again[both.is_there], both.probability[both.is_there], atol=2e-3)
