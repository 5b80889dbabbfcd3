"""Full-catalogue ranks against sorting by loops."""

import math

import numpy as np
import pytest
from hypothesis import given

from tests.evaluation.cases import (
    block_sizes,
    cases_of,
    catalogue_in_blocks,
    chunk_sizes,
    logs,
    random_scores,
    seeds,
    table_scorer,
)
from tests.logs import NUM_ITEMS, Row, log_of
from urep_jax.core.types import Feedback
from urep_jax.data.splits import LeaveOneOut
from urep_jax.evaluation.by_user import flat
from urep_jax.evaluation.full_ranking import full_ranking
from urep_jax.evaluation.scorer import item_scorer


@given(logs, seeds, chunk_sizes, block_sizes)
def test_matches_loops(log, seed, chunk, block):
    cases = cases_of(log)
    scores_CxV = random_scores(len(cases), seed)
    rank = {"up": {}, "down": {}}
    for c, user in enumerate(cases.sequence):
        span = range(cases.start[c], cases.stop[c])
        known = {int(log.item[e]) for e in span if log.feedback[e] == Feedback.UP}
        for n in range(cases.offsets[c], cases.offsets[c + 1]):
            target, own = int(cases.item[n]), scores_CxV[c, cases.item[n]]
            others = [scores_CxV[c, v] for v in range(NUM_ITEMS) if v != target and v not in known]
            r = 1 + sum(s > own for s in others) + sum(s == own for s in others) / 2
            kind = "up" if cases.feedback[n] == Feedback.UP else "down"
            rank[kind].setdefault(int(user), []).append(math.inf if own == -math.inf else r)
    with catalogue_in_blocks(block):
        results = full_ranking(table_scorer(scores_CxV), log, cases, k=3, chunk=chunk)
    assert list(results) == ["mrr_up", "mrr_down", "recall_up@3", "recall_down@3"]
    for kind, users in rank.items():
        reciprocal = [np.mean([1 / r for r in users[u]]) for u in sorted(users)]
        recall = [np.mean([r <= 3 for r in users[u]]) for u in sorted(users)]
        assert results[f"mrr_{kind}"].user.tolist() == sorted(users)
        np.testing.assert_allclose(results[f"mrr_{kind}"].values, reciprocal, atol=1e-12)
        np.testing.assert_allclose(results[f"recall_{kind}@3"].values, recall, atol=1e-12)


def test_an_earlier_up_stays_in_if_it_is_the_target():
    log = log_of([Row(0, t, i, "up") for t, i in enumerate((0, 1, 2, 0))], num_items=4)
    cases = LeaveOneOut()(log).test
    scores_V = np.array([2.0, 9.0, 8.0, 3.0], np.float32)
    # Items 1 and 2 are out, so that only item 3 stands before the target.
    numbers = flat(full_ranking(item_scorer(scores_V), log, cases))
    assert numbers["mrr_up"] == 0.5
    assert numbers["recall_up@10"] == 1.0
    assert math.isnan(numbers["mrr_down"])
    assert scores_V.tolist() == [2.0, 9.0, 8.0, 3.0], "ranking changed the scorer's own array"


def test_errors():
    log = log_of([Row(0, t, t, "up") for t in range(4)])
    cases = LeaveOneOut()(log).test
    with pytest.raises(ValueError, match="item 2 in case 0 is NaN"):
        full_ranking(table_scorer(np.array([[0, 0, np.nan, 0]], np.float32)), log, cases)
    with pytest.raises(ValueError, match="k is 0"):
        full_ranking(table_scorer(np.zeros((1, 4), np.float32)), log, cases, k=0)
    with pytest.raises(ValueError, match="catalogue returned scores"):
        full_ranking(table_scorer(np.zeros((1, 3), np.float32)), log, cases)
