"""Parts of a world."""

import jax
import numpy as np
import pytest

from tests.agents.tiny import PARAMS, tiny_world
from urep_jax.simulation.satisfaction.candidates import anything, stations
from urep_jax.simulation.satisfaction.changes import some_are_new, with_items, with_listeners
from urep_jax.simulation.satisfaction.environment import reset

WORLD = tiny_world()


def test_listeners_keep_what_they_are() -> None:
    some = with_listeners(WORLD, np.array([7, 3], np.int32))
    assert some.listeners.hour.shape == (2,)
    for new, old in ((0, 7), (1, 3)):
        ours, theirs = (reset(jax.random.key(0), w, PARAMS, who) for w, who in ((some, new), (WORLD, old)))
        jax.tree.map(np.testing.assert_array_equal, ours[0], theirs[0])
    for wrong in ([], [40], [-1]):
        with pytest.raises(ValueError, match="but must be some of 0 to 39"):
            with_listeners(WORLD, np.array(wrong, np.int32))


@pytest.mark.parametrize("offer", [anything(20, pools=4), stations(10)])
def test_what_is_not_there_is_in_no_pool(offer: object) -> None:
    is_there_V = np.arange(98) % 3 > 0
    some = with_items(jax.random.key(1), WORLD, is_there_V, offer)
    assert is_there_V[np.asarray(some.pools)].all()
    np.testing.assert_array_equal(np.swapaxes(some.offered, 1, 2), some.items.content[some.pools])
    assert some.listeners.pools.max() < len(some.pools)
    jax.tree.map(np.testing.assert_array_equal, some.items, WORLD.items)
    with pytest.raises(ValueError, match="candidates are 1 to 3"):
        with_items(jax.random.key(1), WORLD, np.arange(98) < 3, anything(20))


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5])
def test_a_share_of_the_catalogue_is_new(share: float) -> None:
    before_V, after_V = some_are_new(jax.random.key(2), 1_000, share)
    assert before_V.sum() == after_V.sum()
    assert (after_V & ~before_V).sum() / after_V.sum() == pytest.approx(share, abs=2e-3)
    assert (before_V | after_V).all(), "no item is wasted"
    with pytest.raises(ValueError, match="share is 1"):
        some_are_new(jax.random.key(2), 1_000, 1.0)
