"""What becomes of listeners, against sums written out."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.agents.tiny import PARAMS, tiny_world
from urep_jax.agents import policies
from urep_jax.core.types import Feedback
from urep_jax.evaluation import long_term
from urep_jax.evaluation.long_term import Episodes, follow, kinds_of_listeners, outcome, small_artists
from urep_jax.simulation.satisfaction.environment import Info

WORLD = tiny_world()
HOURS_PER_WEEK = 168.0


def episodes(**columns: list[list[float]]) -> Episodes:
    """Two listeners with three steps each: the first all the time, the second for two of them."""
    shape = (3, 2)

    def column(name: str, kind: type, default: float = 0.0) -> np.ndarray:
        return np.asarray(columns.get(name, np.full(shape, default)), kind)

    info = Info(
        item=column("item", np.int32),
        feedback=column("feedback", np.int32, Feedback.PLAY),
        ratio=column("ratio", np.float32, 1.0),
        minutes=column("minutes", np.float32),
        session_over=column("session_over", bool),
        days_away=column("days_away", np.float32),
        hours=column("hours", np.float32),
        satisfaction=column("satisfaction", np.float32),
        intent=column("intent", np.int32),
        probability=column("probability", np.float32, 1.0),
        utility=column("utility", np.float32),
    )
    is_there = np.array([[True, True], [True, True], [True, False]])
    terminated = np.array([[False, False], [False, True], [False, False]])
    return Episodes(np.arange(2, dtype=np.int32), is_there, terminated, np.ones(shape, np.float32), info)


def test_satisfaction_is_summed_over_the_hours_of_each_week() -> None:
    half = HOURS_PER_WEEK / 2
    found = outcome(
        episodes(hours=[[half, 10], [2 * half, 20], [half, 999]], satisfaction=[[1, 0.5], [0.5, 0.25], [0.2, 1]]),
        WORLD,
        PARAMS,
    )
    # The second step of the first listener lies half in either week.
    np.testing.assert_allclose(found.satisfaction[0], [(1 + 0.5) / 2, (0.5 + 0.2) / 2], rtol=1e-6)
    np.testing.assert_allclose(found.satisfaction[1], [(10 * 0.5 + 20 * 0.25) / HOURS_PER_WEEK, 0], rtol=1e-6)
    np.testing.assert_allclose(found.total_satisfaction, found.satisfaction.sum(1))
    np.testing.assert_array_equal(found.stays, [1, 0])
    np.testing.assert_array_equal(found.reward, [3, 2])


def test_a_return_counts_where_it_could_be_seen() -> None:
    # The first listener's last session ends in the last hours of the two weeks: whether it is soon followed is unknown.
    found = outcome(
        episodes(
            session_over=[[1, 1], [1, 1], [1, 0]],
            days_away=[[1, 5], [13, 1], [9, 0]],
            hours=[[24, 120], [13 * 24 - 1, 5], [1, 0]],
        ),
        WORLD,
        PARAMS,
    )
    np.testing.assert_allclose(found.return_rate, [1 / 2, 0])
    np.testing.assert_array_equal(found.sessions, [[1, 0], [1, 0]])


def test_the_diet_is_of_minutes_and_discovery_of_plays() -> None:
    minutes_V, is_good_V = np.asarray(WORLD.items.minutes), np.asarray(WORLD.hidden.nourishment) > 0
    style_V = np.asarray(WORLD.items.style)
    good = int(np.flatnonzero(is_good_V)[0])
    empty = int(np.flatnonzero(~is_good_V & (style_V != style_V[good]))[0])
    show = int(np.flatnonzero(WORLD.items.is_show)[0])
    items = [[good, good], [empty, show], [good, 0]]
    ratio = [[1.0, 1.0], [0.5, 0.1], [1.0, 1.0]]
    feedback = [[Feedback.PLAY, Feedback.UP], [Feedback.SKIP, Feedback.SKIP], [Feedback.UP, Feedback.PLAY]]
    found = outcome(episodes(item=items, ratio=ratio, feedback=feedback), WORLD, PARAMS)
    heard = 2 * minutes_V[good] + 0.5 * minutes_V[empty]
    assert found.minutes[0] == pytest.approx(heard)
    assert found.nourishing[0] == pytest.approx(2 * minutes_V[good] / heard)
    assert found.shows[1] == pytest.approx(0.1 * minutes_V[show] / (minutes_V[good] + 0.1 * minutes_V[show]))
    months = 14 / 30
    np.testing.assert_allclose(found.new_artists, [1 / months, 1 / months], err_msg="skipped artists aren't met")
    share = np.array([2 * minutes_V[good], 0.5 * minutes_V[empty]]) / heard
    assert found.styles[0] == pytest.approx(np.exp(-(share * np.log(share)).sum()))


def test_small_artists_are_half_of_those_who_have_items() -> None:
    artist_V = np.array([0, 0, 2, 3, 5], np.int32)
    log_popularity_V = np.log(np.array([0.3, 0.3, 0.2, 0.15, 0.05], np.float32))
    np.testing.assert_array_equal(small_artists(artist_V, log_popularity_V), [False, False, False, True, False, True])


def test_listeners_are_followed_until_the_weeks_are_over_or_they_have_left() -> None:
    listeners = np.arange(40, dtype=np.int32)
    found = follow(jax.random.key(0), WORLD, PARAMS, policies.random, (), listeners)
    hours_U = np.where(found.is_there, found.info.hours, 0).sum(0)
    left_U = found.terminated.any(0)
    np.testing.assert_allclose(hours_U[~left_U], 2 * HOURS_PER_WEEK, rtol=1e-4)
    assert (hours_U[left_U] < 2 * HOURS_PER_WEEK).all()
    assert 0 < left_U.mean() < 1
    # Nobody comes back.
    assert (np.diff(found.is_there.astype(int), axis=0) <= 0).all()
    again = follow(jax.random.key(0), WORLD, PARAMS, policies.random, (), listeners)
    jax.tree.map(np.testing.assert_array_equal, found, again)


def test_who_else_is_followed_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    who = np.arange(13, dtype=np.int32)
    together = follow(jax.random.key(1), WORLD, PARAMS, policies.random, (), who)
    monkeypatch.setattr(long_term, "LANES", 4)
    in_turn = follow(jax.random.key(1), WORLD, PARAMS, policies.random, (), who)
    count_U = together.is_there.sum(0)
    np.testing.assert_array_equal(in_turn.is_there.sum(0), count_U)
    assert count_U.min() < count_U.max() - long_term.STEPS, "some make room for others"
    for one, same in zip(jax.tree.leaves(together[2:]), jax.tree.leaves(in_turn[2:]), strict=True):
        for user, count in enumerate(count_U):
            np.testing.assert_allclose(same[:count, user], one[:count, user], rtol=1e-5)
    cut = follow(jax.random.key(1), WORLD, PARAMS, policies.random, (), who, most_steps=long_term.STEPS)
    np.testing.assert_array_equal(cut.is_there.sum(0), np.minimum(count_U, long_term.STEPS))
    assert len(cut.is_there) == long_term.STEPS


def test_who_is_satisfied_by_everything_is_so_throughout() -> None:
    params = dataclasses.replace(PARAMS, nourishment=1e3, annoyance=0.0, innovation=0.0, leave=0.0)
    good = WORLD._replace(hidden=WORLD.hidden._replace(nourishment=jnp.ones_like(WORLD.hidden.nourishment)))
    found = outcome(
        follow(jax.random.key(0), good, params, policies.random, (), np.arange(8, dtype=np.int32)), good, params
    )
    np.testing.assert_allclose(found.total_satisfaction, 2.0, atol=1e-3)
    assert found.stays.all()


def test_what_is_left_early_is_told_by_what_a_session_is_for() -> None:
    skip, play, down = int(Feedback.SKIP), int(Feedback.PLAY), int(Feedback.DOWN)
    found = outcome(
        episodes(feedback=[[skip, down], [play, play], [skip, skip]], intent=[[0, 2], [0, 2], [1, 3]]), WORLD, PARAMS
    )
    np.testing.assert_array_equal(found.left_early[0], [0.5, 1, np.nan, np.nan])
    # The third step of the second listener was never taken.
    np.testing.assert_array_equal(found.left_early[1], [np.nan, np.nan, 0.5, np.nan])


def test_each_listener_is_of_one_kind_of_each_pair() -> None:
    kinds = kinds_of_listeners(WORLD.listeners)
    for kind, other in zip(list(kinds)[::2], list(kinds)[1::2], strict=True):
        np.testing.assert_array_equal(kinds[kind], ~kinds[other])
    np.testing.assert_array_equal(kinds["hears shows"], WORLD.listeners.is_show_user)
    assert kinds["patient"].sum() == 20
    assert WORLD.listeners.patience[kinds["patient"]].min() > WORLD.listeners.patience[kinds["impatient"]].max()
