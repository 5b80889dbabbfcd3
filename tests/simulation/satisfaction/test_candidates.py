"""Pools of candidates: what is in them, and whose they are."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.simulation.satisfaction.worlds import NUM_ITEMS, NUM_STYLES, world
from urep_jax.simulation.satisfaction.candidates import (
    MOST_LAID,
    RANDOM_POOLS,
    anything,
    laid_out,
    stations,
    two_towers,
)

OFFERS = (anything, stations, two_towers)


def offered(offer):
    here = world()
    pools, theirs = offer(jax.random.key(1), here.items, here.listeners.vector)
    return np.asarray(pools), np.asarray(theirs)


def cosines(x, y):
    x, y = (np.asarray(z, np.float64) for z in (x, y))
    return x @ y.T / np.outer(np.sqrt((x**2).sum(1)), np.sqrt((y**2).sum(1)))


@pytest.mark.parametrize("make", OFFERS)
@pytest.mark.parametrize("count", [1, 15, NUM_ITEMS])
def test_candidates_are_distinct_items_and_pools_exist(make, count):
    pools, theirs = offered(make(count))
    assert pools.shape[1] == count
    assert pools.min() >= 0
    assert pools.max() < NUM_ITEMS
    assert all(len(set(pool)) == count for pool in pools.tolist())
    assert theirs.min() >= 0
    assert theirs.max() < len(pools)
    assert len(theirs) == len(world().listeners.vector)
    assert all(len(set(own)) == len(own) for own in theirs.tolist())


@pytest.mark.parametrize("make", OFFERS)
@pytest.mark.parametrize("count", [0, NUM_ITEMS + 1])
def test_a_count_that_cannot_be_is_refused(make, count):
    message = f"count is {count}, but candidates are 1 to {NUM_ITEMS}, as many as there are items; set it within"
    with pytest.raises(ValueError, match=re.escape(message)):
        offered(make(count))


def test_anything_is_each_item_as_often_as_another():
    pools, theirs = offered(anything(20, pools=600))
    times = np.bincount(pools.ravel(), minlength=NUM_ITEMS)
    share = 20 / NUM_ITEMS
    # Five standard errors of a count of 600 draws.
    np.testing.assert_allclose(times, 600 * share, atol=5 * np.sqrt(600 * share * (1 - share)))
    np.testing.assert_array_equal(theirs[0], np.arange(600))
    assert len(offered(anything(20))[0]) == RANDOM_POOLS


def test_stations_are_of_the_nearest_styles():
    here = world()
    pools, theirs = offered(stations(15, each=3))
    style, content = np.asarray(here.items.style), np.asarray(here.items.content)
    middle = np.stack([content[style == one].mean(0) for one in range(NUM_STYLES)])
    by_nearness = np.argsort(-cosines(here.listeners.vector, middle), axis=1)
    np.testing.assert_array_equal(theirs, by_nearness[:, :3])
    fame = np.asarray(here.items.log_popularity, np.float64)
    score = cosines(middle, content) * np.sqrt(content.shape[1]) + (fame - fame.mean()) / fame.std()
    np.testing.assert_array_equal(pools, np.argsort(-score, axis=1)[:, :15])
    own = np.mean([style[pool] == one for one, pool in enumerate(pools)])
    assert own > 3 / NUM_STYLES, "most of a station is of its style"
    assert offered(stations(15, each=99))[1].shape[1] == NUM_STYLES


def test_two_towers_gives_the_nearest():
    here = world()
    pools, theirs = offered(two_towers(15))
    nearest = np.argsort(-cosines(here.listeners.vector, here.items.content), axis=1)[:, :15]
    np.testing.assert_array_equal(pools, nearest)
    np.testing.assert_array_equal(theirs[:, 0], np.arange(len(pools)))


def test_pools_of_a_vector_of_nothing_are_numbers():
    here = world()
    pools, _ = two_towers(5)(jax.random.key(0), here.items, jnp.zeros((2, here.items.content.shape[1])))
    assert np.isfinite(np.asarray(pools)).all()


def test_what_is_laid_out_is_the_content_of_each_pool_where_there_is_room():
    items = world().items
    pools, _ = offered(anything(15, pools=4))
    laid = np.asarray(laid_out(items, jnp.asarray(pools)))
    for pool, content in zip(pools, laid, strict=True):
        np.testing.assert_array_equal(content.T, np.asarray(items.content)[pool])
    most = MOST_LAID * NUM_ITEMS // 15
    assert laid_out(items, jnp.zeros((most, 15), jnp.int32)) is not None
    assert laid_out(items, jnp.zeros((most + 1, 15), jnp.int32)) is None
