"""Continuation of playlists against the metrics' definitions, by loops."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.cases import chunk_sizes, seeds, table_scorer
from tests.logs import Row, log_of
from urep_jax.data.continuation_split import ContinuationSplit
from urep_jax.data.log import EventLog
from urep_jax.evaluation.continuation import continuation
from urep_jax.evaluation.scorer import item_scorer

NUM_ITEMS = 15


@st.composite
def playlist_logs(draw: st.DrawFn) -> EventLog:
    """Playlists of different tracks, up to all there are."""
    tracks = st.lists(st.integers(0, NUM_ITEMS - 1), min_size=2, max_size=NUM_ITEMS, unique=True)
    playlists = draw(st.lists(tracks, min_size=3, max_size=8))
    return log_of([Row(s, t, i, "up") for s, p in enumerate(playlists) for t, i in enumerate(p)], num_items=NUM_ITEMS)


@given(playlist_logs(), seeds, chunk_sizes, st.integers(1, 4))
def test_matches_loops(log, seed, chunk, k) -> None:
    cases = ContinuationSplit(0.7, 0.0, 0.4, min_tracks=2)(log).test
    rng = np.random.default_rng(seed)
    # No ties: their shared ranks are of no list.
    scores_CxV = rng.permuted(np.tile(np.arange(NUM_ITEMS, dtype=np.float32), (len(cases), 1)), axis=1)
    scores_CxV[rng.random(scores_CxV.shape) < 0.1] = -np.inf
    results = continuation(table_scorer(scores_CxV), log, cases, k=(k,), chunk=chunk)
    assert list(results) == ["r_precision", "ndcg@500", f"recall@{k}"]
    for c in range(len(cases)):
        seen = set(log.item[cases.start[c] : cases.stop[c]].tolist())
        truth = set(cases.item[cases.offsets[c] : cases.offsets[c + 1]].tolist())
        order = [v for v in np.argsort(-scores_CxV[c]).tolist() if v not in seen and scores_CxV[c, v] > -np.inf]
        gain = sum(1 / math.log2(place + 2) for place, v in enumerate(order) if v in truth)
        expected = {
            "r_precision": len(truth & set(order[: len(truth)])) / len(truth),
            "ndcg@500": gain / sum(1 / math.log2(place + 2) for place in range(len(truth))),
            f"recall@{k}": len(truth & set(order[:k])) / len(truth),
        }
        for name, value in expected.items():
            assert results[name].user[c] == cases.sequence[c]
            assert results[name].values[c] == pytest.approx(value), name


def test_past_the_list_nothing_is_found() -> None:
    n = 600
    log = log_of([Row(s, t, t, "up") for s, length in enumerate((n, 4)) for t in range(length)], num_items=n)
    cases = ContinuationSplit(1.0, 0.0, 0.5, min_tracks=2)(log).test
    # Of the short playlist's targets, track 2 comes first, and track 3 after the 500 others.
    scores_V = np.zeros(n, np.float32)
    scores_V[2], scores_V[100:600] = 9, 5
    results = continuation(item_scorer(scores_V), log, cases, k=(500,))
    assert results["ndcg@500"].values[1] == pytest.approx(1 / (1 + 1 / math.log2(3)))
    assert results["recall@500"].values[1] == 0.5
    # The long one's 300 targets are equal, and share the mean rank 150.5.
    assert results["r_precision"].values[0] == results["recall@500"].values[0] == 1


def test_k_below_one_is_refused() -> None:
    log = log_of([Row(0, t, t, "up") for t in range(12)])
    with pytest.raises(ValueError, match="k is 0, but must be at least 1"):
        continuation(item_scorer(np.zeros(12, np.float32)), log, ContinuationSplit()(log).test, k=(10, 0))
