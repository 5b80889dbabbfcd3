"""Which artists users begin to follow: pairs to be told apart."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Int64

from urep_jax.data.labelled_pairs import LabelledPairs
from urep_jax.data.others import with_others
from urep_jax.data.ragged import ranges


class Follows(NamedTuple):
    """Who follows whom since when, in any order; of several tellings the earliest counts.

    Attributes:
        user: the log's number of each user.
        artist: the artist's number.
        time: seconds since 1970, UTC.
    """

    user: Int64[np.ndarray, "W"]
    artist: Int64[np.ndarray, "W"]
    time: Int64[np.ndarray, "W"]


def follow_pairs(
    follows: Follows,
    user: Int[np.ndarray, "N"],
    time: Int64[np.ndarray, "N"],
    seconds: int,
    rng: np.random.Generator,
    *,
    most: int = 50,
) -> LabelledPairs:
    """Artists whom users begin to follow in the `seconds` from a moment on, and as many whom they don't follow by then.

    Args:
        follows: who follows whom.
        user: numbers of users.
        time: from when on, for each of them; seconds since 1970, UTC.
        seconds: for how long, at least 1.
        rng: draws negatives, and artists of users who have more than `most`.
        most: artists of a user that are asked about, at least 1.

    Returns:
        Pairs of rows of `user` and of artists; negatives are drawn uniformly from the artists whom anybody asked about
        here begins to follow in that time.

    Source:
        Generalized User Representations, §4.1 and §5.2.2.

    Raises:
        ValueError: if a number is out of range.
    """
    if seconds < 1:
        raise ValueError(f"seconds is {seconds}, but must be at least 1")
    first = _first(follows)
    start_N, stop_N = np.searchsorted(first.user, user), np.searchsorted(first.user, user, side="right")
    row_W = np.repeat(np.arange(len(user)), stop_N - start_N)
    told_W = ranges(start_N, stop_N)
    since_W, artist_W = first.time[told_W] - time[row_W], first.artist[told_W]
    # Whom they follow already is no negative, and nothing to be asked about.
    by_then_W = since_W < seconds
    return with_others(row_W[by_then_W], artist_W[by_then_W], len(user), rng, most=most, asked=since_W[by_then_W] >= 0)


def _first(follows: Follows) -> Follows:
    """Each user and artist once, since the earliest time, by user."""
    order = np.lexsort((follows.time, follows.artist, follows.user))
    user, artist, time = (column[order] for column in follows)
    is_first = np.ones(len(user), bool)
    is_first[1:] = (user[1:] != user[:-1]) | (artist[1:] != artist[:-1])
    return Follows(user[is_first], artist[is_first], time[is_first])
