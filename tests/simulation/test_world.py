"""The log of a world: seeds, traces, layout of the work, rules of the radio."""

import dataclasses
import itertools

import numpy as np
import pytest

from tests.simulation.worlds import SMALL
from urep_jax.core.types import Feedback
from urep_jax.simulation import RadioLog, simulate, world


@pytest.fixture(scope="module")
def log() -> RadioLog:
    return simulate(SMALL, seed=0)


def _assert_same(a: RadioLog, b: RadioLog) -> None:
    for name, x, y in zip(RadioLog._fields, a, b, strict=True):
        np.testing.assert_array_equal(x, y, err_msg=name)


def _histories(log: RadioLog) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Track, station and feedback of each listener, in order of time."""
    return [
        (log.track[first:last], log.station[first:last], log.feedback[first:last])
        for first, last in itertools.pairwise(log.offsets)
    ]


def test_same_seed_same_log(log):
    _assert_same(log, simulate(SMALL, seed=0))


def test_other_seed_other_log(log):
    other = simulate(SMALL, seed=1)
    assert len(other.track) != len(log.track) or (other.track != log.track).any()


def test_more_listeners_and_other_lanes_leave_a_listeners_log_untouched(log):
    more = simulate(dataclasses.replace(SMALL, num_listeners=70), seed=0, lanes=24)
    num_listeners = SMALL.num_listeners
    end = more.offsets[num_listeners]
    first = RadioLog(more.offsets[: num_listeners + 1], *(column[:end] for column in more[1:]))
    _assert_same(log, first)


def test_seeds_and_larger_worlds_share_one_trace():
    simulate(SMALL, seed=2, lanes=24)
    once = world._advance._cache_size()
    simulate(SMALL, seed=3, lanes=24)
    simulate(dataclasses.replace(SMALL, num_listeners=70, start=0), seed=3, lanes=24)
    assert world._advance._cache_size() == once


def test_columns_belong_together(log):
    assert log.offsets.shape == (SMALL.num_listeners + 1,)
    assert log.offsets[0] == 0
    for column in log[1:]:
        assert column.shape == (log.offsets[-1],)
    assert log.track.min() >= 0
    assert log.track.max() < SMALL.num_tracks
    assert set(np.unique(log.feedback)) <= set(Feedback) - {Feedback.NONE}
    assert np.diff(log.offsets).max() <= SMALL.max_events
    np.testing.assert_array_equal(np.bincount(log.listener, minlength=SMALL.num_listeners), np.diff(log.offsets))


def test_times_rise_and_stay_in_the_window(log):
    is_same_listener = np.diff(log.listener) == 0
    assert (np.diff(log.timestamp)[is_same_listener] > 0).all()
    assert log.timestamp.min() >= SMALL.start
    assert log.timestamp.max() < SMALL.end


def test_stations_play_their_own_tracks(log):
    tracks_RxM = np.asarray(world.make_world(SMALL, 0).catalogue.station_tracks)
    assert (tracks_RxM[log.station] == log.track[:, None]).any(1).all()


def test_a_thumb_is_given_once_and_a_down_is_never_played_again(log):
    ups = downs = heard_after_up = 0
    for history in _histories(log):
        thumbed: dict[tuple[int, int], int] = {}
        for track, station, feedback in zip(*history, strict=True):
            earlier = thumbed.get((track, station))
            assert earlier != Feedback.DOWN, "a track was played again on the station where it was thumbed down"
            if feedback in (Feedback.UP, Feedback.DOWN):
                assert earlier is None, "a track was thumbed twice on one station"
                thumbed[track, station] = feedback
            heard_after_up += earlier == Feedback.UP
            ups, downs = ups + (feedback == Feedback.UP), downs + (feedback == Feedback.DOWN)
    assert min(ups, downs, heard_after_up) > 50, "too few events for this test to mean anything"


def test_no_track_follows_itself_on_a_station(log):
    for track, station, _ in _histories(log):
        for number in np.unique(station):
            on_station = track[station == number]
            assert (on_station[1:] != on_station[:-1]).all()


def test_played_ratio_tells_who_left(log):
    is_left = np.isin(log.feedback, [Feedback.SKIP, Feedback.DOWN])
    assert (log.played_ratio[~is_left] == 1).all()
    assert (log.played_ratio[is_left] < 1).all()
    assert (log.played_ratio >= 0).all()
