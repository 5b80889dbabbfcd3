"""Ends of playlists that are held back: never trained on, always asked for, the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.logs import Row, log_of
from urep_jax.data.continuation_split import ContinuationSplit
from urep_jax.data.log import EventLog


def playlists_of(lengths: list[int]) -> EventLog:
    """A log of playlists of these lengths, whose tracks are numbered in order."""
    return log_of([Row(s, t, t, "up") for s, n in enumerate(lengths) for t in range(n)], num_sequences=len(lengths))


@given(st.lists(st.integers(0, 30), min_size=5, max_size=40), st.floats(0.05, 0.95), st.integers(0, 99))
def test_every_place_trains_or_is_asked_for(lengths, held_share, seed) -> None:
    lengths = [*lengths, 12]
    log = playlists_of(lengths)
    cfg = ContinuationSplit(0.3, 0.3, held_share, min_tracks=3, seed=seed)
    split = cfg(log)
    asked = set()
    for cases in (split.validation, split.test):
        assert not asked & set(cases.sequence.tolist()), "a playlist validates or tests, not both"
        asked |= set(cases.sequence.tolist())
        for c, playlist in enumerate(cases.sequence):
            n = lengths[playlist]
            held = min(max(1, round(held_share * n)), n - 1)
            assert n >= 3
            assert log.item[cases.start[c] : cases.stop[c]].tolist() == list(range(n - held))
            assert cases.item[cases.offsets[c] : cases.offsets[c + 1]].tolist() == list(range(n - held, n))
            assert split.stop[playlist] == cases.stop[c]
    for playlist, n in enumerate(lengths):
        assert (playlist in split.train) == (n > 0)
        if playlist not in asked:
            assert split.stop[playlist] == log.offsets[playlist + 1]
    num_long = sum(n >= 3 for n in lengths)
    assert len(split.test) == max(1, round(0.3 * num_long))


def test_the_seed_decides_who_is_asked() -> None:
    log = playlists_of([20] * 50)
    one, same, other = (ContinuationSplit(seed=seed)(log) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.test.sequence, same.test.sequence)
    np.testing.assert_array_equal(one.stop, same.stop)
    assert one.test.sequence.tolist() != other.test.sequence.tolist()


def test_wrong_values_are_refused() -> None:
    with pytest.raises(ValueError, match="test_share is 0, but must be above 0"):
        ContinuationSplit(test_share=0)
    with pytest.raises(ValueError, match=r"validation_share is 0\.5, .* what test_share leaves, 0\.4"):
        ContinuationSplit(test_share=0.6, validation_share=0.5)
    with pytest.raises(ValueError, match="held_share is 1"):
        ContinuationSplit(held_share=1)
    with pytest.raises(ValueError, match="min_tracks is 1"):
        ContinuationSplit(min_tracks=1)
    with pytest.raises(ValueError, match="none of the 2 playlists of 'test' has 10 tracks; lower min_tracks"):
        ContinuationSplit()(playlists_of([3, 9]))
