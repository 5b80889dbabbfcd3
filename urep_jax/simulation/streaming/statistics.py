"""What a streaming log looks like, in the numbers known of real logs. Parameters are settled by these alone."""

import dataclasses

import numpy as np
from jaxtyping import Int64, Shaped

from urep_jax.core.types import Feedback
from urep_jax.simulation.streaming.playlists import Playlists
from urep_jax.simulation.streaming.world import StreamingLog

PAUSE = 1_800
"""Seconds without an event that part two sessions."""

MIN_PAUSES = 5
"""Pauses that a user needs before their spread is read."""

FIRST_HOURS = 4
"""Hours after registration on which new users are judged (§5.1.1)."""


@dataclasses.dataclass(frozen=True)
class StreamingStatistics:
    """Statistics of a log.

    Attributes:
        skip_share: skips among all events. Table 1: 0.47, over sessions of all kinds.
        like_share: ups among all events. No number is published.
        gap_spread: standard deviation of the log of a user's pauses of half an hour or more, about the user's mean.
            MovieTweetings: 1.45.
        popularity_gini: Gini coefficient of the plays of tracks that were heard at all. MovieLens-1M: 0.60, Million
            Playlist Dataset: 0.64.
        median_session: median events between two pauses of half an hour. Table 1: 9.
        soon: share of those who registered within the window that have an event in the 4 hours after. No number is
            published.
    """

    skip_share: float
    like_share: float
    gap_spread: float
    popularity_gini: float
    median_session: float
    soon: float


@dataclasses.dataclass(frozen=True)
class PlaylistStatistics:
    """Statistics of playlists; all are measured on the Million Playlist Dataset.

    Attributes:
        median_length: median tracks of a playlist: 87.
        log_length_spread: standard deviation of the log of lengths: 0.85.
        popularity_gini: Gini coefficient of the occurrences of tracks: 0.28 over the 2,500 most frequent tracks, which
            are the heads of a far larger catalogue, 0.53 over tracks that occur five times or more, 0.64 over all.
        same_artist: probability that two tracks of a playlist are by one artist: 0.020 over the 2,500 most frequent.
        artists_per_track: median over playlists of ten tracks or more of different artists over tracks: 0.74 over the
            2,500 most frequent.
    """

    median_length: float
    log_length_spread: float
    popularity_gini: float
    same_artist: float
    artists_per_track: float


def streaming_statistics(
    log: StreamingLog, registered_at: Int64[np.ndarray, "U"], start: int, num_tracks: int
) -> StreamingStatistics:
    """Describe a log.

    Args:
        log: a simulated log.
        registered_at: when each user registered, seconds since 1970, UTC.
        start: first second of the window; who registered before it is no new user.
        num_tracks: tracks of the catalogue; items from there on are shows.
    """
    user_E = log.user
    is_same = np.diff(user_E) == 0
    gap = np.diff(log.timestamp)
    is_pause = is_same & (gap > PAUSE)
    log_gap, owner = np.log(gap[is_pause]), user_E[1:][is_pause]
    count_U = np.bincount(owner, minlength=len(registered_at))
    mean_U = np.bincount(owner, log_gap, len(registered_at)) / np.maximum(count_U, 1)
    is_read = count_U[owner] >= MIN_PAUSES
    degrees = is_read.sum() - (count_U >= MIN_PAUSES).sum()
    squares = ((log_gap - mean_U[owner])[is_read] ** 2).sum()
    session_E = np.concatenate([[0], np.cumsum(~is_same | is_pause)])
    hours_E = (log.timestamp - registered_at[user_E]) / 3_600
    is_new_U = registered_at >= start
    is_soon_U = np.bincount(user_E, hours_E < FIRST_HOURS, len(registered_at)) > 0
    return StreamingStatistics(
        skip_share=float((log.feedback == Feedback.SKIP).mean()),
        like_share=float((log.feedback == Feedback.UP).mean()),
        gap_spread=float(np.sqrt(squares / max(degrees, 1))),
        popularity_gini=gini(log.item[log.item < num_tracks]),
        median_session=float(np.median(np.bincount(session_E))),
        soon=float(is_soon_U[is_new_U].mean()),
    )


def playlist_statistics(playlists: Playlists, track_artist: Shaped[np.ndarray, "V"]) -> PlaylistStatistics:
    """Describe playlists.

    Args:
        playlists: simulated playlists.
        track_artist: the artist of each track.
    """
    length_P = np.diff(playlists.offsets)
    playlist_X = np.repeat(np.arange(len(length_P)), length_P)
    pairs, count = np.unique(np.stack([playlist_X, track_artist[playlists.track]]), axis=1, return_counts=True)
    artists_P = np.bincount(pairs[0], minlength=len(length_P))
    is_long_P = length_P >= 10
    return PlaylistStatistics(
        median_length=float(np.median(length_P)),
        log_length_spread=float(np.log(length_P).std()),
        popularity_gini=gini(playlists.track),
        same_artist=float((count * (count - 1)).sum() / (length_P * (length_P - 1)).sum()),
        artists_per_track=float(np.median(artists_P[is_long_P] / length_P[is_long_P])),
    )


def gini(items: Shaped[np.ndarray, "E"]) -> float:
    """Gini coefficient of how often each item occurs, over those that occur: 0 if all do alike, near 1 if one does."""
    counts = np.sort(np.bincount(items))
    counts = counts[counts > 0]
    lorenz = np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])
    return float(1 - np.sum(lorenz[1:] + lorenz[:-1]) / len(counts))
