"""Nearest items: exact is what sorting all scores gives, and an index finds them, or says how many."""

import sys

import numpy as np
import pytest
from scipy.sparse import csr_array

from urep_jax.core import top_products
from urep_jax.evaluation.candidates import found_again
from urep_jax.serving.neighbours import NONE, check_index, exact_neighbours, faiss_search

RNG = np.random.default_rng(0)
USERS = RNG.normal(size=(70, 16)).astype(np.float32)
ITEMS = RNG.normal(size=(2000, 16)).astype(np.float32)
ITEMS /= np.linalg.norm(ITEMS, axis=1, keepdims=True)


@pytest.mark.parametrize("portion", [1, 32, 512])
def test_exact_is_the_order_of_all_scores(portion: int) -> None:
    scores = USERS @ ITEMS.T
    found = exact_neighbours(USERS, ITEMS, 10, portion=portion)
    np.testing.assert_array_equal(found.item, np.argsort(-scores, axis=1)[:, :10])
    np.testing.assert_allclose(found.score, -np.sort(-scores, axis=1)[:, :10], rtol=1e-5)


def test_what_is_out_of_the_question_is_not_found() -> None:
    out = RNG.random((len(USERS), len(ITEMS))) < 0.5
    found = exact_neighbours(USERS, ITEMS, 10, without=csr_array(out.astype(np.float32)), portion=32)
    scores = np.where(out, -np.inf, USERS @ ITEMS.T)
    np.testing.assert_array_equal(found.item, np.argsort(-scores, axis=1)[:, :10])


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 1,900 items in blocks of 64 for 33 users, a shape that no other test has compiled."""
    monkeypatch.setattr(top_products, "_BLOCK_SCORES", 33 * 64)
    users, items, out = USERS[:60], ITEMS[:1900], RNG.random((60, 1900)) < 0.3
    found = exact_neighbours(users, items, 7, without=csr_array(out), portion=33)
    scores = np.where(out, -np.inf, users @ items.T)
    np.testing.assert_array_equal(found.item, np.argsort(-scores, axis=1)[:, :7])
    np.testing.assert_allclose(found.score, -np.sort(-scores, axis=1)[:, :7], rtol=1e-5)


def test_where_items_run_out_there_are_none() -> None:
    out = csr_array(np.array([[0, 1, 0], [1, 1, 1]], np.float32))
    found = exact_neighbours(USERS[:2], ITEMS[:3], 5, without=out)
    first = np.argsort(-(ITEMS[:3] @ USERS[0])[[0, 2]])
    assert found.item.tolist() == [[*np.array([0, 2])[first], NONE, NONE, NONE], [NONE] * 5]
    assert np.isneginf(found.score[found.item == NONE]).all()
    assert exact_neighbours(USERS[:0], ITEMS, 5).item.shape == (0, 5)
    assert exact_neighbours(USERS[:2], ITEMS[:0], 5).item.tolist() == [[NONE] * 5] * 2
    assert faiss_search(ITEMS[:3], "Flat")(USERS[:2], 5).item[:, 3:].tolist() == [[NONE, NONE]] * 2


def test_faiss_flat_is_exact() -> None:
    found, exact = faiss_search(ITEMS, "Flat")(USERS, 20), exact_neighbours(USERS, ITEMS, 20)
    np.testing.assert_array_equal(found.item, exact.item)
    np.testing.assert_allclose(found.score, exact.score, rtol=1e-5)


def test_an_index_that_does_not_look_at_all_finds_most() -> None:
    exact = exact_neighbours(USERS, ITEMS, 20).item
    share = {
        description: found_again(faiss_search(ITEMS, description)(USERS, 20).item, exact, np.arange(len(USERS))).value
        for description in ("HNSW32", "IVF16,Flat")
    }
    assert 0.8 < share["HNSW32"] <= 1
    assert 0.05 < share["IVF16,Flat"] < 0.9, "of sixteen cells it looks into one"


def test_what_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="k is 0, but must be at least 1"):
        exact_neighbours(USERS, ITEMS, 0)
    with pytest.raises(ValueError, match="portion is 0, but must be at least 1"):
        exact_neighbours(USERS, ITEMS, 1, portion=0)
    with pytest.raises(ValueError, match="some vectors hold what is no number"):
        exact_neighbours(np.full_like(USERS, np.nan), ITEMS, 1)
    with pytest.raises(ValueError, match="index is 'Tree', but must be what faiss can make of 16 numbers a vector"):
        check_index("Tree", 16)
    with pytest.raises(ValueError, match="index is 'IVF64,Flat', but there are 20 vectors, too few for it"):
        faiss_search(ITEMS[:20], "IVF64,Flat")
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match=r"needs faiss; pip install -e '\.\[neighbours\]' brings it"):
        faiss_search(ITEMS, "Flat")
