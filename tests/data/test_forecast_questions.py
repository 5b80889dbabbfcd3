"""Questions about what is wanted later: of the right events, and of nothing that isn't known at their moment."""

import jax
import numpy as np
import pytest

from tests.agents.small_world import PARAMS, STYLES, small_log, small_world
from urep_jax.core.types import Feedback
from urep_jax.data.epochs import Interleaved, Rows
from urep_jax.data.forecast_questions import (
    HORIZONS,
    MOST_ITEMS,
    PSEUDO_COUNT,
    STRIDE,
    ForecastQuestions,
    Places,
    heard_until,
    places_of,
    remembered,
    wanted_rate,
    with_rates,
)
from urep_jax.data.listening_history import NO_DEVICE, known_items
from urep_jax.simulation.satisfaction.logs import Log

WORLD = small_world()
LOG = small_log(WORLD)
ITEMS = known_items(WORLD.items)
VECTORS = np.asarray(WORLD.listeners.vector)
SOON, DAY, WEEK = HORIZONS


def questions(log: Log, horizon: int) -> ForecastQuestions:
    vectors = VECTORS[log.listener]
    return ForecastQuestions(log, vectors, remembered(log, ITEMS, STYLES), HORIZONS[horizon], PARAMS.repeat_days, 16, 0)


def one_listener(began: list[float], places: list[int]) -> Log:
    """Items of three minutes each at these hours."""
    shape = (1, len(began))
    columns = {name: np.zeros(shape, np.asarray(getattr(LOG, name)).dtype) for name in Log._fields}
    columns |= {
        "listener": np.zeros(1, np.int32),
        "is_there": np.ones(shape, bool),
        "began": np.array([began], np.float32),
        "hours": np.array([began], np.float32) + 0.05,
        "place": np.array([places], np.int32),
    }
    return Log(**columns)


def test_events_are_of_the_session_that_is_nearest_to_the_horizon() -> None:
    # Nine in a row, then two sessions of three about a day later, and one of two a week later.
    first = [0.05 * n for n in range(9)]
    began = [*first, 17.0, 17.1, 17.2, 22.0, 22.1, 22.2, 168.0, 168.1]
    log = one_listener(began, [*range(9), 0, 1, 2, 0, 1, 2, 0, 1])
    now = 8 * 0.05
    assert now == pytest.approx(log.hours[0, STRIDE - 1])
    # The ninth begins at once, which isn't in five minutes.
    assert [list(x) for x in places_of(log, DAY)] == [[0], [8], [12], [3]]
    assert [list(x) for x in places_of(log, WEEK)] == [[0], [8], [15], [2]]
    assert len(places_of(log, SOON).row) == 0
    later = one_listener([0.1 * n for n in range(16)], list(range(16)))
    # Over at .75: what begins at .8 is too soon, .9 and 1.0 are within 5 to 20 minutes.
    assert [list(x) for x in places_of(later, SOON)] == [[0], [8], [9], [2]]


def test_every_event_that_is_asked_about_lies_within_its_horizon() -> None:
    for horizon in HORIZONS[:2]:
        row, moment, first, count = places_of(LOG, horizon)
        assert len(row) > 5
        now = LOG.hours[row, moment - 1]
        for event in (first, first + count - 1):
            ahead = LOG.began[row, event] - now
            assert (ahead >= horizon.earliest - 1e-3).all()
            assert (ahead <= horizon.latest + 1e-3).all()
        assert (count <= MOST_ITEMS).all()
        assert (LOG.place[row, first + count - 1] - LOG.place[row, first] == count - 1).all(), "one session"


def test_what_was_heard_is_what_the_log_says_where_nothing_lies_between() -> None:
    row, moment = np.nonzero(LOG.is_there & (LOG.place > 0))
    event = moment[:, None]
    now = Places(row, moment, moment, np.ones_like(moment))
    heard = heard_until(LOG, now, event, 0.0, PARAMS.repeat_days)[:, 0]
    np.testing.assert_allclose(heard, LOG.heard[row, moment], atol=1e-4)
    later = heard_until(LOG, now, event, 24 * PARAMS.repeat_days, PARAMS.repeat_days)[:, 0]
    np.testing.assert_allclose(later, heard / 2, atol=1e-5)


def test_nothing_of_what_happens_later_is_known() -> None:
    whole = questions(LOG, 1)
    row, moment, first, _ = whole.places
    one = int(np.argmax(row == row[np.argmax(moment)]))
    user, at = row[one], moment[one]
    changed = Log(*(x.copy() for x in map(np.asarray, LOG)))
    for name, value in (("feedback", Feedback.DOWN), ("ratio", 0.1), ("device", 3), ("heard", 9.0)):
        getattr(changed, name)[user, at:] = value
    rows = Rows(np.array([one]), np.array([True]), np.zeros(1, np.int32))
    before, after = (of.batch(rows) for of in (whole, questions(changed, 1)))
    for x, y in zip(*map(jax.tree.leaves, (before._replace(feedback=0), after._replace(feedback=0))), strict=True):
        np.testing.assert_array_equal(x, y)
    assert (before.asked.device == NO_DEVICE).all()
    assert (questions(LOG, 0)[0].asked.device >= 0).all()
    np.testing.assert_allclose(before.asked.hours[0], LOG.hours[user, at - 1] + 24, rtol=1e-5)
    assert float(before.asked.hours[0, 0]) - float(before.history.ended[0]) == pytest.approx(24, abs=1e-3)
    assert before.history.items[0] == at
    asked = before.asked.item[0][before.is_there[0]]
    np.testing.assert_array_equal(asked, LOG.item[user, first[one] : first[one] + len(asked)])


def test_rates_are_smoothed_towards_the_mean_of_all() -> None:
    there = LOG.is_there
    wanted = there & np.isin(LOG.feedback, (Feedback.PLAY, Feedback.UP))
    mean = wanted.sum() / there.sum()
    rate = wanted_rate(LOG, 31)
    item = int(LOG.item[there][0])
    offers, likes = (there & (LOG.item == item)).sum(), (wanted & (LOG.item == item)).sum()
    assert rate[item] == pytest.approx((likes + PSEUDO_COUNT * mean) / (offers + PSEUDO_COUNT))
    assert rate[30] == pytest.approx(mean), "which nobody was offered"
    numbers = np.asarray(with_rates(ITEMS, LOG).numbers)
    np.testing.assert_array_equal(numbers[:, :-1], ITEMS.numbers)
    np.testing.assert_allclose([numbers[:, -1].mean(), numbers[:, -1].std()], [0, 1], atol=1e-5)


def test_horizons_stand_among_each_other_and_each_question_is_asked_once_an_epoch() -> None:
    many, few = questions(LOG, 0), questions(LOG, 1)
    both = Interleaved([many, few])
    total = many.steps_per_epoch + few.steps_per_epoch
    assert both.steps_per_epoch == total
    for epoch in range(2):
        steps = range(epoch * total, (epoch + 1) * total)
        found = [(both[step].asked.item.tobytes(), both.sequence_ids(step)) for step in steps]
        own = [
            (one[number].asked.item.tobytes(), one.sequence_ids(number))
            for one in (many, few)
            for number in range(epoch * one.steps_per_epoch, (epoch + 1) * one.steps_per_epoch)
        ]
        assert sorted(found) == sorted(own)
    halves = [Interleaved([many, many])[step].asked.item for step in range(4)]
    for step, items in enumerate(halves):
        np.testing.assert_array_equal(items, many[step // 2].asked.item)


def test_a_log_that_is_too_short_is_refused() -> None:
    short = Log(*(x if x.ndim == 1 else x[:, : STRIDE + 1] for x in map(np.asarray, LOG)))
    with pytest.raises(ValueError, match="nobody was offered anything from 144 to 192 hours after"):
        questions(short, 2)
