"""Each mechanism against its formula, its range, and what is left of it at strength 0."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulation.satisfaction.worlds import DEFAULT, midway, reset_many, step_many, world
from urep_jax.simulation.satisfaction import SatisfactionParams, World, mechanisms

KEYS = 2048

ONE = jnp.zeros(6, jnp.int32)
"""The first candidate, as a slate that has room for nothing else: all steps here are one program."""


def of(*values):
    """Numbers as arrays of one element each."""
    return tuple(jnp.asarray([value]) for value in values)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_doses_grow_with_a_power_of_length():
    params = SatisfactionParams(item_minutes=3.0, long_items=0.5)
    np.testing.assert_allclose(mechanisms.doses(params, *of(0.5, 12.0)), 0.5 * math.sqrt(12 / 3), rtol=1e-6)
    all_alike = SatisfactionParams(long_items=0.0)
    np.testing.assert_allclose(mechanisms.doses(all_alike, *of(0.5, 35.0)), 0.5, rtol=1e-6)
    np.testing.assert_allclose(mechanisms.doses(DEFAULT, *of(1.0, DEFAULT.item_minutes)), 1, rtol=1e-6)


@pytest.mark.parametrize("is_left", [False, True])
def test_exposure_is_the_equation(is_left):
    params = SatisfactionParams(memory=0.9, nourishment=2.0, annoyance=0.7, innovation=0.1)
    exposure = mechanisms.exposure_after(params, *of(0.3, -0.25, 1.5, is_left, -1.2))
    left_over = 0.9**1.5
    expected = left_over * 0.3 + (1 - left_over) * 2.0 * -0.25 - 0.1 * 0.7 * is_left + 0.1 * -1.2
    np.testing.assert_allclose(exposure, expected, rtol=1e-5)


def test_exposure_only_fades_with_its_strengths_at_0():
    params = SatisfactionParams(nourishment=0.0, annoyance=0.0, innovation=0.0, memory=0.9)
    np.testing.assert_allclose(mechanisms.exposure_after(params, *of(0.3, 1.0, 2.0, True, 3.0)), 0.81 * 0.3, rtol=1e-6)


def test_two_halves_of_an_item_nourish_as_the_whole():
    params = SatisfactionParams(innovation=0.0)
    whole = mechanisms.exposure_after(params, *of(0.1, 1.0, 2.0, False, 0.0))
    half = mechanisms.exposure_after(params, *of(0.1, 1.0, 1.0, False, 0.0))
    again = mechanisms.exposure_after(params, half, *of(1.0, 1.0, False, 0.0))
    np.testing.assert_allclose(again, whole, rtol=1e-5)


def test_satisfaction_is_a_sigmoid_of_exposure():
    np.testing.assert_allclose(mechanisms.satisfaction_of(DEFAULT, *of(0.4)), sigmoid(DEFAULT.sensitivity * 0.4), 1e-6)
    dull = SatisfactionParams(sensitivity=0.0)
    np.testing.assert_array_equal(mechanisms.satisfaction_of(dull, jnp.array([-1.0, 0.0, 1.0])), 0.5)


def test_satiation_moves_towards_the_style_that_is_heard():
    params = SatisfactionParams(satiation_memory=0.8)
    after = mechanisms.satiation_after(params, jnp.array([[0.2, 0.5, 0.9]]), *of(1, 2.0))
    left_over = 0.8**2
    np.testing.assert_allclose(after[0], [left_over * 0.2, left_over * 0.5 + 1 - left_over, left_over * 0.9], rtol=1e-6)


def test_satiation_halves_while_nothing_is_heard():
    params = SatisfactionParams(recovery_hours=10.0)
    rested = mechanisms.recovered(params, jnp.array([[0.4, 0.8]]), *of(30.0))
    np.testing.assert_allclose(rested, [[0.4 / 8, 0.8 / 8]], rtol=1e-6)
    np.testing.assert_array_equal(
        mechanisms.recovered(params, jnp.array([[0.4, 0.8]]), *of(0.0)), jnp.array([[0.4, 0.8]])
    )


@pytest.mark.parametrize("best", [1.0, 3.0, 7.5])
def test_familiarity_is_an_inverted_u(best):
    params = SatisfactionParams(repeats=0.5, best_repeats=best)
    times = jnp.linspace(0, 4 * best, 401)
    gain = np.asarray(mechanisms.repeat_gain(params, times))
    assert gain.argmax() == 100
    np.testing.assert_allclose(gain[[0, 100, 200]], [0, 0.5, 0], atol=1e-6)
    assert (np.diff(gain[:101]) > 0).all()
    assert (np.diff(gain[100:301]) < 0).all()
    assert (gain[201:] < 0).all()
    np.testing.assert_allclose(gain[300:], -3 * 0.5, rtol=1e-5)
    np.testing.assert_array_equal(mechanisms.repeat_gain(SatisfactionParams(repeats=0.0), times), 0)


def test_hearings_fade_by_half():
    params = SatisfactionParams(repeat_days=5.0)
    np.testing.assert_allclose(mechanisms.faded(params, jnp.array([[4.0, 0.0]]), *of(24 * 10.0)), [[1, 0]], rtol=1e-6)


def test_intents_follow_the_hour_and_the_device():
    logits = mechanisms.intent_logits(jnp.array([0.0, 5.9, 6.0, 23.9, 24.0]), jnp.array([0, 1, 1, 2, 3]))
    rows = [(0, 0), (0, 1), (1, 1), (3, 2), (3, 3)]
    expected = [np.add(mechanisms.BY_PART_OF_DAY[part], mechanisms.BY_DEVICE[device]) for part, device in rows]
    np.testing.assert_allclose(logits, expected)


def test_feedback_is_a_multinomial_logit():
    params = SatisfactionParams(skip=0.4, skip_slope=0.5, up=-1.0, up_slope=0.6, down=-2.0, down_slope=0.7)
    logits = mechanisms.feedback_logits(params, *of(1.5))
    np.testing.assert_allclose(
        logits[0], [0, -1.0 + 0.6 * 1.5, 0.4 - 0.5 * 1.5, -2.0 - 0.7 * 1.5], rtol=1e-5, atol=1e-6
    )
    flat = SatisfactionParams(skip_slope=0.0, up_slope=0.0, down_slope=0.0)
    np.testing.assert_array_equal(*mechanisms.feedback_logits(flat, jnp.array([-3.0, 3.0])))


def test_engaged_minutes_are_log_normal_about_satisfaction():
    params = SatisfactionParams(engaged=0.5)
    minutes = mechanisms.engaged_minutes(params, *of(2.0, 0.3, 0.4, -1.0))
    np.testing.assert_allclose(minutes, math.exp(2.0 * (0.5 + 0.5 * 0.4) - 0.3), rtol=1e-6)
    length = mechanisms.engaged_minutes(SatisfactionParams(engaged=0.0), *of(math.log(3.5), 0.0, 0.1, 2.0))
    np.testing.assert_allclose(length, 3.5, rtol=1e-6)


def test_patience_is_spent_and_given_back():
    params = SatisfactionParams(impatience=0.3, forgiveness=0.5)
    np.testing.assert_allclose(mechanisms.patience_after(params, *of(0.9, True, 2.0)), 0.9 - 0.3 / 2, rtol=1e-6)
    np.testing.assert_allclose(mechanisms.patience_after(params, *of(0.5, False, 2.0)), 0.5 + 0.15 / 2, rtol=1e-6)
    patient = SatisfactionParams(impatience=0.0)
    np.testing.assert_array_equal(mechanisms.patience_after(patient, *of(0.5, True, 2.0)), 0.5)


def test_enough_is_an_exponential_of_minutes():
    params = SatisfactionParams(session_minutes=40.0)
    np.testing.assert_allclose(mechanisms.enough(params, *of(10.0)), 1 - math.exp(-10 / 40), rtol=1e-6)
    np.testing.assert_array_equal(mechanisms.enough(params, *of(0.0)), 0)


def test_the_satisfied_come_back_sooner():
    params = SatisfactionParams(return_days=3.0, return_slope=0.8)
    days = mechanisms.days_away(params, *of(0.9, 1.2, 0.7))
    np.testing.assert_allclose(days, 1.2 * 3.0 * math.exp(-0.8 * (2 * 0.9 - 1)) * 0.7, rtol=1e-6)
    alike = SatisfactionParams(return_slope=0.0)
    np.testing.assert_allclose(mechanisms.days_away(alike, *of(0.9, 1.0, 1.0)), alike.return_days, rtol=1e-6)


def test_log_odds_of_leaving_fall_with_satisfaction():
    params = SatisfactionParams(leave=0.02, leave_slope=1.5)
    chance = mechanisms.chance_to_leave(params, *of(0.8))
    np.testing.assert_allclose(chance, sigmoid(math.log(0.02 / 0.98) - 1.5 * (2 * 0.8 - 1)), rtol=1e-5)
    np.testing.assert_allclose(mechanisms.chance_to_leave(params, *of(0.5)), 0.02, rtol=1e-6)
    faithful = SatisfactionParams(leave=0.0)
    np.testing.assert_array_equal(mechanisms.chance_to_leave(faithful, *of(0.0)), 0)


unit_interval = st.floats(0, 1, width=32)
strength = st.floats(0, 50, width=32)


@settings(max_examples=60)
@given(
    **dict.fromkeys(("nourishment", "annoyance", "sensitivity", "impatience", "forgiveness"), strength),
    **{name: st.floats(0, 0.999) for name in ("memory", "satiation_memory")},
    **dict.fromkeys(("leave", "before", "ratio", "satisfaction"), unit_interval),
    exposure=st.floats(-100, 100, width=32),
    minutes=st.floats(0.25, 200, width=32),
    trait=st.floats(0.25, 8, width=32),
    leave_slope=strength,
    is_left=st.booleans(),
    style=st.integers(0, 2),
)
def test_ranges(before, exposure, ratio, satisfaction, minutes, trait, is_left, style, **values):
    params = SatisfactionParams(**values)
    dose = mechanisms.doses(params, *of(ratio, minutes))
    exposure_after = mechanisms.exposure_after(params, *of(exposure, -1.0), dose, *of(is_left, 0.5))
    satiation = mechanisms.satiation_after(params, jnp.full((1, 3), before), *of(style), dose)
    for name, found in {
        "satisfaction": mechanisms.satisfaction_of(params, exposure_after),
        "satiation": satiation,
        "rested": mechanisms.recovered(params, satiation, *of(minutes)),
        "patience": mechanisms.patience_after(params, *of(before, is_left, trait)),
        "enough": mechanisms.enough(params, *of(minutes)),
        "leave": mechanisms.chance_to_leave(params, *of(satisfaction)),
    }.items():
        assert ((np.asarray(found) >= 0) & (np.asarray(found) <= 1 + 1e-6)).all(), (name, found)
    assert np.isfinite(exposure_after).all()
    assert (np.asarray(dose) >= 0).all()


def changed(world: World, **arrays) -> World:
    """The world with other listeners, or items that are worth something else."""
    hidden = {name: value for name, value in arrays.items() if name in world.hidden._fields}
    listeners = {name: value for name, value in arrays.items() if name not in hidden}
    return world._replace(hidden=world.hidden._replace(**hidden), listeners=world.listeners._replace(**listeners))


def other(value):
    """Values that differ from these, within their range and not by a constant."""
    return jnp.linspace(0.2, 3.0, value.size).reshape(value.shape).astype(value.dtype)


def _change(what):
    """A world and a state that differ from the usual ones in one thing."""
    here, state = world(), midway()
    if what in state._fields:
        values = {"exposure": jnp.float32(-0.6), "satiation": state.satiation[::-1] + 0.2, "times": state.times[::-1]}
        return here, state._replace(**{what: values[what]})
    found = {**here.hidden._asdict(), **here.listeners._asdict()}[what]
    return changed(here, **{what: other(found)}), state


@pytest.mark.parametrize(
    ("off", "what", "untouched"),
    [
        (("satiation",), "satiation", "all"),
        (("repeats",), "times", "all"),
        (("sensitivity",), "exposure", "all"),
        (("nourishment",), "nourishment", "satisfaction days_away"),
        (("engagement",), "exposure", "item feedback ratio probability"),
        (("engagement", "return_slope", "leave_slope"), "exposure", "item feedback minutes days_away session_over"),
        (("skip_slope", "up_slope", "down_slope"), "pull", "feedback ratio"),
    ],
)
def test_a_mechanism_that_is_off_plays_no_role(off, what, untouched):
    """And plays one by default: the same key and another past, item or listener, and something else happens."""
    keys, slate = jax.random.split(jax.random.key(5), KEYS), jnp.arange(6)
    for params, is_off in ((dataclasses.replace(DEFAULT, **dict.fromkeys(off, 0.0)), True), (DEFAULT, False)):
        *_, reward, gone, _, usual = step_many(keys, midway(), slate, world(), params)
        another, state = _change(what)
        *_, other_reward, other_gone, _, info = step_many(keys, state, slate, another, params)
        names = usual._fields if untouched == "all" else untouched.split()
        same = [np.array_equal(getattr(usual, name), getattr(info, name)) for name in names]
        if untouched == "all":
            same += [np.array_equal(reward, other_reward), np.array_equal(gone, other_gone)]
        assert all(same) if is_off else not all(same), (names, same)


def test_minutes_hang_on_satisfaction_only_where_they_engage():
    keys, state = jax.random.split(jax.random.key(6), KEYS), midway()
    sad = state._replace(exposure=jnp.float32(-0.6))
    for engaged in (0.0, 1.0):
        params = dataclasses.replace(DEFAULT, engagement=0.0, engaged=engaged)
        happy_minutes, sad_minutes = (step_many(keys, of, ONE, world(), params)[-1].minutes for of in (state, sad))
        assert np.array_equal(happy_minutes, sad_minutes) == (engaged == 0)


def test_sessions_want_nothing_without_context_and_mood():
    keys = jax.random.split(jax.random.key(7), KEYS)
    for params in (DEFAULT, dataclasses.replace(DEFAULT, context=0.0), dataclasses.replace(DEFAULT, mood=0.0)):
        _, state = reset_many(keys, world(), params)
        here = world().listeners.by_intent[state.listener, state.session.intent]
        length = np.linalg.norm(state.session.mood - params.context * here, axis=1)
        np.testing.assert_allclose(length, params.mood * np.linalg.norm(here, axis=1), rtol=1e-4, atol=1e-5)
    _, state = reset_many(keys, world(), dataclasses.replace(DEFAULT, context=0.0, mood=0.0))
    np.testing.assert_array_equal(state.session.mood, 0)


def test_nobody_leaves_and_nobody_grows_impatient_when_that_is_off():
    keys = jax.random.split(jax.random.key(8), KEYS)
    dull = changed(world(), pull=jnp.full_like(world().hidden.pull, -5.0))
    brief = dataclasses.replace(DEFAULT, session_minutes=1e-3)
    *_, terminated, _, info = step_many(
        keys, midway(), ONE, dull, dataclasses.replace(brief, leave=0.3, leave_slope=0.0)
    )
    over = np.asarray(info.session_over)
    # Five standard errors of a share of 0.3.
    np.testing.assert_allclose(np.asarray(terminated)[over].mean(), 0.3, atol=5 * math.sqrt(0.21 / over.sum()))
    *_, terminated, _, _ = step_many(keys, midway(), ONE, dull, dataclasses.replace(brief, leave=0.0))
    assert not np.asarray(terminated).any()

    long = dataclasses.replace(DEFAULT, session_minutes=1e9)
    tired = midway()._replace(patience=jnp.float32(0.1))
    *_, info = step_many(keys, tired, ONE, dull, long)
    assert np.asarray(info.session_over).any()
    _, after, *_, info = step_many(keys, tired, ONE, dull, dataclasses.replace(long, impatience=0.0))
    assert not np.asarray(info.session_over).any()
    np.testing.assert_allclose(after.patience, 0.1)
