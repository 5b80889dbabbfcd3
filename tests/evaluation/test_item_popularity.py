"""Results by popularity, against loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.cases import cases_of, chunk_sizes, logs, random_scores, seeds, table_scorer
from tests.logs import NUM_ITEMS, Row, log_of
from urep_jax.core.types import Feedback
from urep_jax.data.splits import LeaveOneOut
from urep_jax.evaluation.full_ranking import target_ranks
from urep_jax.evaluation.item_popularity import (
    BUCKETS,
    by_popularity,
    popularity_buckets,
    popularity_percentiles,
    recommended_popularity,
)
from urep_jax.evaluation.pairs import pair_accuracy
from urep_jax.evaluation.scorer import item_scorer


def test_buckets_by_hand() -> None:
    # 100 ups: the first item has 50 of them, the next 20, 15 and 10, the last ones 5 and none.
    assert popularity_buckets(np.array([5, 20, 50, 0, 15, 10])).tolist() == [2, 1, 0, 2, 1, 2]
    assert popularity_buckets(np.zeros(3, int)).tolist() == [2, 2, 2]
    assert popularity_buckets(np.full(4, 7)).tolist() == [0, 0, 0, 0], "equals share a bucket"


def test_percentiles_by_hand() -> None:
    assert popularity_percentiles(np.array([0, 9, 3, 3])).tolist() == [1 / 8, 7 / 8, 1 / 2, 1 / 2]


ups_strategy = st.lists(st.integers(0, 9), min_size=NUM_ITEMS, max_size=NUM_ITEMS).map(np.array)


@given(logs, ups_strategy, seeds, chunk_sizes)
def test_buckets_take_the_whole_apart(log, ups_V, seed, chunk) -> None:
    cases = cases_of(log)
    scorer = table_scorer(random_scores(len(cases), seed))
    results = by_popularity(scorer, log, cases, ups_V, chunk=chunk)
    assert list(results) == [f"{metric}/{name}" for name in BUCKETS for metric in ("pair_accuracy", "mrr_up")]
    bucket_N, rank_N = popularity_buckets(ups_V)[cases.item], target_ranks(scorer, log, cases)
    for number, name in enumerate(BUCKETS):
        here_N = (bucket_N == number) & (cases.feedback == Feedback.UP)
        users = np.unique(cases.sequence[cases.case[here_N]])
        mean = [np.mean(1 / rank_N[here_N & (cases.sequence[cases.case] == user)]) for user in users]
        assert results[f"mrr_up/{name}"].user.tolist() == users.tolist()
        np.testing.assert_allclose(results[f"mrr_up/{name}"].values, mean)
    everywhere = pair_accuracy(scorer, cases)
    counts = [len(results[f"pair_accuracy/{name}"].user) for name in BUCKETS]
    assert max(counts) <= len(everywhere.user) <= sum(counts)
    if sorted(counts)[-2] == 0:
        assert results[f"pair_accuracy/{BUCKETS[int(np.argmax(counts))]}"].values.tolist() == everywhere.values.tolist()


@given(logs, ups_strategy, seeds, chunk_sizes, st.integers(1, NUM_ITEMS + 2))
def test_popularity_of_what_is_recommended(log, ups_V, seed, chunk, k) -> None:
    cases = cases_of(log)
    scores_CxV = random_scores(len(cases), seed)
    percentile_V = popularity_percentiles(ups_V)
    expected: dict[int, list[float]] = {}
    for c, user in enumerate(cases.sequence):
        past = range(cases.start[c], cases.stop[c])
        known = {int(log.item[e]) for e in past if log.feedback[e] == Feedback.UP}
        ranked = sorted((-scores_CxV[c, v], v) for v in range(NUM_ITEMS) if v not in known)
        expected.setdefault(int(user), []).extend(percentile_V[v] for score, v in ranked[:k] if score < np.inf)
    expected = {user: values for user, values in expected.items() if values}
    result = recommended_popularity(table_scorer(scores_CxV), log, cases, ups_V, k=k, chunk=chunk)
    assert result.user.tolist() == sorted(expected)
    np.testing.assert_allclose(result.values, [np.mean(expected[user]) for user in sorted(expected)])


@given(logs)
def test_recommending_by_popularity_is_the_most_popular_there_is(log) -> None:
    cases, ups_V = cases_of(log), np.arange(NUM_ITEMS)
    most = recommended_popularity(item_scorer(ups_V.astype(np.float32)), log, cases, ups_V, k=3)
    least = recommended_popularity(item_scorer(-ups_V.astype(np.float32)), log, cases, ups_V, k=3)
    assert (most.values >= least.values).all()


def test_k_below_one_is_refused() -> None:
    log = log_of([Row(0, t, t, "up") for t in range(4)])
    ups_V = np.ones(4, int)
    with pytest.raises(ValueError, match="k is 0"):
        recommended_popularity(item_scorer(np.zeros(4, np.float32)), log, LeaveOneOut()(log).test, ups_V, k=0)
