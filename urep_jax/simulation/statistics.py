"""What a radio's log looks like, in the numbers that are known of real logs. Parameters are settled by these alone."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float64, Int64

from urep_jax.core.types import SECONDS_PER_DAY, Feedback
from urep_jax.simulation.world import RadioLog

CROP = 400
"""Longest sequence in the paper (Table 1, maximal sequence length)."""

MIN_THUMBS = 20
"""Thumbs that a track needs before its share of ups is read."""


@dataclasses.dataclass(frozen=True)
class RadioStatistics:
    """Statistics of a log; `play` events count only where that is said. "Raters" are listeners with at least one up.

    Attributes:
        ups_per_down: ups for each down, over raters (Table 1: 4).
        skips_per_down: skips for each down, over raters (Table 1: 13).
        share_no_up: share of listeners with skips who have no up (§2: 0.32).
        share_play: share of all events that are plays.
        median_length: median feedback events of raters, cropped at 400 (Table 1: 289).
        longest: most feedback events of one listener, not cropped.
        log_length_spread: standard deviation of the log of raters' feedback events, not cropped.
        length_skew: mean over median of raters' feedback events, not cropped; above 1: skewed towards short.
        median_lookback_days: median days from the first to the last of a rater's latest 400 feedback events (Table 1:
            9 months).
        positive_share: 5, 25, 50, 75 and 95 % quantiles over raters of ups among their feedback events (Fig. 4).
        mostly_skip_share: share of raters whose ups are less than a tenth of their feedback events (Fig. 4).
        oracle_auc: AUC of true affinity on ups against downs of one listener on one station, averaged over listeners.
        oracle_auc_error: its standard error, over listeners.
        like_rate_spread: standard deviation over tracks of ups among thumbs, binomial noise taken away, in log odds
            (divided by p (1 - p)). MovieLens-1M: 0.86.
        popularity_correlation: correlation over tracks of log odds of ups and log number of thumbs, weighted by thumbs.
            MovieLens-1M: 0.52.
        popularity_gini: Gini coefficient of the events of tracks that were heard at all. MovieLens-1M: 0.60, Million
            Playlist
            Dataset: 0.64.
        down_like_rate: over downs, the mean share of ups among all other listeners' thumbs for that track. Above one
            half: tracks that are down for one are up for most others (§4).
        thumbed_twice: listeners' tracks that were thumbed on two stations or more, per listener.
        contradictions: share of those that were up on one and down on another (§1).
        tested_share: share of raters with an up and a down on one station in the last 30 days.
    """

    ups_per_down: float
    skips_per_down: float
    share_no_up: float
    share_play: float
    median_length: float
    longest: int
    log_length_spread: float
    length_skew: float
    median_lookback_days: float
    positive_share: tuple[float, ...]
    mostly_skip_share: float
    oracle_auc: float
    oracle_auc_error: float
    like_rate_spread: float
    popularity_correlation: float
    popularity_gini: float
    down_like_rate: float
    thumbed_twice: float
    contradictions: float
    tested_share: float


def radio_statistics(log: RadioLog) -> RadioStatistics:
    """The statistics of a log that has ups, downs and skips.

    Args:
        log: a simulated log, as `simulate` gives it.
    """
    num_listeners = len(log.offsets) - 1
    listener_E = log.listener
    up_E, down_E, skip_E = (log.feedback == code for code in (Feedback.UP, Feedback.DOWN, Feedback.SKIP))
    ups_U, downs_U, skips_U = (_count(listener_E[is_E], num_listeners) for is_E in (up_E, down_E, skip_E))
    lengths_U = ups_U + downs_U + skips_U
    rater_U = ups_U > 0
    share_up_U = ups_U[rater_U] / lengths_U[rater_U]
    lengths = lengths_U[rater_U]

    auc_U = listener_auc(log)
    auc = auc_U[np.isfinite(auc_U)]
    late = log.timestamp >= log.timestamp.max() - 30 * SECONDS_PER_DAY
    tested = np.isfinite(listener_auc(log, late))
    thumbed_twice, contradictions = _second_thoughts(log)
    spread, correlation, down_like_rate = _like_rates(log)
    return RadioStatistics(
        ups_per_down=float(ups_U[rater_U].sum() / downs_U[rater_U].sum()),
        skips_per_down=float(skips_U[rater_U].sum() / downs_U[rater_U].sum()),
        share_no_up=float(((ups_U == 0) & (skips_U > 0)).sum() / (skips_U > 0).sum()),
        share_play=float((log.feedback == Feedback.PLAY).mean()),
        median_length=float(np.median(np.minimum(lengths, CROP))),
        longest=int(lengths_U.max()),
        log_length_spread=float(np.log(lengths).std()),
        length_skew=float(lengths.mean() / np.median(lengths)),
        median_lookback_days=float(np.median(_lookback(log)[rater_U])),
        positive_share=tuple(float(q) for q in np.quantile(share_up_U, [0.05, 0.25, 0.5, 0.75, 0.95])),
        mostly_skip_share=float((share_up_U < 0.1).mean()),
        oracle_auc=float(auc.mean()),
        oracle_auc_error=float(auc.std() / np.sqrt(len(auc))),
        like_rate_spread=spread,
        popularity_correlation=correlation,
        popularity_gini=_gini(_count(log.track, log.track.max() + 1)),
        down_like_rate=down_like_rate,
        thumbed_twice=thumbed_twice,
        contradictions=contradictions,
        tested_share=float((tested & rater_U).sum() / rater_U.sum()),
    )


def listener_auc(log: RadioLog, where: Bool[np.ndarray, "E"] | None = None) -> Float64[np.ndarray, "U"]:
    """Each listener's probability that true affinity puts an up above a down of the same station; ties count half.

    Args:
        log: a simulated log.
        where: the events to look at; all if not given.

    Returns:
        Correct pairs over pairs, all stations of the listener together; NaN for listeners without a pair.
    """
    is_thumb = (log.feedback == Feedback.UP) | (log.feedback == Feedback.DOWN)
    if where is not None:
        is_thumb &= where
    listener_T, station_T, a_T = log.listener[is_thumb], log.station[is_thumb], log.affinity[is_thumb]
    up_T = log.feedback[is_thumb] == Feedback.UP
    _, group_T = np.unique(np.stack([listener_T, station_T]), axis=1, return_inverse=True)
    correct_T = np.zeros(len(a_T))
    # Downs below each up: once with ties in the up's favour, once against it.
    for tie_break in (up_T, ~up_T):
        order = np.lexsort((tie_break, a_T, group_T))
        downs_before = np.cumsum(~up_T[order])
        first = np.searchsorted(group_T[order], group_T[order], side="left")
        correct_T[order] += (downs_before - np.concatenate([[0], downs_before])[first]) / 2
    num_listeners = len(log.offsets) - 1
    correct_U = np.bincount(listener_T[up_T], correct_T[up_T], num_listeners)
    downs_in_group_T = np.bincount(group_T, ~up_T)[group_T] if len(a_T) else np.zeros(0)
    pairs_U = np.bincount(listener_T[up_T], downs_in_group_T[up_T], num_listeners)
    return np.divide(correct_U, pairs_U, out=np.full(num_listeners, np.nan), where=pairs_U > 0)


def _like_rates(log: RadioLog) -> tuple[float, float, float]:
    """Spread of tracks' log odds of an up, its correlation with popularity, and what others think of downs."""
    num_tracks = int(log.track.max()) + 1
    ups_V = _count(log.track[log.feedback == Feedback.UP], num_tracks)
    downs_V = _count(log.track[log.feedback == Feedback.DOWN], num_tracks)
    thumbs_V = ups_V + downs_V
    others = np.sum(downs_V * ups_V / np.maximum(thumbs_V - 1, 1)) / downs_V.sum()
    is_known = thumbs_V >= MIN_THUMBS
    n, k = thumbs_V[is_known], ups_V[is_known]
    p = k / n
    variance = p.var() - np.mean(p * (1 - p) / (n - 1))
    mean = p.mean()
    log_odds, log_n = np.log((k + 0.5) / (n - k + 0.5)), np.log(n)
    covariance = np.cov(log_odds, log_n, aweights=n)
    correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    return float(np.sqrt(max(variance, 0.0)) / (mean * (1 - mean))), float(correlation), float(others)


def _second_thoughts(log: RadioLog) -> tuple[float, float]:
    """Tracks that a listener thumbed on several stations: how many per listener, and the share of contradictions."""
    is_thumb = (log.feedback == Feedback.UP) | (log.feedback == Feedback.DOWN)
    _, pair_T = np.unique(np.stack([log.listener[is_thumb], log.track[is_thumb]]), axis=1, return_inverse=True)
    thumbs_P = np.bincount(pair_T)
    ups_P = np.bincount(pair_T, log.feedback[is_thumb] == Feedback.UP)
    twice = thumbs_P > 1
    contradicted = twice & (ups_P > 0) & (ups_P < thumbs_P)
    return float(twice.sum() / (len(log.offsets) - 1)), float(contradicted.sum() / max(twice.sum(), 1))


def _lookback(log: RadioLog) -> Float64[np.ndarray, "U"]:
    """Days from the first to the last of each listener's latest `CROP` feedback events; 0 where there are none."""
    is_feedback = log.feedback != Feedback.PLAY
    time_F = log.timestamp[is_feedback]
    ends_U = np.cumsum(_count(log.listener[is_feedback], len(log.offsets) - 1))
    starts_U = np.maximum(np.concatenate([[0], ends_U[:-1]]), ends_U - CROP)
    is_any = ends_U > starts_U
    days_U = np.zeros(len(ends_U))
    days_U[is_any] = (time_F[ends_U[is_any] - 1] - time_F[starts_U[is_any]]) / SECONDS_PER_DAY
    return days_U


def _gini(counts: Int64[np.ndarray, "V"]) -> float:
    counts = np.sort(counts[counts > 0])
    lorenz = np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])
    return float(1 - np.sum(lorenz[1:] + lorenz[:-1]) / len(counts))


def _count(index: np.ndarray, length: int | np.integer) -> Int64[np.ndarray, "_"]:
    return np.bincount(index, minlength=int(length))
