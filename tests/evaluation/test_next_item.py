"""NDCG and recall of the next item, against sorting by loops."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.cases import chunk_sizes, logs, random_scores, seeds, table_scorer
from tests.logs import NUM_ITEMS, Row, log_of
from urep_jax.data.splits import LeaveOneOut
from urep_jax.evaluation.by_user import flat
from urep_jax.evaluation.next_item import next_item
from urep_jax.evaluation.scorer import item_scorer


@given(logs, seeds, chunk_sizes, st.integers(1, 5))
def test_matches_loops(log, seed, chunk, k) -> None:
    cases = LeaveOneOut(targets="any")(log).test
    scores_CxV = random_scores(len(cases), seed)
    result = next_item(table_scorer(scores_CxV), log, cases, k=k, chunk=chunk)
    for c, user in enumerate(cases.sequence):
        target = int(cases.item[c])
        seen = set(log.item[cases.start[c] : cases.stop[c]].tolist()) - {target}
        own = scores_CxV[c, target]
        others = [scores_CxV[c, v] for v in range(NUM_ITEMS) if v != target and v not in seen]
        rank = 1 + sum(s > own for s in others) + sum(s == own for s in others) / 2
        hit = rank <= k and own > -math.inf
        place = result[f"ndcg@{k}"].user.tolist().index(user)
        assert result[f"recall@{k}"].values[place] == hit
        assert result[f"ndcg@{k}"].values[place] == pytest.approx(1 / math.log2(1 + rank) if hit else 0)


def test_whatever_was_seen_is_out() -> None:
    words = ("down", "skip", "play", "up", "up")
    log = log_of([Row(0, t, t, word) for t, word in enumerate(words)], num_items=6)
    cases = LeaveOneOut()(log).test
    # Items 0 to 3 were seen, the target is 4, and item 5 alone stands before it.
    scores_V = np.array([9, 9, 9, 9, 1, 2], np.float32)
    assert flat(next_item(item_scorer(scores_V), log, cases))["ndcg@10"] == pytest.approx(1 / math.log2(3))


def test_k_below_one_is_refused() -> None:
    log = log_of([Row(0, t, t, "up") for t in range(4)])
    with pytest.raises(ValueError, match="k is 0"):
        next_item(item_scorer(np.zeros(4, np.float32)), log, LeaveOneOut()(log).test, k=0)
