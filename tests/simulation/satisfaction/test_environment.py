"""`reset` and `step`: pure, of one trace, honest about what a service sees and when an episode is over."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.simulation.satisfaction.worlds import (
    DEFAULT,
    NUM_CANDIDATES,
    midway,
    reset_many,
    reset_once,
    step_many,
    walked,
    world,
)
from urep_jax.core.types import RESPONSES, Feedback
from urep_jax.simulation.satisfaction import mechanisms, observe, step, utility
from urep_jax.simulation.satisfaction.environment import NOTHING, RECENT

KEYS = jax.random.split(jax.random.key(11), 2048)


def equal(one, other):
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


def test_a_listener_begins_with_nothing_heard():
    seen, state = reset_once(jax.random.key(0), world(), DEFAULT, 5)
    assert state.listener == 5
    assert not state.times.any()
    assert not state.satiation.any()
    assert (state.patience, state.place, state.items, state.hours) == (1, 0, 0, 0)
    np.testing.assert_array_equal(seen.recent.item, np.full(RECENT, NOTHING))
    assert seen.days_since == 0
    assert set(np.asarray(seen.candidates).tolist()) <= set(range(132))


def test_listeners_are_drawn_evenly():
    _, state = reset_many(KEYS, world(), DEFAULT)
    times = np.bincount(state.listener, minlength=60)
    np.testing.assert_allclose(times, len(KEYS) / 60, atol=5 * math.sqrt(len(KEYS) / 60))
    np.testing.assert_allclose(np.std(state.exposure), DEFAULT.innovation, rtol=0.1)


def test_same_key_same_step():
    one, two = (step_many(KEYS, midway(), jnp.arange(6), world(), DEFAULT) for _ in range(2))
    assert equal(one, two)
    other = step_many(KEYS[::-1], midway(), jnp.arange(6), world(), DEFAULT)
    assert not equal(one[-1], other[-1])
    assert equal(midway(), midway())


def test_one_trace_for_all_steps_and_parameters():
    traces = []

    def counted(key, state, action, world, params):
        traces.append(1)
        return step(key, state, action, world, params)

    once = jax.jit(counted)
    _, state = reset_once(jax.random.key(1), world(), DEFAULT, 3)
    for place, params in enumerate([DEFAULT, DEFAULT, dataclasses.replace(DEFAULT, memory=0.5, weeks=2.0)]):
        _, state, *_ = once(jax.random.key(place), state, jnp.int32(place), world(place % 2), params)
    assert len(traces) == 1


def test_a_service_does_not_see_what_is_hidden():
    state, here = midway(), world()
    hidden = state._replace(
        exposure=state.exposure - 1,
        satiation=1 - state.satiation,
        patience=state.patience / 2,
        session=state.session._replace(intent=(state.session.intent + 1) % 4, mood=-state.session.mood),
    )
    other = here._replace(
        hidden=jax.tree.map(lambda x: x + 1, here.hidden),
        listeners=here.listeners._replace(
            **{name: getattr(here.listeners, name) + 1 for name in ("wishes", "by_intent", "satiation", "pause")}
        ),
    )
    assert equal(observe(state, here), observe(hidden, other))
    items = jnp.arange(NUM_CANDIDATES)
    assert not np.allclose(utility(state, items, here, DEFAULT), utility(hidden, items, other, DEFAULT)), "it matters"


def test_a_service_sees_what_happened():
    seen, after, *_, info = step_many(KEYS, midway(), jnp.arange(6), world(), DEFAULT)
    np.testing.assert_array_equal(seen.recent.item[:, -1], info.item)
    np.testing.assert_array_equal(seen.recent.feedback[:, -1], info.feedback)
    np.testing.assert_array_equal(seen.recent.item[:, :-1], np.tile(midway().recent.item[1:], (len(KEYS), 1)))
    here = 100 + np.asarray(info.ratio) * np.asarray(world().items.minutes)[info.item] / 60
    np.testing.assert_allclose(seen.recent.hours[:, -1], here, rtol=1e-6)
    over = np.asarray(info.session_over)
    np.testing.assert_array_equal(np.asarray(seen.place), np.where(over, 0, 6))
    np.testing.assert_array_equal(seen.days_since[over], info.days_away[over])
    np.testing.assert_array_equal(seen.candidates, world().pools[after.session.pool])
    assert (np.asarray(info.days_away) > 0).tolist() == over.tolist()
    assert set(np.asarray(after.patience)[over].tolist()) == {1.0}
    same = ~over
    np.testing.assert_array_equal(np.asarray(after.session.mood)[same], np.tile(midway().session.mood, (same.sum(), 1)))


def test_utility_is_the_equation():
    state, here = midway(), world()
    items = np.arange(132)
    wishes = np.asarray(here.listeners.wishes[7], np.float64)
    wishes[: state.session.mood.size] += np.asarray(state.session.mood)
    tired = float(here.listeners.satiation[7]) * np.asarray(state.satiation)[np.asarray(here.items.style)]
    x = np.minimum(np.asarray(state.times) / DEFAULT.best_repeats, 3)
    satisfied = 1 / (1 + math.exp(-DEFAULT.sensitivity * float(state.exposure)))
    expected = (
        np.asarray(here.hidden.parts, np.float64) @ wishes
        + np.asarray(here.hidden.pull)
        - DEFAULT.satiation * tired
        + DEFAULT.repeats * (2 * x - x**2)
        + DEFAULT.engagement * (satisfied - 0.5)
    )
    np.testing.assert_allclose(utility(state, jnp.asarray(items), here, DEFAULT), expected, rtol=1e-4, atol=1e-4)


def test_choice_and_feedback_are_multinomial_logits():
    """Shares of 20,480 draws, each within five standard errors."""
    keys, slate = jax.random.split(jax.random.key(12), 20_480), jnp.array([3, 8, 1, 15, 0, 11])
    infos = [step_many(some, midway(), slate, world(), DEFAULT)[-1] for some in keys.reshape(10, 2048)]
    item, feedback, told, of_it = (
        np.concatenate([getattr(info, name) for info in infos])
        for name in ("item", "feedback", "probability", "utility")
    )
    items = world().pools[midway().session.pool][slate]
    worth = np.asarray(utility(midway(), items, world(), DEFAULT), np.float64)
    share = np.exp(worth) / np.exp(worth).sum()
    assert share.max() < 0.9, "a choice"
    for one, expected, at in zip(np.asarray(items), share, worth, strict=True):
        taken = item == one
        assert abs(taken.mean() - expected) < 5 * math.sqrt(expected * (1 - expected) / len(item))
        np.testing.assert_allclose(told[taken], expected, rtol=1e-4)
        np.testing.assert_allclose(of_it[taken], at, atol=1e-4)
        logits = np.asarray(mechanisms.feedback_logits(DEFAULT, jnp.asarray(at)), np.float64)
        for kind, chance in zip(RESPONSES, np.exp(logits) / np.exp(logits).sum(), strict=True):
            error = math.sqrt(chance * (1 - chance) / max(taken.sum(), 1))
            assert abs((feedback[taken] == kind).mean() - chance) < 5 * error + 1e-9, kind


def test_what_is_left_is_left_early():
    info = step_many(KEYS, midway(), jnp.arange(6), world(), DEFAULT)[-1]
    is_left = np.isin(info.feedback, [Feedback.SKIP, Feedback.DOWN])
    ratio = np.asarray(info.ratio)
    assert (ratio[~is_left] == 1).all()
    # The square of a uniform number has mean 1/3 and variance 4/45.
    assert abs(ratio[is_left].mean() - 1 / 3) < 5 * math.sqrt(4 / 45 / is_left.sum())
    np.testing.assert_allclose(info.minutes, ratio * np.asarray(world().items.minutes)[info.item], rtol=1e-5)


SHORT = dataclasses.replace(DEFAULT, weeks=1.0, leave=0.2)


@pytest.mark.parametrize(
    "params", [SHORT, dataclasses.replace(SHORT, leave=0.0), dataclasses.replace(SHORT, most_items=7.0)]
)
def test_an_episode_ends_once_and_for_one_reason(params):
    walk, taken = walked(jax.random.key(2), world(), params)
    terminated, truncated, there = (np.asarray(x) for x in (taken.terminated, taken.truncated, taken.is_there))
    end = 24 * 7 * params.weeks
    assert not (terminated & truncated).any()
    assert ((terminated | truncated).sum(0) == 1).all(), "long enough for everybody"
    np.testing.assert_array_equal(there.sum(0), (terminated | truncated).argmax(0) + 1)
    assert terminated.any() == (params.leave > 0)
    over = np.asarray(taken.info.session_over)
    assert over[terminated].all(), "nobody leaves for good within a session"
    before = np.asarray(taken.kept.hours)
    cut = truncated.any(0)
    assert (before[there] < end).all()
    hours, items = np.asarray(walk.state.hours), np.asarray(walk.state.items)
    np.testing.assert_array_equal(cut, (~terminated.any(0)) & ((hours >= end) | (items >= params.most_items)))
    assert (items <= params.most_items).all()

    spent = np.where(there, np.asarray(taken.info.hours), 0).sum(0)
    np.testing.assert_allclose(spent[cut], np.minimum(hours, end)[cut], rtol=1e-4)
    # Who leaves for good isn't away: only what was heard counts.
    last = taken.info.hours[terminated]
    heard = np.asarray(taken.info.ratio * world().items.minutes[taken.info.item] / 60)[terminated]
    np.testing.assert_allclose(last, heard, rtol=1e-5)


def test_rewards_are_the_formula():
    params = dataclasses.replace(SHORT, reward_minutes=0.3, reward_up=0.7, reward_return=2.0, reward_return_days=3.0)
    _, taken = walked(jax.random.key(3), world(), params)
    info = jax.tree.map(lambda x: np.asarray(x, np.float64), taken.info)
    there, terminated = np.asarray(taken.is_there), np.asarray(taken.terminated)
    minutes = np.asarray(world().items.minutes, np.float64)[np.asarray(taken.info.item)] * info.ratio
    now = np.asarray(taken.kept.hours, np.float64) + minutes / 60 + 24 * info.days_away
    back = (info.session_over == 1) & ~terminated & (now < 24 * 7 * params.weeks)
    thumb = (info.feedback == Feedback.UP) * 1.0 - (info.feedback == Feedback.DOWN)
    expected = 0.3 * info.minutes + 0.7 * thumb + np.where(back, 2.0 * 2 ** (-info.days_away / 3.0), 0)
    np.testing.assert_allclose(np.asarray(taken.reward)[there], expected[there], rtol=1e-4, atol=1e-5)
    assert not np.asarray(taken.reward)[~there].any()
    assert (thumb[there] > 0).any()
    assert (thumb[there] < 0).any()
    assert back[there].any()


def test_who_is_away_rests():
    _, after, *_, info = step_many(KEYS, midway(), jnp.zeros(6, jnp.int32), world(), DEFAULT)
    over = np.asarray(info.session_over)
    heard, style = int(info.item[0]), int(world().items.style[int(info.item[0])])
    dose = np.asarray(info.ratio) * (float(world().items.minutes[heard]) / DEFAULT.item_minutes) ** DEFAULT.long_items
    left_over = DEFAULT.satiation_memory ** dose[:, None]
    tired = left_over * np.asarray(midway().satiation) + (1 - left_over) * (np.arange(7) == style)
    hours = np.asarray(info.ratio) * float(world().items.minutes[heard]) / 60 + 24 * np.asarray(info.days_away)
    rested = tired * 2 ** (-hours[:, None] / DEFAULT.recovery_hours)
    np.testing.assert_allclose(after.satiation, rested, rtol=1e-4, atol=1e-6)
    assert np.asarray(after.satiation)[over].max() < np.asarray(after.satiation)[~over].max()
