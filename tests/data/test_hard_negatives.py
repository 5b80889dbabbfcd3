"""The ladder of hard negatives keeps its rules, and its choices are as random as it says."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.logs import row_seeds
from urep_jax.core.types import Feedback
from urep_jax.data.hard_negatives import Rung, draw_hard_negatives

U, D, S, N = Feedback.UP, Feedback.DOWN, Feedback.SKIP, Feedback.NONE


def draw(
    seed: int,
    feedback: list,
    day: list,
    station: list,
    position: list,
    wanted: list | None = None,
    item: list | None = None,
) -> tuple:
    """One row's draw; the events are of different items unless these are told."""
    wanted = [True] * len(position) if wanted is None else wanted
    item = list(range(len(feedback))) if item is None else item
    events = (np.array([item], np.int32), np.array([feedback], np.int8))
    when_and_where = (np.array([day], np.int32), np.array([station], np.int32))
    column, rung = draw_hard_negatives(
        row_seeds(seed, 1), *events, *when_and_where, np.array([position], np.int32), np.array([wanted], bool)
    )
    return column[0].tolist(), rung[0].tolist()


def rung_of(feedback: list, day: list, station: list, position: int, event: int) -> Rung:
    """The rung of an event for a position, straight from the paper's words."""
    down = feedback[event] == D
    if day[event] == day[position] and station[event] == station[position]:
        return Rung.SAME_DAY_DOWN if down else Rung.SAME_DAY_SKIP
    if event > position:
        return Rung.FUTURE_DOWN if down else Rung.FUTURE_SKIP
    return Rung.RANDOM


def test_each_rung_is_taken_before_the_next() -> None:
    #          0  1  2  3  4  5
    feedback = [D, S, U, S, D, U]
    assert draw(0, feedback, [0, 0, 0, 1, 1, 1], [7] * 6, [2]) == ([0], [Rung.SAME_DAY_DOWN])
    assert draw(0, feedback, [9, 0, 0, 1, 1, 1], [7] * 6, [2]) == ([1], [Rung.SAME_DAY_SKIP])
    assert draw(0, feedback, [9, 9, 0, 1, 1, 1], [7] * 6, [2]) == ([4], [Rung.FUTURE_DOWN])
    assert draw(0, [D, S, U, S, U, U], [9, 9, 0, 1, 1, 1], [7] * 6, [2]) == ([3], [Rung.FUTURE_SKIP])
    assert draw(0, [D, S, U, U, U, U], [9, 9, 0, 1, 1, 1], [7] * 6, [2]) == ([-1], [Rung.RANDOM])


def test_another_station_is_no_same_day_rung_but_may_lie_in_the_future() -> None:
    assert draw(0, [D, U], [0, 0], [1, 2], [1]) == ([-1], [Rung.RANDOM])
    assert draw(0, [U, D], [0, 0], [1, 2], [0]) == ([1], [Rung.FUTURE_DOWN])


def test_a_liked_song_that_is_skipped_another_time_is_no_negative_of_its_own() -> None:
    assert draw(0, [S, U], [0, 0], [7, 7], [1], item=[5, 5]) == ([-1], [Rung.RANDOM])
    assert draw(0, [S, U, S], [0, 0, 3], [7, 7, 7], [1], item=[5, 5, 6]) == ([2], [Rung.FUTURE_SKIP])


@given(st.data())
def test_rules_hold_for_any_sequence(data: st.DataObject) -> None:
    width = data.draw(st.integers(1, 14))
    column = st.lists(st.sampled_from([N, U, D, S]), min_size=width, max_size=width)
    feedback = data.draw(column)
    day = sorted(data.draw(st.lists(st.integers(0, 3), min_size=width, max_size=width)))
    station = data.draw(st.lists(st.integers(0, 1), min_size=width, max_size=width))
    position = [*[i for i in range(width) if feedback[i] == U][:6], 0]
    wanted = [feedback[p] == U and data.draw(st.booleans()) for p in position]
    item = data.draw(st.lists(st.integers(0, 9), min_size=width, max_size=width))
    got, rungs = draw(data.draw(st.integers(0, 99)), feedback, day, station, position, wanted, item)

    used = [event for event in got if event >= 0]
    assert len(used) == len(set(used)), "an event serves at most one position"
    for p, want, event, rung in zip(position, wanted, got, rungs, strict=True):
        assert want or event == -1
        if event >= 0:
            assert feedback[event] in (D, S)
            assert item[event] != item[p]
            assert rung == rung_of(feedback, day, station, p, event)
        else:
            assert rung == Rung.RANDOM
        if want:
            # What is free at the end was free at the position's turn.
            free = [e for e in range(width) if feedback[e] in (D, S) and e not in used and item[e] != item[p]]
            assert all(rung_of(feedback, day, station, p, e) >= rung for e in free)


def test_the_choice_within_a_rung_is_uniform() -> None:
    feedback = np.tile(np.array([D, D, D, U], np.int8), (6000, 1))
    zeros = np.zeros_like(feedback, np.int32)
    item = zeros + np.arange(4, dtype=np.int32)
    position, wanted = np.full((6000, 1), 3, np.int32), np.ones((6000, 1), bool)
    column, _ = draw_hard_negatives(row_seeds(0, 6000), item, feedback, zeros, zeros, position, wanted)
    counts = np.bincount(column[:, 0], minlength=3)
    # Binomial(6000, 1/3) has a standard deviation of 37; four of them.
    np.testing.assert_allclose(counts, 2000, atol=150)


def test_positions_are_served_in_random_order() -> None:
    feedback = np.tile(np.array([D, U, U], np.int8), (6000, 1))
    zeros = np.zeros_like(feedback, np.int32)
    item = zeros + np.arange(3, dtype=np.int32)
    position, wanted = np.tile(np.array([1, 2], np.int32), (6000, 1)), np.ones((6000, 2), bool)
    column, _ = draw_hard_negatives(row_seeds(0, 6000), item, feedback, zeros, zeros, position, wanted)
    assert ((column >= 0).sum(1) == 1).all()
    np.testing.assert_allclose((column[:, 0] == 0).sum(), 3000, atol=160)
