"""The methods of gymnax 1.0: their names and arguments, who comes next, and spaces that hold what there is."""

import copy
import dataclasses
import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.simulation.satisfaction.worlds import DEFAULT, NUM_CANDIDATES, walked, world
from urep_jax.simulation.satisfaction import Info, SatisfactionEnvironment, observe
from urep_jax.simulation.satisfaction.spaces import Box, Discrete, Record, Slate

SHORT = dataclasses.replace(DEFAULT, weeks=0.2, leave=0.3)
ENVIRONMENT = SatisfactionEnvironment(world())
WITH_SLATES = SatisfactionEnvironment(world(), slate=6)


def equal(one, other):
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("reset", "key params"),
        ("step", "key state action params"),
        ("reset_env", "key params"),
        ("step_env", "key state action params"),
        ("observe", "key state action params"),
        ("is_truncated", "state params"),
        ("action_space", "params"),
        ("observation_space", "params"),
        ("state_space", "params"),
    ],
)
def test_arguments_are_those_of_gymnax(method, arguments):
    assert list(inspect.signature(getattr(ENVIRONMENT, method)).parameters) == arguments.split()


def test_properties_are_those_of_gymnax():
    assert ENVIRONMENT.name == "SatisfactionEnvironment"
    assert ENVIRONMENT.num_actions == NUM_CANDIDATES
    assert ENVIRONMENT.default_params == DEFAULT
    hash(ENVIRONMENT)  # gymnax's wrappers make a static argument of it
    assert copy.deepcopy(ENVIRONMENT).num_actions == NUM_CANDIDATES


@jax.jit
def many_steps(key, params):
    """Sixteen listeners, 60 steps each, whoever comes."""

    def one(key):
        first, key = jax.random.split(key)
        _, state = ENVIRONMENT.reset(first, params)

        def another(state, key):
            drawing, stepping = jax.random.split(key)
            action = ENVIRONMENT.action_space().sample(drawing)
            seen, after, reward, terminated, truncated, info = ENVIRONMENT.step(stepping, state, action, params)
            return after, (state, stepping, action, seen, after, reward, terminated, truncated, info)

        return jax.lax.scan(another, state, jax.random.split(key, 60))[1]

    return jax.vmap(one)(jax.random.split(key, 16))


def test_another_listener_comes_when_an_episode_is_over():
    state, _, _, seen, after, _, terminated, truncated, info = many_steps(jax.random.key(0), SHORT)
    is_over = np.asarray(terminated | truncated)
    assert np.asarray(terminated).any()
    assert np.asarray(truncated).any()
    assert not is_over.all()
    np.testing.assert_array_equal(info["terminated"], terminated)
    np.testing.assert_array_equal(info["truncated"], truncated)
    assert set(info) == {*Info._fields, "terminated", "truncated", "final_observation"}

    fresh = jax.tree.map(lambda x: np.asarray(x)[is_over], after)
    assert not fresh.hours.any()
    assert not fresh.items.any()
    assert not fresh.times.any()
    assert not np.asarray(seen.hours)[is_over].any()
    assert len(set(fresh.listener.tolist())) > 5, "anybody"
    final = info["final_observation"]
    assert (np.asarray(final.hours)[is_over] > 0).all()
    assert equal(*(jax.tree.map(lambda x: np.asarray(x)[~is_over], x) for x in (final, seen)))
    going_on = np.asarray(after.listener == state.listener)
    assert going_on[~is_over].all()
    assert equal(jax.vmap(jax.vmap(lambda one: observe(one, world())))(after), seen)


def test_nobody_comes_after_a_step_of_its_own():
    state, keys, action, _, _, reward, terminated, truncated, info = many_steps(jax.random.key(0), SHORT)

    @jax.jit
    @jax.vmap
    def alone(key, state, action):
        return ENVIRONMENT.step_env(jax.random.split(key)[0], state, action, SHORT)

    flat = (jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), x) for x in (keys, state, action))
    seen, last, own_reward, own_terminated, own_info = alone(*flat)
    np.testing.assert_allclose(own_reward, reward.ravel(), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(own_terminated, terminated.ravel())
    np.testing.assert_array_equal(own_info["item"], info["item"].ravel())
    np.testing.assert_allclose(seen.hours, info["final_observation"].hours.ravel(), rtol=1e-6)
    assert (np.asarray(last.items) > 0).all()
    is_cut = jax.vmap(ENVIRONMENT.is_truncated, (0, None))(last, SHORT)
    np.testing.assert_array_equal(truncated.ravel(), is_cut & ~own_terminated)
    one = jax.tree.map(lambda x: x[0], (last, seen))
    assert equal(ENVIRONMENT.observe(jax.random.key(0), one[0], 0, SHORT), one[1])


def test_who_is_reset_is_at_the_beginning():
    seen, state = ENVIRONMENT.reset(jax.random.key(5))
    plain = ENVIRONMENT.reset_env(jax.random.key(5), DEFAULT)
    for one, other in zip(jax.tree.leaves(plain), jax.tree.leaves((seen, state)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    assert equal(observe(state, world()), seen)
    assert not state.items


@pytest.mark.parametrize("environment", [ENVIRONMENT, WITH_SLATES])
def test_what_is_drawn_is_contained(environment):
    keys = jax.random.split(jax.random.key(1), 200)
    for space in (environment.action_space(), environment.observation_space(), environment.state_space(DEFAULT)):
        drawn = jax.jit(jax.vmap(space.sample))(keys)
        assert jax.vmap(space.contains)(drawn).all()
        assert jax.tree.leaves(drawn)[0].shape[0] == 200


def test_what_is_seen_and_what_is_the_case_are_contained():
    _, taken = walked(jax.random.key(2), world(), DEFAULT)
    states = jax.tree.map(lambda x: x[::20].reshape(-1, *x.shape[2:]), taken.kept)
    assert jax.vmap(ENVIRONMENT.state_space().contains)(states).all()
    seen = jax.vmap(lambda one: observe(one, world()))(states)
    space = ENVIRONMENT.observation_space()
    assert jax.vmap(space.contains)(seen).all()
    for name, values in (seen._asdict() | {"recent": seen.recent.item}).items():
        shape, dtype = space.shape[name], space.dtype[name]
        shape, dtype = (shape["item"], dtype["item"]) if name == "recent" else (shape, dtype)
        assert (shape, dtype) == (values.shape[1:], values.dtype), name


def test_what_does_not_belong_is_not_contained():
    one, slates = Discrete(5), Slate(5, 3)
    assert [bool(one.contains(x)) for x in (0, 4, 5, -1, 2.0)] == [True, True, False, False, False]
    assert not one.contains(jnp.arange(2))
    for slate, inside in [((4, 0, 2), True), ((4, 0, 4), False), ((0, 1), False), ((0, 1, 5), False)]:
        assert slates.contains(jnp.array(slate)) == inside, slate
    box = Box(0.0, 1.0, (2,))
    for values, inside in [((0.0, 1.0), True), ((0.5, 1.1), False), ((0.5, float("nan")), False), ((1, 1), False)]:
        assert box.contains(jnp.array(values)) == inside, values
    seen, _ = ENVIRONMENT.reset(jax.random.key(0))
    assert not ENVIRONMENT.observation_space().contains(seen._replace(candidates=seen.candidates.at[0].set(132)))
    assert not ENVIRONMENT.observation_space().contains(seen._replace(heard=seen.heard[1:]))


def test_boxes_are_drawn_by_their_bounds():
    keys = jax.random.split(jax.random.key(4), 4000)
    for box, mean, spread in [
        (Box(-1.0, 3.0), 1, 4 / np.sqrt(12)),
        (Box(2.0, jnp.inf), 3, 1),
        (Box(-jnp.inf, 2.0), 1, 1),
        (Box(-jnp.inf, jnp.inf), 0, 1),
        (Box(0, 9, (), jnp.int32), 4.5, np.sqrt(99 / 12)),
    ]:
        drawn = np.asarray(jax.vmap(box.sample)(keys))
        assert abs(drawn.mean() - mean) < 5 * spread / np.sqrt(len(drawn)), box
        assert drawn.dtype == box.dtype


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Discrete(0), "n is 0, but must be at least 1"),
        (lambda: Slate(3, 4), "size is 4, but must lie between 1 and 3; set it within"),
        (lambda: SatisfactionEnvironment(world(), slate=21), "size is 21, but must lie between 1 and 20"),
        (lambda: Record(Info, (Discrete(2),)), "Info has 11 fields, but 1 spaces; give one for each"),
    ],
)
def test_spaces_that_cannot_be_are_refused(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()
