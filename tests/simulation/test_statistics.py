"""The default world against real logs, the controls that must come out null, and the statistics themselves."""

import dataclasses

import numpy as np

from tests.simulation.worlds import SMALL
from urep_jax.core.types import Feedback
from urep_jax.simulation import RadioLog, RadioParams, make_world, simulate
from urep_jax.simulation.statistics import listener_auc, radio_statistics

BANDS = {
    "ups_per_down": (3.4, 4.6),  # Table 1: 4
    "skips_per_down": (11.5, 15.0),  # Table 1: 13
    "share_no_up": (0.29, 0.35),  # §2: 0.32
    "share_play": (0.35, 0.5),
    "median_length": (200, 300),  # Table 1: 289
    "length_skew": (1.2, 2.0),  # §2: skewed towards short
    "log_length_spread": (0.9, 1.2),  # MovieLens-1M: 0.99
    "median_lookback_days": (245, 295),  # Table 1: 9 months
    "mostly_skip_share": (0.2, 0.4),  # Fig. 4: a crowd of mostly-skip users
    "oracle_auc": (0.80, 0.88),
    "like_rate_spread": (0.7, 1.0),  # MovieLens-1M: 0.86
    "popularity_correlation": (0.4, 0.65),  # MovieLens-1M: 0.52
    "popularity_gini": (0.55, 0.69),  # MovieLens-1M: 0.60, Million Playlist Dataset: 0.64
    "down_like_rate": (0.55, 0.8),  # §4: downs are thumbed up by many others
    "contradictions": (0.03, 0.2),  # §1: up on one station, down on another
    "tested_share": (0.25, 1.0),
}


def test_default_world_looks_like_real_logs():
    for seed in range(3):
        statistics = dataclasses.asdict(radio_statistics(simulate(RadioParams(), seed)))
        outside = {name: statistics[name] for name, (low, high) in BANDS.items() if not low <= statistics[name] <= high}
        assert not outside, f"seed {seed}, outside their bands: {outside}"
        low, _, middle, _, high = statistics["positive_share"]
        assert low < 0.06
        assert 0.1 < middle < 0.25
        assert high > 0.65


def test_without_response_affinity_tells_nothing():
    """The null control: feedback is independent of taste, appeal, popularity and repetition."""
    params = dataclasses.replace(RadioParams(), num_listeners=1_000, response=0.0)
    log = simulate(params, 0)
    statistics = radio_statistics(log)
    assert statistics.oracle_auc_error < 0.02
    assert abs(statistics.oracle_auc - 0.5) < 4 * statistics.oracle_auc_error
    assert statistics.like_rate_spread < 0.25
    is_thumb = np.isin(log.feedback, [Feedback.UP, Feedback.DOWN])
    up_T = log.feedback[is_thumb] == Feedback.UP
    popularity = np.log(np.asarray(make_world(params, 0).catalogue.popularity))[log.track[is_thumb]]
    # Within listeners: how often somebody presses which button differs between them, and they keep different stations.
    listener_T = log.listener[is_thumb]
    mean_U = np.bincount(listener_T, up_T) / np.maximum(np.bincount(listener_T), 1)
    residual_T = up_T - mean_U[listener_T]
    assert abs(np.corrcoef(residual_T, popularity)[0, 1]) < 4 / np.sqrt(len(up_T))


def test_random_downs_are_uniform_and_nothing_else_changes():
    log, control = simulate(SMALL, 0), simulate(dataclasses.replace(SMALL, random_downs=True), 0)
    is_left = np.isin(control.feedback, [Feedback.SKIP, Feedback.DOWN])
    for name in ("offsets", "station", "timestamp", "feedback", "played_ratio"):
        np.testing.assert_array_equal(getattr(control, name), getattr(log, name), err_msg=name)
    np.testing.assert_array_equal(control.track[~is_left], log.track[~is_left])
    np.testing.assert_array_equal(control.affinity[~is_left], log.affinity[~is_left])
    counts_V = np.bincount(control.track[is_left], minlength=SMALL.num_tracks)
    expected, degrees = counts_V.mean(), SMALL.num_tracks - 1
    chi_square = ((counts_V - expected) ** 2 / expected).sum()
    assert abs(chi_square - degrees) < 4 * np.sqrt(2 * degrees)


def _log(rows: list[tuple[int, int, int, Feedback, float]]) -> RadioLog:
    """A log from rows of listener, station, track, feedback, affinity."""
    listener, station, track, feedback, affinity = (np.array(column) for column in zip(*rows, strict=True))
    return RadioLog(
        offsets=np.concatenate([[0], np.cumsum(np.bincount(listener))]),
        track=track,
        station=station,
        timestamp=86_400 * np.arange(len(rows)),
        feedback=feedback.astype(np.int8),
        played_ratio=np.ones(len(rows), np.float32),
        affinity=affinity.astype(np.float32),
    )


def test_auc_is_the_share_of_correct_pairs():
    """Against counting all pairs, with ties, several stations, and listeners without a pair."""
    rng = np.random.default_rng(0)
    feedbacks = [Feedback.UP, Feedback.DOWN, Feedback.SKIP]
    rows = sorted(
        (int(rng.integers(9)), int(rng.integers(3)), i, feedbacks[rng.integers(3)], float(rng.integers(4)))
        for i in range(120)
    )
    rows.append((9, 0, 120, Feedback.UP, 1.0))
    expected = []
    for listener in range(10):
        pairs = [
            (up[4] > down[4]) + 0.5 * (up[4] == down[4])
            for up in rows
            for down in rows
            if up[0] == down[0] == listener and up[1] == down[1] and (up[3], down[3]) == (Feedback.UP, Feedback.DOWN)
        ]
        expected.append(np.mean(pairs) if pairs else np.nan)
    np.testing.assert_allclose(listener_auc(_log(rows)), expected)


def test_statistics_of_a_log_written_by_hand():
    up, down, skip, play = Feedback.UP, Feedback.DOWN, Feedback.SKIP, Feedback.PLAY
    track_0 = [(u, 0, 0, up if u < 15 else down, 1.0) for u in range(20)]
    track_1 = [(u, 0, 1, up if u < 10 else down, 0.0) for u in range(20)]
    extra = [(0, 1, 0, down, 0.0), (0, 1, 2, skip, 0.0), (0, 1, 3, play, 0.0), (20, 0, 2, skip, 0.0)]
    statistics = radio_statistics(_log(sorted(track_0 + track_1 + extra)))
    assert statistics.share_no_up == 1 / 2  # two listeners skipped, one of them without any up
    assert statistics.ups_per_down == 25 / 6  # the five that only gave downs are no raters
    assert statistics.thumbed_twice == 1 / 21
    assert statistics.contradictions == 1
    assert statistics.share_play == 1 / 44
    assert statistics.longest == 4
