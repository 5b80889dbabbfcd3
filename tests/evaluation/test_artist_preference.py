"""Whom users begin to follow: who is asked about, and who can't be a negative."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from urep_jax.evaluation.artist_preference import Follows, follow_pairs

ARTISTS, USERS = 12, 9


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 1000), seconds=st.integers(1, 60), most=st.integers(1, 4))
def test_positives_begin_in_time_and_negatives_are_not_followed(seed: int, seconds: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    follows = Follows(rng.integers(0, USERS, 60), rng.integers(0, ARTISTS, 60), rng.integers(0, 100, 60))
    user, time = np.append(rng.permutation(USERS)[:6], 0), rng.integers(0, 100, 7)
    pairs = follow_pairs(follows, user, time, seconds, np.random.default_rng(0), most=most)
    since: dict[tuple[int, int], int] = {}
    for who, whom, at in zip(*(column.tolist() for column in follows), strict=True):
        since[who, whom] = min(at, since.get((who, whom), at))
    begun, had = [], []
    for who, at in zip(user.tolist(), time.tolist(), strict=True):
        own = {artist: first for (u, artist), first in since.items() if u == who}
        begun.append({artist for artist, first in own.items() if at <= first < at + seconds})
        had.append({artist for artist, first in own.items() if first < at + seconds})
    pool = set().union(*begun)
    for row in range(len(user)):
        positives, negatives = (pairs.item[(pairs.user == row) & (pairs.label == label)].tolist() for label in (1, 0))
        has_others = bool(pool - had[row])
        assert len(positives) == len(negatives) == (min(len(begun[row]), most) if has_others else 0)
        assert set(positives) <= begun[row]
        assert len(set(positives)) == len(positives)
        assert set(negatives) <= pool - had[row]


def test_what_is_out_of_range_is_told() -> None:
    nobody = np.zeros(0, np.int64)
    follows = Follows(nobody, nobody, nobody)
    assert not len(follow_pairs(follows, np.arange(2), np.zeros(2, np.int64), 5, np.random.default_rng(0)))
    with pytest.raises(ValueError, match="seconds is 0, but must be at least 1"):
        follow_pairs(follows, np.arange(2), np.zeros(2, np.int64), 0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="most is 0, but must be at least 1"):
        follow_pairs(follows, np.arange(2), np.zeros(2, np.int64), 5, np.random.default_rng(0), most=0)
