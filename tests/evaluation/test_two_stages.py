"""Finding and ranking by two models."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.cases import block_sizes, cases_of, catalogue_in_blocks, logs, random_scores, seeds, table_scorer
from tests.logs import NUM_ITEMS, Row, log_of
from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases
from urep_jax.evaluation.scorer import CatalogueScores, Scorer
from urep_jax.evaluation.two_stages import two_stages


@given(logs, seeds, st.integers(1, NUM_ITEMS + 2), block_sizes)
def test_matches_loops(log, seed, k, block) -> None:
    cases = cases_of(log)
    if not len(cases):
        return
    found_CxV, ranked_CxV = random_scores(len(cases), seed), random_scores(len(cases), seed + 1)
    scorer = two_stages(table_scorer(found_CxV), table_scorer(ranked_CxV), log, cases, k)
    expected = np.full((len(cases), NUM_ITEMS), -np.inf, np.float32)
    for c in range(len(cases)):
        past = range(cases.start[c], cases.stop[c])
        known = {int(log.item[e]) for e in past if log.feedback[e] == Feedback.UP}
        order = sorted((-found_CxV[c, v], v) for v in range(NUM_ITEMS) if v not in known)
        for score, v in order[:k]:
            if score < np.inf:
                expected[c, v] = ranked_CxV[c, v]
    rows = np.arange(len(cases))
    items = np.broadcast_to(np.arange(NUM_ITEMS, dtype=np.int32), expected.shape)
    with catalogue_in_blocks(block):
        found = [scores for _, scores in CatalogueScores(scorer, rows, NUM_ITEMS).blocks()]
        np.testing.assert_array_equal(np.concatenate(found, axis=1), expected)
        np.testing.assert_array_equal(scorer.candidates(rows, items), expected)


@given(logs, seeds)
def test_with_itself_and_room_for_all_nothing_changes_but_what_is_known(log, seed) -> None:
    cases = cases_of(log)
    if not len(cases):
        return
    scores_CxV = random_scores(len(cases), seed)
    one: Scorer = table_scorer(scores_CxV)
    both_CxV = two_stages(one, one, log, cases, NUM_ITEMS).catalogue(np.arange(len(cases)), slice(0, NUM_ITEMS))
    assert ((both_CxV == scores_CxV) | (both_CxV == -np.inf)).all()


def test_no_candidates_are_refused() -> None:
    one, log = table_scorer(np.zeros((1, 1))), log_of([Row(0, 0, 0, "up")])
    with pytest.raises(ValueError, match="k is 0"):
        two_stages(one, one, log, Cases.empty(), 0)
