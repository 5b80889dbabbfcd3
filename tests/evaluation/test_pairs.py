"""Pair accuracy, and accuracy against random negatives, against scikit-learn and loops."""

import numpy as np
import pytest
from hypothesis import given
from sklearn.metrics import roc_auc_score

from tests.evaluation.cases import cases_of, chunk_sizes, logs, random_scores, seeds, table_scorer
from tests.logs import Row, log_of
from urep_jax.core.types import Feedback
from urep_jax.data.splits import PaperSplit
from urep_jax.evaluation.by_user import ByUser, flat
from urep_jax.evaluation.paired import paired_difference
from urep_jax.evaluation.pairs import pair_accuracy
from urep_jax.evaluation.random_pairs import draw_foreign_items, random_pair_accuracy
from urep_jax.evaluation.scorer import Scorer, item_scorer


@given(logs, seeds, chunk_sizes)
def test_pools_the_pairs_of_a_users_stations(log, seed, chunk):
    cases = cases_of(log)
    scores_CxV = random_scores(len(cases), seed)
    expected = {}
    for user in np.unique(cases.sequence):
        won = pairs = 0.0
        for c in np.flatnonzero(cases.sequence == user):
            span = slice(cases.offsets[c], cases.offsets[c + 1])
            targets = list(zip(cases.item[span], cases.feedback[span], strict=True))
            for up in (item for item, feedback in targets if feedback == Feedback.UP):
                for down in (item for item, feedback in targets if feedback in (Feedback.DOWN, Feedback.SKIP)):
                    won += (scores_CxV[c, up] > scores_CxV[c, down]) + (scores_CxV[c, up] == scores_CxV[c, down]) / 2
                    pairs += 1
        if pairs:
            expected[user] = won / pairs
    result = pair_accuracy(table_scorer(scores_CxV), cases, chunk=chunk)
    assert result.user.tolist() == list(expected)
    assert result.values.tolist() == list(expected.values())


def test_is_the_average_auc_over_users():
    rng = np.random.default_rng(0)
    words = np.array(["up", "down"])
    events = [Row(s, t, int(rng.integers(500)), words[rng.integers(2)]) for s in range(40) for t in range(60)]
    cases = PaperSplit(cut=30)(log_of(events)).test
    scores_CxV = np.round(rng.normal(size=(len(cases), 500)), 1).astype(np.float32)
    result = pair_accuracy(table_scorer(scores_CxV), cases)
    spans = [slice(a, b) for a, b in zip(cases.offsets[:-1], cases.offsets[1:], strict=True)]
    aucs = [roc_auc_score(cases.feedback[s] == Feedback.UP, scores_CxV[c, cases.item[s]]) for c, s in enumerate(spans)]
    np.testing.assert_allclose(result.values, aucs, atol=1e-12)
    assert flat({"pair_accuracy": result}) == {
        "pair_accuracy": pytest.approx(np.mean(aucs)),
        "pair_accuracy_ci95": pytest.approx(1.959964 * np.std(aucs, ddof=1) / np.sqrt(40)),
    }


def test_a_scorer_sees_few_shapes():
    events = [Row(s, 0, 0, "up") for s in range(30)]
    events += [Row(s, 9, i % 20, ("up", "down")[i % 2]) for s in range(30) for i in range(2 + 3 * s)]
    cases = PaperSplit(cut=5, min_events=1)(log_of(events)).test
    shapes: list = []
    pair_accuracy(table_scorer(np.zeros((30, 20), np.float32), shapes), cases, chunk=4)
    assert {shape[0] for shape in shapes} == {4}
    assert {shape[1] for shape in shapes} <= {2, 4, 8, 16, 32, 64, 128}
    assert sum(shape[2] for shape in shapes) == len(cases.item)


def test_nan_names_case_and_item():
    cases = PaperSplit(cut=5, min_events=1)(
        log_of([Row(s, t, t, f) for s in range(3) for t, f in ((0, "up"), (7, "up"), (8, "down"))])
    ).test
    scores_CxV = np.zeros((3, 9), np.float32)
    scores_CxV[1, 8] = np.nan
    with pytest.raises(ValueError, match="item 8 in case 1 is NaN"):
        pair_accuracy(table_scorer(scores_CxV), cases)
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        pair_accuracy(Scorer(lambda rows, items: np.zeros(3, np.float32), lambda rows, items: None), cases, chunk=3)
    with pytest.raises(ValueError, match="chunk is 0"):
        pair_accuracy(table_scorer(scores_CxV), cases, chunk=0)


@given(logs, seeds, chunk_sizes)
def test_random_pairs_do_not_depend_on_the_chunks(log, seed, chunk):
    cases = cases_of(log)
    scorer = table_scorer(random_scores(len(cases), seed))
    a = random_pair_accuracy(scorer, log, cases, seed=seed, num_negatives=3)
    b = random_pair_accuracy(scorer, log, cases, seed=seed, num_negatives=3, chunk=chunk)
    np.testing.assert_array_equal(a.user, b.user)
    np.testing.assert_array_equal(a.values, b.values)
    know_all = {s for s in cases.sequence if len(set(log.item[slice(*log.offsets[s : s + 2])])) == log.num_items}
    assert set(a.user) == set(cases.sequence[cases.case[cases.feedback == Feedback.UP]]) - know_all


def test_who_has_met_the_whole_catalogue_has_no_random_pair():
    events = [Row(0, t, t, "up") for t in range(6)] + [Row(0, 6, 0, "down")]
    events += [Row(1, 0, 0, "up"), Row(1, 5, 1, "up"), Row(1, 6, 2, "down")]
    log = log_of(events, num_items=6)
    cases = PaperSplit(cut=5, min_events=1)(log).test
    assert cases.sequence.tolist() == [0, 1]
    scores_V = np.array([9, 8, 0, 0, 0, 0], np.float32)
    result = random_pair_accuracy(item_scorer(scores_V), log, cases, seed=0)
    assert (result.user.tolist(), result.values.tolist()) == ([1], [1.0])
    alone = log_of(events[:7], num_items=6)
    nobody = random_pair_accuracy(item_scorer(scores_V), alone, PaperSplit(cut=5, min_events=1)(alone).test, seed=0)
    assert len(nobody.user) == 0


def test_random_negatives_are_uniform_over_the_foreign_items():
    log = log_of([Row(0, 0, i, "up") for i in (0, 3, 4, 9, 3)] + [Row(1, 0, 5, "down")], num_items=10)
    draws_CxK = draw_foreign_items(np.random.default_rng(0), log, np.array([1, 0, 0], np.int32), 30_000)
    for draws_K, own in zip(draws_CxK, ({5}, {0, 3, 4, 9}, {0, 3, 4, 9}), strict=True):
        foreign = sorted(set(range(10)) - own)
        share_V = np.bincount(draws_K, minlength=10) / 30_000
        assert np.flatnonzero(share_V).tolist() == foreign
        # Six standard errors of a share.
        np.testing.assert_allclose(share_V[foreign], 1 / len(foreign), atol=6 * np.sqrt(0.25 / 30_000))
    assert not np.array_equal(draws_CxK[1], draws_CxK[2])


def test_random_pair_accuracy_of_a_perfect_and_of_an_indifferent_scorer():
    log = log_of([Row(s, t, s, "up") for s in range(5) for t in (0, 9)] + [Row(0, 9, 7, "down")], num_items=50)
    cases = PaperSplit(cut=5, min_events=1)(log).test
    likes_own = item_scorer((np.arange(50) < 5).astype(np.float32))
    assert random_pair_accuracy(likes_own, log, cases, seed=0).value > 0.9
    assert random_pair_accuracy(item_scorer(np.zeros(50, np.float32)), log, cases, seed=0).value == 0.5
    with pytest.raises(ValueError, match="num_negatives is 0"):
        random_pair_accuracy(likes_own, log, cases, seed=0, num_negatives=0)


def test_paired_difference_is_over_common_users():
    a = ByUser(np.array([1, 2, 4, 7]), np.array([0.5, 0.75, 1.0, 0.25]))
    b = ByUser(np.array([2, 3, 4, 7]), np.array([0.5, 0.9, 0.5, 0.5]))
    difference = paired_difference(a, b)
    expected = np.array([0.25, 0.5, -0.25])
    assert difference.num_users == 3
    assert difference.mean == pytest.approx(expected.mean())
    assert difference.standard_error == pytest.approx(np.std(expected, ddof=1) / np.sqrt(3))
    assert difference.ci95 == pytest.approx(1.959964 * difference.standard_error)
    with pytest.raises(ValueError, match="no user in common"):
        paired_difference(a, ByUser(np.array([3]), np.array([0.5])))
