"""Choc/Kale against its published equations, written here in NumPy."""

import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from urep_jax.simulation.satisfaction import choc_kale, reset, step
from urep_jax.simulation.satisfaction.draws import draw, normal
from urep_jax.simulation.satisfaction.rollout import go_on, start

SCORES = [0.05, 0.3, 0.5, 0.8, 0.95]
SETS = {"default": {}, "long": {"memory": 0.9, "sensitivity": 0.3}}
POLICIES = {
    "random": lambda uniform, step: (uniform * len(SCORES)).astype("int32"),
    "choc": lambda uniform, step: 0 * step + 4,
    "kale": lambda uniform, step: 0 * step,
    "alternating": lambda uniform, step: 4 * (step % 2),
}
EPISODES = 2048


def published(scores, noises, npe, memory=0.7, sensitivity=0.01, innovation=0.05):
    """Engagement and net positive exposure after each item, from the scores of what is shown."""
    engagement, exposures = [], []
    for score, (of_engagement, of_exposure) in zip(scores, noises, strict=True):
        satisfaction = 1 / (1 + np.exp(-sensitivity * npe))
        mean = 5.0 * score + 4.0 * (1 - score)
        engagement.append(np.exp(mean * satisfaction + of_engagement))
        npe = memory * npe - 2 * (score - 0.5) + innovation * of_exposure
        exposures.append(npe)
    return np.stack(engagement), np.stack(exposures)


@jax.jit
def returns(key, world, params, places):
    """Engagement of so many episodes, 60 x B, if the candidate of each step is told."""
    starting, going = jax.random.split(key)
    walk = start(starting, world, params, jnp.arange(EPISODES, dtype=jnp.int32))

    def choose(key, state, observation):
        wanted = jnp.argsort(observation.candidates)[places[state.items, state.listener]]
        return wanted, state.exposure

    return go_on(going, walk, choose, world, params, 61)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", SETS)
def test_mean_returns_are_those_of_the_equations(name, policy):
    """The means of 2,048 episodes each differ by less than 4.5 standard errors of their difference."""
    draw, steps = np.random.default_rng(7), np.arange(61)[:, None] + np.zeros((1, EPISODES), int)
    world, params = choc_kale(1, clickbait=SCORES, num_listeners=EPISODES, **SETS[name])
    places = POLICIES[policy](draw.random((61, EPISODES)), steps)
    _, taken = returns(jax.random.key(5), world, params, jnp.asarray(places))
    assert np.asarray(taken.truncated)[59].all()
    assert np.asarray(taken.is_there).sum() == 60 * EPISODES
    ours = np.asarray(taken.reward, np.float64).sum(0)

    memory = SETS[name].get("memory", 0.7)
    scores = np.asarray(SCORES)[POLICIES[policy](draw.random((60, EPISODES)), steps[:60])]
    npe = (draw.random(EPISODES) - 0.5) / (1 - memory)
    engagement, _ = published(scores, draw.normal(size=(60, 2, EPISODES)), npe, **SETS[name])
    theirs = engagement.sum(0)
    error = math.sqrt((ours.var() + theirs.var()) / EPISODES)
    assert abs(ours.mean() - theirs.mean()) < 4.5 * error, (ours.mean(), theirs.mean(), error)
    assert error < 0.02 * theirs.mean(), "close enough to tell"
    np.testing.assert_allclose(ours.std(), theirs.std(), rtol=0.25)


@pytest.mark.parametrize("name", SETS)
def test_each_step_is_that_of_the_equations_with_the_same_noise(name):
    world, params = choc_kale(1, clickbait=SCORES, num_listeners=8, **SETS[name])
    memory = SETS[name].get("memory", 0.7)
    once = jax.jit(step)
    _, state = jax.jit(reset)(jax.random.key(0), world, params, 3)
    npe, scores, noises, engaged, exposures = float(state.exposure) / (1 - memory), [], [], [], []
    for place in range(60):
        key = jax.random.key(100 + place)
        drawn = draw(key, 1, world.listeners.by_intent.shape[-1])
        noises.append(np.asarray(normal(jnp.stack([drawn.engaged, drawn.exposure])), np.float64))
        _, state, reward, terminated, truncated, info = once(key, state, jnp.int32(place % 5), world, params)
        scores.append(SCORES[int(info.item)])
        engaged.append(reward)
        exposures.append(state.exposure / (1 - memory))
        assert not terminated
        assert not info.session_over
        assert (info.ratio, bool(truncated)) == (1, place == 59)
    expected, expected_npe = published(scores, noises, npe, **SETS[name])
    np.testing.assert_allclose(exposures, expected_npe, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(engaged, expected, rtol=1e-4)


def test_listeners_begin_anywhere():
    world, params = choc_kale(0)
    begin = np.asarray(world.listeners.exposure)
    assert begin.min() >= -0.5
    assert begin.max() <= 0.5
    np.testing.assert_allclose(np.quantile(begin, [0.25, 0.5, 0.75]), [-0.25, 0, 0.25], atol=0.04)
    _, state = jax.jit(reset)(jax.random.key(1), world, params, 17)
    np.testing.assert_allclose(state.exposure, begin[17], atol=5 * params.innovation)
    assert len(world.items.style) == 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"memory": 1.0}, "memory is 1.0, but must lie between 0 and 0.9999"),
        ({"budget": 0}, "most_items is 0, but must lie between 1 and inf"),
        ({"clickbait": [0.5, 1.5]}, "clickbait has 1.5, but scores must lie between 0 and 1; set it within"),
        ({"num_candidates": 0}, "num_candidates is 0, but must be at least 1; set it so"),
    ],
)
def test_what_cannot_be_is_refused(change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        choc_kale(0, **change)
