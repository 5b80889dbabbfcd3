"""The learned world: the true one's interface, its own log's likelihood, and nothing hidden in it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.agents.small_world import LISTENERS, PARAMS, STYLES, small_log, small_world
from urep_jax.agents.learned_world import LEARNED, LearnedWorld, asked_now, hidden_now, learned_world, service_of
from urep_jax.core.types import Feedback
from urep_jax.data.listening_history import Outcome, known_items, remember
from urep_jax.data.response_windows import ResponseWindows, told_once, window_features
from urep_jax.models import response_model
from urep_jax.models.response_model import DAYS, ResponseConfig, ReturnLine
from urep_jax.simulation.satisfaction import environment
from urep_jax.simulation.satisfaction.mechanisms import HOURS_PER_DAY
from urep_jax.simulation.satisfaction.rollout import go_on, start
from urep_jax.training.response import predict
from urep_jax.training.returns_said import Range, range_of_returns

WORLD = small_world()
LOG = small_log(WORLD)
END = HOURS_PER_DAY * 7 * PARAMS.weeks


def small_model() -> tuple[Any, ResponseConfig]:
    items = known_items(WORLD.items)
    windows = ResponseWindows(LOG, np.asarray(WORLD.listeners.vector)[LOG.listener], items, STYLES, 6, 4, 0)
    seen = jax.eval_shape(lambda batch: window_features(batch, items), jax.tree.map(jnp.asarray, windows[0]))
    widths = (part.shape[-1] for part in (seen.listener, seen.item, seen.relation))
    cfg = ResponseConfig(*widths, width=8, hidden=8, window=6)
    line = ReturnLine(
        0.1 * jax.random.normal(jax.random.key(1), (seen.lasting.shape[-1] + 6,)), jnp.linspace(0, -1, len(DAYS) - 1)
    )
    return response_model.init(jax.random.key(0), cfg) | {"return": line}, cfg


RESPONSE, MODEL = small_model()
ANYTHING = Range(jnp.full(len(MODEL.days) - 1, -jnp.inf), jnp.full(len(MODEL.days) - 1, jnp.inf))
KNOWN = known_items(WORLD.items)._replace(brings_back=jnp.linspace(-1, 1, len(WORLD.items.style)))
LEARNT = learned_world(service_of(WORLD), LOG, KNOWN, RESPONSE, ANYTHING, MODEL)
reset, step = jax.jit(LEARNED.reset), jax.jit(LEARNED.step)


def with_return(bias: float, returns: Range = ANYTHING) -> LearnedWorld:
    """A world whose sessions end after each item, and whose listeners come back with this log hazard, or as held."""
    ends = {name: jax.tree.map(jnp.zeros_like, RESPONSE[name]) for name in ("follow", "return")}
    ends["follow"]["out"]["bias"] = jnp.full(1, 30.0)
    ends["return"] = ends["return"]._replace(pieces=jnp.full(len(MODEL.days) - 1, bias))
    return learned_world(service_of(WORLD), LOG, KNOWN, RESPONSE | ends, returns, MODEL)


def test_a_step_gives_what_a_step_of_the_true_world_gives() -> None:
    def taken(of: Any, world: Any) -> Any:
        def walk(key: jax.Array, world: Any) -> Any:
            seen, state = of.reset(key, world, PARAMS)
            after, later, *rest = of.step(key, state, jnp.int32(1), world, PARAMS)
            return seen, (after, *rest), (state, later)

        return jax.eval_shape(walk, jax.random.key(0), world)

    *true, _ = taken(environment, WORLD)
    *learnt, (before, later) = taken(LEARNED, LEARNT)
    assert jax.tree.structure(learnt) == jax.tree.structure(true)
    assert [(x.shape, x.dtype) for x in jax.tree.leaves(learnt)] == [(x.shape, x.dtype) for x in jax.tree.leaves(true)]
    # What is carried keeps its types, so that it can be scanned.
    types = [[(x.shape, x.dtype, x.weak_type) for x in jax.tree.leaves(state)] for state in (before, later)]
    assert types[0] == types[1]


def test_it_is_walked_and_logged_as_the_true_world_is_and_compiled_once() -> None:
    traces = 0

    def choose(key: jax.Array, state: Any, seen: environment.Observation) -> tuple[jax.Array, None]:
        nonlocal traces
        traces += 1
        return jax.random.randint(key, (), 0, seen.candidates.shape[0]), None

    walking = jax.jit(lambda key, walk, world: go_on(key, walk, choose, world, PARAMS, 8, LEARNED))
    walk = start(jax.random.key(0), LEARNT, PARAMS, jnp.arange(LISTENERS, dtype=jnp.int32), LEARNED)
    for number in range(3):
        world = learned_world(
            service_of(WORLD), LOG, KNOWN, jax.tree.map(lambda x, by=number: x + 0.01 * by, RESPONSE), ANYTHING, MODEL
        )
        walk, steps = walking(jax.random.key(number), walk, world)
    assert traces == 1
    assert np.isnan(steps.info.satisfaction).all()
    assert np.isnan(steps.info.utility).all()
    assert int(walk.state.items.max()) == 24


def test_it_reads_nothing_that_is_hidden() -> None:
    of = WORLD.listeners
    hidden = of._replace(
        **{name: 1 + getattr(of, name) for name in of._fields if name not in ("vector", "pools")}
        | {"is_show_user": ~of.is_show_user}
    )
    strange = WORLD._replace(hidden=jax.tree.map(lambda x: x - 3, WORLD.hidden), listeners=hidden)
    for one, other in zip(
        jax.tree.leaves(learned_world(service_of(strange), LOG, known_items(strange.items), RESPONSE, ANYTHING, MODEL)),
        jax.tree.leaves(LEARNT._replace(known=known_items(WORLD.items))),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_sessions_begin_when_the_listeners_sessions_did() -> None:
    begins = LOG.is_there & (LOG.place == 0)
    for user in range(LISTENERS):
        logged = {
            (float(h), int(d))
            for h, d in zip(LOG.hour[user][begins[user]], LOG.device[user][begins[user]], strict=True)
        }
        here = {
            (float(h), int(d)) for h, d in zip(LEARNT.listeners.hour[user], LEARNT.listeners.device[user], strict=True)
        }
        assert here == logged


def test_step_by_step_it_says_what_the_model_says_of_its_log() -> None:
    """What is carried from step to step is what a window of the log is read from."""
    windows = ResponseWindows(LOG, np.asarray(LEARNT.listeners.vector), LEARNT.known, STYLES, 6, 500, 0)
    batch = jax.tree.map(jnp.asarray, windows[0])
    seen = window_features(batch, LEARNT.known)
    vectors = response_model.embed(RESPONSE, seen, MODEL)
    of_windows = response_model.encode(RESPONSE, vectors, batch.is_there, MODEL)

    _, state = reset(jax.random.key(0), LEARNT, PARAMS, 0)
    told = jax.jit(lambda state, item: hidden_now(state, asked_now(state, item), LEARNT)[:2])
    first = np.flatnonzero(
        (np.asarray(batch.history.items) == 0) & (batch.vector == LEARNT.listeners.vector[0]).all(1)
    )[0]
    keep = jax.jit(_replayed)
    for place in range(min(6, int(LOG.is_there[0].sum()))):
        row = jax.tree.map(lambda x, at=place: x[0, at], LOG._replace(listener=np.zeros_like(LOG.item)))
        state = state._replace(
            hours=jnp.float32(row.began),
            hour=jnp.float32(row.hour),
            place=jnp.int32(row.place),
            times=state.times.at[row.item].set(row.heard),
            session=state.session._replace(device=jnp.int32(row.device), days_since=jnp.float32(row.days_since)),
        )
        features, hidden = told(state, jnp.int32(row.item))
        np.testing.assert_allclose(hidden, of_windows[first, place], atol=2e-4)
        np.testing.assert_allclose(features.lasting, seen.lasting[first, place], atol=1e-4)
        state = keep(state, jax.tree.map(jnp.asarray, row))


def _replayed(state: Any, row: Any) -> Any:
    """The state after an event that happened."""
    asked = asked_now(state, row.item)
    outcome = Outcome(row.feedback, row.ratio, row.session_over, row.came_back, row.days_away)
    return state._replace(
        history=remember(state.history, asked, outcome, LEARNT.known),
        vectors=hidden_now(state, asked, LEARNT)[2],
        items=state.items + 1,
    )


def test_who_does_not_come_back_is_gone_for_good_and_who_does_is_cut_by_the_windows_end() -> None:
    _, state = reset(jax.random.key(0), LEARNT, PARAMS, 0)
    _, after, reward, terminated, truncated, info = step(
        jax.random.key(1), state, jnp.int32(0), with_return(-30.0), PARAMS
    )
    assert (bool(terminated), bool(truncated), bool(info.session_over)) == (True, False, True)
    thumb = float(info.feedback == Feedback.UP) - float(info.feedback == Feedback.DOWN)
    alone = PARAMS.reward_minutes * float(info.minutes) + PARAMS.reward_up * thumb
    np.testing.assert_allclose(reward, alone, rtol=1e-5)
    np.testing.assert_allclose(info.hours, info.minutes / 60, rtol=1e-5)

    soon = with_return(0.0)
    _, after, reward, terminated, truncated, info = step(jax.random.key(1), state, jnp.int32(0), soon, PARAMS)
    assert not terminated
    assert not truncated
    thumb = float(info.feedback == Feedback.UP) - float(info.feedback == Feedback.DOWN)
    back = 2.0 ** (-float(info.days_away) / PARAMS.reward_return_days)
    np.testing.assert_allclose(
        reward, PARAMS.reward_minutes * info.minutes + PARAMS.reward_up * thumb + PARAMS.reward_return * back, rtol=1e-5
    )
    np.testing.assert_allclose(after.hours, info.minutes / 60 + 24 * info.days_away, rtol=1e-5)

    late = state._replace(hours=jnp.float32(END - 0.01))
    *_, terminated, truncated, info = step(jax.random.key(1), late, jnp.int32(0), soon, PARAMS)
    assert (bool(terminated), bool(truncated)) == (False, True)
    np.testing.assert_allclose(info.hours, 0.01, atol=1e-3)


def test_nobody_comes_back_sooner_or_later_than_was_said_of_the_log() -> None:
    """A hazard h of each day, held at 1: pauses whose mean is a day, as if it had said so."""
    _, state = reset(jax.random.key(0), LEARNT, PARAMS, 0)
    within = Range(*(jnp.zeros(len(MODEL.days) - 1) for _ in range(2)))

    def pauses(world: LearnedWorld) -> np.ndarray:
        keys = jax.random.split(jax.random.key(1), 400)
        return np.asarray(jax.vmap(lambda key: step(key, state, jnp.int32(0), world, PARAMS)[-1].days_away)(keys))

    days = pauses(with_return(0.0))
    assert days.mean() == pytest.approx(1, abs=0.15)
    for bias in (5.0, -5.0):
        np.testing.assert_allclose(pauses(with_return(bias, within)), days, rtol=1e-5)
        assert abs(np.log(pauses(with_return(bias)).mean())) > 1


def test_the_range_is_the_middle_of_what_is_said_at_the_ends_of_sessions() -> None:
    windows = ResponseWindows(LOG, np.asarray(LEARNT.listeners.vector), LEARNT.known, STYLES, 6, 16, 0)
    said = []
    for number in range(windows.steps_per_epoch):
        batch = jax.tree.map(jnp.asarray, windows[number])
        is_end = told_once(batch) & batch.outcome.session_over
        said.append(np.asarray(predict(RESPONSE, batch, LEARNT.known, MODEL)[1].log_hazard)[is_end])
    every = np.concatenate(said)
    assert len(every) == (LOG.is_there & LOG.session_over).sum()
    whole = range_of_returns(RESPONSE, windows, LEARNT.known, MODEL, share=1.0)
    np.testing.assert_allclose(whole.low, every.min(0), atol=1e-5)
    np.testing.assert_allclose(whole.high, every.max(0), atol=1e-5)
    most = range_of_returns(RESPONSE, windows, LEARNT.known, MODEL, share=0.5)
    is_in = (every >= np.asarray(most.low)) & (every <= np.asarray(most.high))
    np.testing.assert_allclose(is_in.mean(0), 0.5, atol=2 / len(every) + 1e-6)
    with pytest.raises(ValueError, match="share is 0, but must lie above 0 and be at most 1"):
        range_of_returns(RESPONSE, windows, LEARNT.known, MODEL, share=0)


def test_of_several_items_nothing_is_known() -> None:
    _, state = reset(jax.random.key(0), LEARNT, PARAMS, 0)
    with pytest.raises(ValueError, match="action offers 2 items"):
        LEARNED.step(jax.random.key(1), state, jnp.arange(2), LEARNT, PARAMS)
