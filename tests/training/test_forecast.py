"""Forecasts: of listeners who like one half of the items they learn which, and of strangers they know nothing."""

import jax
import numpy as np
import optax

from tests.agents.small_world import ITEMS as NUM_ITEMS
from tests.agents.small_world import STYLES, small_world
from urep_jax.core.types import Feedback
from urep_jax.data.forecast_questions import HORIZONS, ForecastQuestions, remembered
from urep_jax.data.listening_history import known_items
from urep_jax.evaluation.forecasts import as_strangers, forecast_auc, scored
from urep_jax.models.response_model import ResponseConfig
from urep_jax.simulation.satisfaction.logs import Log
from urep_jax.training.forecast import chance_wanted, forecast_objective, question_features

WORLD, USERS, EVENTS = small_world(), 120, 48
KNOWN = known_items(WORLD.items)
CONTENT = np.asarray(WORLD.items.content)


def halves(seed: int) -> tuple[Log, np.ndarray]:
    """A log of listeners who play, 19 times of 20, what has the sign of their taste; twelve items a day."""
    rng, shape = np.random.default_rng(seed), (USERS, EVENTS)
    taste = rng.choice([-1.0, 1.0], USERS)
    item = rng.integers(0, NUM_ITEMS, shape).astype(np.int32)
    place = np.tile(np.arange(EVENTS) % 12, (USERS, 1)).astype(np.int32)
    began = 24.0 * (np.arange(EVENTS) // 12) + 0.1 * place
    likes = (np.sign(CONTENT[item, 0]) == taste[:, None]) ^ (rng.uniform(size=shape) < 0.05)
    zeros = np.zeros(shape, np.float32)
    log = Log(
        listener=np.arange(USERS, dtype=np.int32),
        is_there=np.ones(shape, bool),
        item=item,
        feedback=np.where(likes, Feedback.PLAY, Feedback.SKIP).astype(np.int32),
        ratio=np.where(likes, 1.0, 0.3).astype(np.float32),
        began=began.astype(np.float32),
        hours=(began + 0.1).astype(np.float32),
        hour=zeros,
        device=zeros.astype(np.int32),
        place=place,
        days_since=zeros,
        heard=zeros,
        pool=zeros.astype(np.int32),
        session_over=place == 11,
        came_back=place == 11,
        days_away=np.where(place == 11, 0.95, 0.0).astype(np.float32),
        probability=zeros,
    )
    return log, taste


def questions(log: Log) -> ForecastQuestions:
    # Nothing is known of anybody beforehand: it has to be read from the history.
    vectors = np.zeros((USERS, CONTENT.shape[1]), np.float32)
    return ForecastQuestions(log, vectors, remembered(log, KNOWN, STYLES), HORIZONS[1], 21.0, 64, 0)


def test_it_learns_who_likes_what_and_of_a_stranger_it_knows_nothing() -> None:
    train, (log, taste) = questions(halves(0)[0]), halves(1)
    held_out = questions(log)
    widths = jax.eval_shape(lambda batch: question_features(batch, KNOWN), train[0])
    model = ResponseConfig(*(part.shape[-1] for part in widths[:3]), width=4, hidden=8, blocks=0, window=1)
    objective, move = forecast_objective(model, KNOWN), optax.adam(1e-2)

    @jax.jit
    def step(params: object, opt_state: optax.OptState, batch: object) -> tuple[object, optax.OptState]:
        def mean(params: object) -> jax.Array:
            total, weight = objective.loss(params, batch, jax.random.key(0))
            return total / weight

        updates, opt_state = move.update(jax.grad(mean)(params), opt_state)
        return optax.apply_updates(params, updates), opt_state

    params = objective.init(jax.random.key(0))
    assert set(params) == {"embed", "respond"}, "and nothing that isn't read"
    opt_state = move.init(params)
    for number in range(150):
        params, opt_state = step(params, opt_state, train[number])

    told = jax.jit(lambda batch: chance_wanted(params, batch, KNOWN, model))
    mine = scored(lambda batch: np.asarray(told(batch)), held_out)
    strangers = scored(lambda batch: np.asarray(told(as_strangers(batch))), held_out)
    best = np.sign(CONTENT[log.item[held_out.places.row[:, None], held_out.event_NxM], 0])
    best = best * taste[held_out.places.row][:, None]
    assert forecast_auc(best, held_out).value > 0.93
    assert forecast_auc(mine, held_out).value > 0.85
    assert abs(forecast_auc(strangers, held_out).value - 0.5) < 0.1
    assert forecast_auc(np.zeros_like(mine), held_out).value == 0.5, "ties count half"
    assert 0 <= mine[held_out.is_there_NxM].min() <= mine[held_out.is_there_NxM].max() <= 1


def test_pairs_are_of_one_question_and_pooled_by_listener() -> None:
    held_out = questions(halves(2)[0])
    wanted = held_out.log.feedback[held_out.places.row[:, None], held_out.event_NxM] == Feedback.PLAY
    shifts = 10.0 * np.arange(len(wanted))[:, None]
    assert forecast_auc(wanted + shifts, held_out).value == 1.0
    assert forecast_auc(shifts - wanted, held_out).value == 0.0
    wrong_once = np.where(np.arange(len(wanted))[:, None] == 0, -1, 1) * wanted.astype(float)
    found = forecast_auc(wrong_once, held_out)
    first = held_out.places.row[0]
    of_first = held_out.places.row == first
    pairs = [
        (w[t].sum() * (~w[t]).sum()) for w, t in zip(wanted[of_first], held_out.is_there_NxM[of_first], strict=True)
    ]
    np.testing.assert_allclose(found.values[found.user == first], 1 - pairs[0] / sum(pairs))
    assert (found.values[found.user != first] == 1).all()


def test_a_strangers_history_ends_when_ones_own_did() -> None:
    batch = questions(halves(3)[0])[0]
    strange = as_strangers(batch)
    np.testing.assert_array_equal(strange.history.ended, batch.history.ended)
    np.testing.assert_array_equal(strange.history.heard[1:], batch.history.heard[:-1])
    np.testing.assert_array_equal(strange.asked.item, batch.asked.item)
    assert not strange.asked.heard.any()
