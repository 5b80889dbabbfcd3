"""Candidates beside what users go for: by hand, and by others' nDCG."""

import numpy as np
import pytest
import rax
from scipy.sparse import csr_array

from urep_jax.evaluation.candidates import found_again, found_among, gone_for
from urep_jax.metrics.ranking import graded_ndcg

ITEMS = 30


def test_recall_and_ndcg_by_hand() -> None:
    wanted = csr_array(np.array([[1, 0, 1, 1], [0, 0, 0, 0], [0, 1, 0, 0]], np.float32))
    found = np.array([[2, 1], [0, 1], [-1, -1]])
    results = found_among(found, wanted, np.array([7, 5, 3]))
    assert results["recall@2"].user.tolist() == [3, 7], "who goes for nothing has no value"
    assert results["recall@2"].values.tolist() == [0, 1 / 3]
    assert results["ndcg@2"].values == pytest.approx([0, 1 / (1 + 1 / np.log2(3))])
    assert gone_for(found, wanted).tolist() == [[True, False], [False, False], [False, False]]


@pytest.mark.parametrize("k", [1, 10, ITEMS])
def test_it_is_the_ndcg_of_all_items_in_the_order_of_their_scores(k: int) -> None:
    rng = np.random.default_rng(k)
    scores, wanted = rng.normal(size=(40, ITEMS)), rng.random((40, ITEMS)) < rng.random((40, 1))
    found = np.argsort(-scores, axis=1)[:, :k]
    results = found_among(found, csr_array(wanted.astype(np.float32)), np.arange(40))
    has = wanted.any(axis=1)
    np.testing.assert_allclose(results[f"ndcg@{k}"].values, graded_ndcg(scores, wanted * 1.0, k)[has], rtol=1e-9)
    theirs = rax.ndcg_metric(np.float32(scores), np.float32(wanted), topn=k, reduce_fn=None)
    np.testing.assert_allclose(results[f"ndcg@{k}"].values, np.asarray(theirs)[has], rtol=1e-5)
    recall = rax.recall_metric(np.float32(scores), np.float32(wanted), topn=k, reduce_fn=None)
    np.testing.assert_allclose(results[f"recall@{k}"].values, np.asarray(recall)[has], rtol=1e-5)


def test_what_an_index_finds_again() -> None:
    exact = np.array([[3, 1, 2], [4, -1, -1], [-1, -1, -1]])
    share = found_again(np.array([[1, 9, 3], [5, 6, -1], [-1, 0, 1]]), exact, np.array([2, 0, 1]))
    assert share.user.tolist() == [0, 2]
    assert share.values.tolist() == [0, 2 / 3]
