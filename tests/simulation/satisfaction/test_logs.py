"""Logs: what is in them fits together, what a service can't know is not, and what is cut says so."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.agents.small_world import ANYTHING, CANDIDATES, LISTENERS, PARAMS, small_world
from urep_jax.core.types import FEEDBACK_WORDS, Feedback
from urep_jax.simulation.satisfaction.logs import drawn, event_table, joined, write_log

WORLD = small_world()
LOG, UNSEEN = write_log(jax.random.key(1), WORLD, PARAMS, ANYTHING, np.arange(LISTENERS), 1024)
THERE = LOG.is_there
END = 24 * 7 * PARAMS.weeks


def test_each_listeners_events_come_first_and_one_after_another() -> None:
    assert THERE.any(axis=1).all()
    assert (THERE[:, 1:] <= THERE[:, :-1]).all()
    both = THERE[:, 1:]
    goes_on = both & ~LOG.session_over[:, :-1]
    np.testing.assert_allclose(LOG.began[:, 1:][goes_on], LOG.hours[:, :-1][goes_on], rtol=1e-5)
    minutes = np.asarray(WORLD.items.minutes)[LOG.item]
    np.testing.assert_allclose((LOG.hours - LOG.began)[THERE], (LOG.ratio * minutes / 60)[THERE], atol=1e-3)
    np.testing.assert_array_equal(LOG.place[:, 1:][goes_on], LOG.place[:, :-1][goes_on] + 1)
    assert (LOG.place[:, 1:][both & LOG.session_over[:, :-1]] == 0).all()
    assert (LOG.feedback[~THERE] == Feedback.NONE).all()


def test_who_came_back_is_there_again_and_who_did_not_is_cut_at_the_windows_end() -> None:
    last = THERE & ~np.pad(THERE[:, 1:], ((0, 0), (0, 1)))
    assert not (LOG.came_back & last).any()
    came = LOG.came_back[:, :-1]
    days = (LOG.began[:, 1:] - LOG.hours[:, :-1])[came] / 24
    np.testing.assert_allclose(LOG.days_away[:, :-1][came], days, atol=1e-3)
    gone = LOG.session_over & ~LOG.came_back
    assert (gone <= last).all()
    np.testing.assert_allclose(LOG.days_away[gone], (END - LOG.hours[gone]) / 24, atol=1e-3)
    assert (LOG.days_away[~LOG.session_over] == 0).all()
    # Both kinds of absence look alike.
    assert UNSEEN.left.any()
    assert (gone.any(axis=1) & ~UNSEEN.left).any()


def test_the_policys_probabilities_are_logged() -> None:
    np.testing.assert_allclose(LOG.probability[THERE], 1 / CANDIDATES, rtol=1e-5)
    sharp = drawn(lambda seen: jnp.where(jnp.arange(CANDIDATES) == 2, jnp.log(3.0), 0.0))
    log, _ = write_log(jax.random.key(2), WORLD, PARAMS, sharp, np.arange(LISTENERS), 64)
    is_it = log.item == np.asarray(WORLD.pools)[log.pool, 2]
    np.testing.assert_allclose(log.probability, np.where(is_it, 3, 1) / (CANDIDATES + 2), rtol=1e-5)
    assert abs(is_it[log.is_there].mean() - 3 / (CANDIDATES + 2)) < 0.1


def test_an_event_table_has_what_systems_that_read_logs_want() -> None:
    table = event_table(LOG)
    assert {len(column) for column in table.values()} == {THERE.sum()}
    assert set(table["feedback"]) <= set(FEEDBACK_WORDS)
    assert (np.diff(table["timestamp"])[np.diff(table["user_id"]) == 0] >= 0).all()
    local = (table["timestamp"] + table["utc_offset"]) % 86_400 / 3600
    off = (local - LOG.hour[THERE] + 12) % 24 - 12
    assert np.abs(off).max() <= 1 / 8 + 1 / 3600
    assert np.abs(table["utc_offset"]).max() <= 43_200


def test_logs_are_joined_whatever_their_lengths() -> None:
    short = jax.tree.map(lambda x: x[:2] if x.ndim == 1 else x[:2, :20], LOG)
    both = joined([LOG, short])
    assert both.is_there.sum() == THERE.sum() + short.is_there.sum()
    np.testing.assert_array_equal(both.listener, [*range(LISTENERS), 0, 1])
    np.testing.assert_array_equal(both.item[both.is_there], np.append(LOG.item[THERE], short.item[short.is_there]))


def test_a_log_without_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="most_steps is 0, but must be at least 1; raise it"):
        write_log(jax.random.key(0), WORLD, PARAMS, ANYTHING, np.arange(2), 0)
