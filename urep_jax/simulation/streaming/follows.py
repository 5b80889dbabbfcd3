"""Which artists users follow, and since when."""

import itertools
from typing import NamedTuple, TypeVar

import jax
import numpy as np
from jaxtyping import Int32, Int64

from urep_jax.core.streams import numpy_stream
from urep_jax.core.types import Feedback
from urep_jax.simulation.streaming.catalogue import StreamingCatalogue
from urep_jax.simulation.streaming.params import StreamingParams
from urep_jax.simulation.streaming.world import StreamingLog

Number = TypeVar("Number", np.ndarray, jax.Array)


class Follows(NamedTuple):
    """The first time that a user follows an artist, by user and time.

    Attributes:
        user: who follows.
        artist: whom.
        timestamp: since when, seconds since 1970, UTC: the end of the play that led to it.
    """

    user: Int32[np.ndarray, "X"]
    artist: Int32[np.ndarray, "X"]
    timestamp: Int64[np.ndarray, "X"]


def follow_log_odds(params: StreamingParams, affinity: Number) -> Number:
    """Log odds that a play, not a skip, makes its user follow the artist: `follow + response follow_slope a`.

    Args:
        params: the world's parameters.
        affinity: of what is played, NumPy's or JAX's.
    """
    return params.follow + params.response * params.follow_slope * affinity


def make_follows(params: StreamingParams, catalogue: StreamingCatalogue, log: StreamingLog, seed: int) -> Follows:
    """Draw who follows whom: after a play, not a skip, with the log odds of `follow_log_odds`.

    Args:
        params: the world's parameters.
        catalogue: the world's catalogue.
        log: the world's log.
        seed: the world's seed, at least 0. A user's draws hang on it and on the user's number alone.
    """
    uniform_E = np.empty(len(log.item))
    for user, (first, last) in enumerate(itertools.pairwise(log.offsets)):
        uniform_E[first:last] = numpy_stream(seed, "streaming.follow", user).random(last - first)
    log_odds_E = follow_log_odds(params, log.affinity)
    is_led_E = (uniform_E * (1 + np.exp(-log_odds_E)) < 1) & (log.item < params.num_tracks)
    is_led_E &= log.feedback != Feedback.SKIP
    led = np.flatnonzero(is_led_E)
    user_X, artist_X = log.user[led], np.asarray(catalogue.tracks.track_artist)[log.item[led]]
    # The log is sorted by user and time, and `unique` tells the first of each pair.
    _, first_X = np.unique(user_X.astype(np.int64) * params.num_artists + artist_X, return_index=True)
    kept = np.sort(first_X)
    return Follows(user_X[kept], artist_X[kept], log.timestamp[led[kept]])
