"""One event against the formulas, written a second time in NumPy."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.simulation.worlds import SMALL
from urep_jax.core.types import Feedback
from urep_jax.simulation import Habit, make_world, radio, simulate
from urep_jax.simulation.keys import EVENT_STREAMS, fold, world_keys

YEAR = 365 * 86_400


@pytest.fixture(scope="module")
def scene():
    """A catalogue and one listener."""
    world = make_world(SMALL, 5)
    return world.catalogue, jax.tree.map(lambda x: x[3], world.listeners)


def _affinity(catalogue, listener, track, station, seconds, mood, heard):
    """The module's equation, in NumPy and double precision."""
    catalogue, listener = (type(x)(*(np.asarray(a, np.float64) for a in x)) for x in (catalogue, listener))
    angle = SMALL.taste_drift * seconds / YEAR
    taste = np.cos(angle) * listener.taste + np.sin(angle) * listener.turn + np.asarray(mood, np.float64)
    taste /= np.sqrt(taste @ taste)
    style = catalogue.style[track]
    return (
        SMALL.taste_strength * math.sqrt(SMALL.latent_dim) * taste @ style
        + SMALL.appeal_strength * catalogue.appeal[track]
        + SMALL.fit_strength * math.sqrt(SMALL.latent_dim) * catalogue.seed_direction[station] @ style
        - SMALL.overplay * math.log(1 + heard)
    )


@pytest.mark.parametrize(
    ("track", "station", "seconds", "heard"), [(0, 0, 0, 0), (17, 4, YEAR, 3), (199, 9, YEAR // 3, 40)]
)
def test_affinity_is_the_equation(scene, track, station, seconds, heard):
    catalogue, listener = scene
    mood = 0.3 * jnp.ones(SMALL.latent_dim)
    a = radio.affinity(SMALL, catalogue, listener, track, station, seconds=seconds, mood=mood, heard=heard)
    expected = _affinity(catalogue, listener, track, station, seconds, mood, heard)
    np.testing.assert_allclose(a, expected, rtol=1e-5, atol=1e-5)


def test_taste_is_a_unit_vector_that_turns_at_a_right_angle(scene):
    _, listener = scene
    np.testing.assert_allclose(np.linalg.norm(listener.taste), 1, rtol=1e-6)
    np.testing.assert_allclose(listener.taste @ listener.turn, 0, atol=1e-6)


def test_step_gives_feedback_with_the_probabilities_of_the_logit(scene):
    """Over a fine grid of the one random number that decides, shares are the probabilities to the grid's step."""
    catalogue, listener = scene
    listener = listener._replace(utility=jnp.array([-0.4, 0.3, -1.0]))
    state = radio.start(SMALL, catalogue, listener, key=world_keys(5)["first_due"])
    state = state._replace(slot=jnp.int32(1), heard=state.heard + 2)
    place = int(np.argmin(state.due[1]))
    station = int(listener.stations[1])
    track = int(catalogue.station_tracks[station, place])
    a = _affinity(catalogue, listener, track, station, int(state.clock), np.zeros(SMALL.latent_dim), 2)

    steps = 10_000
    half = jnp.full(steps, 0.5)
    noise = radio.Noise(*(half,) * len(radio.Noise._fields))
    noise = noise._replace(feedback=(jnp.arange(steps) + 0.5) / steps)
    step_all = jax.jit(
        lambda state: jax.vmap(lambda noise: radio.step(SMALL, catalogue, listener, state, noise)[1])(noise)
    )
    for thumbed in (False, True):
        event = step_all(state._replace(thumbed=jnp.full_like(state.thumbed, thumbed)))
        assert set(np.asarray(event.track)) == {track}
        np.testing.assert_allclose(event.affinity, a, rtol=1e-5, atol=1e-5)
        utility = {
            Feedback.PLAY: 0.0,
            Feedback.UP: -np.inf if thumbed else -0.4 + a / 2,
            Feedback.SKIP: 0.3 - SMALL.skip_aversion * a,
            Feedback.DOWN: -np.inf if thumbed else -1.0 - a / 2,
        }
        total = sum(np.exp(u) for u in utility.values())
        shares = np.bincount(event.feedback, minlength=5) / steps
        for feedback, u in utility.items():
            np.testing.assert_allclose(shares[feedback], np.exp(u) / total, atol=2 / steps)


def test_log_odds_of_up_rise_with_affinity():
    """`ln P(up) / P(down) = const + a`, and the same against skips with slope 1/2 + skip_aversion."""
    a = jnp.linspace(-3, 3, 7)
    utility = jnp.array([-1.0, 0.5, -2.0])
    logits = jax.vmap(lambda a: radio.feedback_logits(SMALL, utility, a, jnp.array(False)))(a)
    up, skip, down, _ = logits.T
    np.testing.assert_allclose(up - down, 1.0 + a, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(up - skip, -1.5 + (0.5 + SMALL.skip_aversion) * a, rtol=1e-4, atol=1e-5)


def test_tracks_rotate_by_their_rate():
    """Without a gap, a station's plays are draws by `station_rate` (chi-square at 4 standard deviations)."""
    plays_all = Habit("plays all", 1.0, up=-np.inf, skip=-np.inf, down=-np.inf)
    params = dataclasses.replace(SMALL, repeat_gap=0.0, habits=(plays_all,))
    catalogue = make_world(params, 0).catalogue
    log = simulate(params, 0)
    assert (log.feedback == Feedback.PLAY).all()
    for station in range(params.num_stations):
        plays_V = np.bincount(log.track[log.station == station], minlength=params.num_tracks)
        plays_M = plays_V[np.asarray(catalogue.station_tracks[station])]
        expected_M = plays_M.sum() * np.asarray(catalogue.station_rate[station])
        degrees = params.station_size - 1
        chi_square = ((plays_M - expected_M) ** 2 / expected_M).sum()
        # A listener's plays are a little more even than independent draws: each starts with its own first wait.
        assert chi_square < degrees + 4 * math.sqrt(2 * degrees)


def test_noise_of_a_listener_is_its_own():
    keys = {name: key for name, key in world_keys(0).items() if name in EVENT_STREAMS}
    noise = [radio.draw_noise(fold(fold(keys, listener), block), 4) for listener, block in [(0, 0), (1, 0), (0, 1)]]
    values = np.stack([np.stack(n) for n in noise])
    assert len(np.unique(values)) == values.size
