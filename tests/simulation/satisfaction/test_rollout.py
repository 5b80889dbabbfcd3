"""Many listeners side by side: who is done stands still, and others come in their place."""

import dataclasses
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.simulation.satisfaction.worlds import DEFAULT, walked, world
from urep_jax.simulation.satisfaction import rollout
from urep_jax.simulation.satisfaction.rollout import Walk, start, start_again

SHORT = dataclasses.replace(DEFAULT, weeks=1.0, leave=0.2)


def test_they_start_as_they_are_told():
    walk = jax.jit(start)(jax.random.key(0), world(), DEFAULT, jnp.array([4, 4, 9], jnp.int32))
    np.testing.assert_array_equal(walk.state.listener, [4, 4, 9])
    assert not walk.is_done.any()
    assert walk.state.exposure[0] != walk.state.exposure[1], "each draws for itself"


def test_who_is_done_stands_still():
    walk, taken = walked(jax.random.key(2), world(), SHORT)
    there = np.asarray(taken.is_there)
    assert (np.diff(there.astype(int), axis=0) <= 0).all(), "nobody comes back"
    assert np.asarray(walk.is_done).all()
    last = there.sum(0)
    for who in range(0, 60, 7):
        rest = jax.tree.map(lambda x, at=who: np.asarray(x)[last[at] :, at], taken.kept)
        for moments, end in zip(jax.tree.leaves(rest), jax.tree.leaves(walk.state), strict=True):
            assert (moments == np.asarray(end)[who]).all()
    for mask in (taken.reward != 0, taken.terminated, taken.truncated):
        assert not np.asarray(mask)[~there].any()


def test_in_groups_they_walk_as_all_together(monkeypatch: pytest.MonkeyPatch):
    one, taken = walked(jax.random.key(2), world(), SHORT)
    # 60 listeners, who are no whole number of groups of 32.
    monkeypatch.setattr(rollout, "GROUP", 20)
    again = jax.jit(inspect.unwrap(walked), static_argnames="num_steps")
    same, took = again(jax.random.key(2), world(), SHORT)
    for x, y in zip(jax.tree.leaves((one, taken)), jax.tree.leaves((same, took)), strict=True):
        np.testing.assert_allclose(np.asarray(y), np.asarray(x), rtol=1e-5)


def test_only_who_is_done_is_replaced():
    walk, _ = walked(jax.random.key(2), world(), SHORT)
    is_done = jnp.arange(60) % 3 == 0
    again = jax.jit(start_again)(jax.random.key(7), Walk(walk.state, is_done), world(), SHORT)
    assert not again.is_done.any()
    for new, old in zip(jax.tree.leaves(again.state), jax.tree.leaves(walk.state), strict=True):
        np.testing.assert_array_equal(np.asarray(new)[~is_done], np.asarray(old)[~is_done])
    fresh = jax.tree.map(lambda x: np.asarray(x)[is_done], again.state)
    assert not fresh.hours.any()
    assert not fresh.items.any()
    assert not fresh.times.any()
    assert len(set(fresh.listener.tolist())) > 5, "anybody"
