"""A world from a seed: what is empty, what content tells of it, and that names mean nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.simulation.satisfaction.worlds import DEFAULT, NUM_ITEMS, SMALL, midway, step_many, world
from urep_jax.simulation.satisfaction import ItemParams, make_world, utility
from urep_jax.simulation.satisfaction.candidates import anything, two_towers


def equal(one, other):
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


def test_same_seed_same_world():
    again = make_world(SMALL, 0, None, anything(20))
    assert equal(world(), again)
    other = world(1)
    for field in ("wishes", "by_intent", "hour", "patience", "vector"):
        assert not equal(getattr(world().listeners, field), getattr(other.listeners, field)), field
    for field in ("content", "style", "minutes"):
        assert not equal(getattr(world().items, field), getattr(other.items, field)), field


def test_listeners_and_items_do_not_hang_on_the_pools():
    other = make_world(SMALL, 0, None, two_towers(7))
    assert equal(world().items, other.items)
    assert equal(world().hidden, other.hidden)
    assert equal(world().listeners._replace(pools=0), other.listeners._replace(pools=0))
    assert other.pools.shape == (SMALL.num_users, 7)


def test_all_is_finite_and_of_one_type():
    for path, values in jax.tree_util.tree_leaves_with_path(world()):
        assert np.isfinite(np.asarray(values)).all(), jax.tree_util.keystr(path)
        # A weak type would make a second program of the same step.
        assert not values.weak_type, jax.tree_util.keystr(path)


def test_content_and_vectors_are_standardised():
    for values in (world().items.content, world().listeners.vector):
        spread = np.asarray(values).std(0)
        np.testing.assert_allclose(np.asarray(values).mean(0), 0, atol=1e-5)
        np.testing.assert_allclose(spread[spread > 0.5], 1, rtol=1e-4)
        assert ((spread > 0.5) | (spread < 1e-3)).all(), "a column that says nothing stays nothing"


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_shares_of_empty_items(share):
    hidden = world(0, ItemParams(empty=share, emptiness=0.3, pull=0.7)).hidden
    is_empty = np.asarray(hidden.pull) > 0
    # Five standard errors; none at all where all or nothing is empty.
    assert abs(is_empty.mean() - share) <= 5 * np.sqrt(share * (1 - share) / NUM_ITEMS)
    np.testing.assert_allclose(hidden.nourishment, np.where(is_empty, -0.3, 1.0), rtol=1e-6)
    np.testing.assert_allclose(hidden.pull, np.where(is_empty, 0.7, 0.0), rtol=1e-6)


def test_listeners_differ_by_their_traits_alone_as_far_as_these_are_spread():
    for spread in (0.0, 0.5):
        listeners = world(0, ItemParams(trait_spread=spread)).listeners
        for name in ("patience", "satiation", "pause"):
            found = np.log(np.asarray(getattr(listeners, name))).std()
            # A standard deviation of 60 has a relative error of 1 / sqrt(120).
            assert abs(found - spread) <= 5 * spread / np.sqrt(120), name
        assert not listeners.exposure.any(), "nobody has a past"


def test_what_is_empty_has_nothing_to_do_with_style_and_fame():
    """Over a few worlds, as one of 132 items says little: within five standard errors of no correlation."""
    empty, fame, style = [], [], []
    for seed in range(6):
        here = world(seed)
        empty.append(np.asarray(here.hidden.pull) > 0)
        fame.append(np.asarray(here.items.log_popularity))
        style.append(np.asarray(here.items.style))
    empty, fame, style = (np.concatenate(x).astype(float) for x in (empty, fame, style))
    assert abs(np.corrcoef(empty, fame)[0, 1]) < 5 / np.sqrt(empty.size)
    for one in np.unique(style):
        assert abs(np.corrcoef(empty, style == one)[0, 1]) < 5 / np.sqrt(empty.size), one


def told(items: ItemParams, seeds=range(6)) -> float:
    """How well a line through content tells of emptiness, on worlds' second halves: a correlation."""
    found = []
    for seed in seeds:
        here = world(seed, items)
        content = np.c_[np.asarray(here.items.content, np.float64), np.ones(NUM_ITEMS)]
        empty = np.where(np.asarray(here.hidden.pull) > 0, 1.0, -1.0)
        order = np.random.default_rng(seed).permutation(NUM_ITEMS)
        seen, unseen = order[: NUM_ITEMS // 2], order[NUM_ITEMS // 2 :]
        gram = content[seen].T @ content[seen] + np.eye(content.shape[1])
        line = np.linalg.solve(gram, content[seen].T @ empty[seen])
        found.append(np.corrcoef(content[unseen] @ line, empty[unseen])[0, 1])
    return float(np.mean(found))


def test_content_tells_of_emptiness_unless_it_is_told_not_to():
    # A correlation of 6 x 66 unseen items that is none has a standard error of 0.05.
    assert told(ItemParams()) > 0.4
    assert abs(told(ItemParams(tell_emptiness=0.0))) < 5 * 0.05


def test_names_of_items_mean_nothing():
    """Items in another order, the same pools: what happens is the same, by other names."""
    here, state, keys = world(), midway(), jax.random.split(jax.random.key(9), 2048)
    order = jax.random.permutation(jax.random.key(1), NUM_ITEMS)
    new_name = jnp.argsort(order).astype(jnp.int32)
    renamed = here._replace(
        items=jax.tree.map(lambda x: x[order], here.items),
        hidden=jax.tree.map(lambda x: x[order], here.hidden),
        pools=new_name[here.pools],
    )
    moved = state._replace(times=state.times[order])
    everything = jnp.arange(NUM_ITEMS)
    usual, new = utility(state, everything, here, DEFAULT), utility(moved, everything, renamed, DEFAULT)
    np.testing.assert_allclose(new, usual[order], rtol=1e-5, atol=1e-5)
    seen, _, reward, *_, info = step_many(keys, state, jnp.arange(6), here, DEFAULT)
    new_seen, _, new_reward, *_, new_info = step_many(keys, moved, jnp.arange(6), renamed, DEFAULT)
    np.testing.assert_array_equal(new_info.item, new_name[info.item])
    np.testing.assert_allclose(new_reward, reward, rtol=1e-5, atol=1e-5)
    assert equal(new_info._replace(item=0, probability=0), info._replace(item=0, probability=0))
    assert equal(new_seen.heard, seen.heard)
