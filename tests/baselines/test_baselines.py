"""Popularity, like-rate and the oracle: by hand, and on MovieLens-1M against scikit-learn."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.logs import Row, log_of, movielens_1m
from urep_jax.baselines.like_rate import like_rate
from urep_jax.baselines.oracle import oracle
from urep_jax.baselines.popularity import popularity
from urep_jax.core.types import Feedback
from urep_jax.data.splits import PaperSplit, TimeCut
from urep_jax.evaluation.pairs import pair_accuracy

EVENTS = [
    Row(0, 0, 0, "up"),
    Row(0, 1, 1, "up"),
    Row(1, 0, 0, "up"),
    Row(1, 1, 1, "down"),
    Row(1, 2, 2, "skip"),
    Row(0, 9, 2, "up"),
    Row(0, 9, 3, "down"),
]


def scores_of(make, log, split):
    """The scores of a user-independent baseline, seen through both calls."""
    scorer = make(log, split)(log, split.test)
    scores_V = np.asarray(scorer.catalogue(np.array([0]), slice(0, log.num_items))[0])
    items_1xV = np.arange(log.num_items, dtype=np.int32)[None]
    np.testing.assert_array_equal(scorer.candidates(np.array([0]), items_1xV)[0], scores_V)
    return scores_V


def test_popularity_counts_training_ups():
    log = log_of(EVENTS)
    np.testing.assert_array_equal(scores_of(popularity, log, TimeCut(cut=5)(log)), [2, 1, 0, 0])


def test_like_rate_is_the_mean_of_a_beta_posterior():
    log = log_of(EVENTS)
    rates = scores_of(lambda *args: like_rate(*args, pseudo_count=4.0), log, TimeCut(cut=5)(log))
    np.testing.assert_allclose(rates, [(2 + 3) / (2 + 4), (1 + 3) / (2 + 4), 3 / 4, 3 / 4], rtol=1e-6)


def test_like_rate_takes_skips_where_there_are_no_downs():
    log = log_of([row._replace(feedback="skip") if row.feedback == "down" else row for row in EVENTS])
    rates = scores_of(lambda *args: like_rate(*args, pseudo_count=5.0), log, TimeCut(cut=5)(log))
    np.testing.assert_allclose(rates, [(2 + 3) / (2 + 5), (1 + 3) / (2 + 5), 3 / (1 + 5), 3 / 5], rtol=1e-6)


def test_held_out_sequences_do_not_count():
    log = log_of([Row(s, t, s, "up") for s in range(10) for t in (0, 9)])
    split = PaperSplit(cut=5, validation_share=0.3)(log)
    assert np.flatnonzero(scores_of(popularity, log, split)).tolist() == split.train.tolist()


def test_like_rate_errors():
    log = log_of([Row(0, 0, 0, "play"), Row(0, 9, 0, "up")])
    with pytest.raises(ValueError, match="holds no ups"):
        like_rate(log, TimeCut(cut=5)(log))
    with pytest.raises(ValueError, match="pseudo_count is 0"):
        like_rate(log, TimeCut(cut=5)(log), pseudo_count=0.0)


def test_oracle_reads_the_affinities_of_the_targets():
    events = [Row(0, 0, 5, "up"), *(Row(0, 9, i, f) for i, f in ((0, "up"), (1, "down"), (2, "up"), (0, "down")))]
    log = dataclasses.replace(log_of(events), affinity=np.array([7, 1, 2, 4, 5], np.float32))
    cases = PaperSplit(cut=5, min_events=1)(log).test
    scorer = oracle(log, cases)
    scores = scorer.candidates(np.array([0]), np.array([[2, 0, -1, 1]], np.int32))
    np.testing.assert_array_equal(scores, [[4, (1 + 5) / 2, -np.inf, 2]])
    # Ups 0 (3) and 2 (4) against downs 1 (2) and 0 (3): won, half, won, won.
    assert pair_accuracy(scorer, cases).value == 3.5 / 4
    with pytest.raises(ValueError, match="item 5 in case 0"):
        scorer.candidates(np.array([0]), np.array([[5]], np.int32))
    with pytest.raises(ValueError, match="not of the catalogue"):
        scorer.catalogue(np.array([0]), slice(0, 1))
    with pytest.raises(ValueError, match="no affinity"):
        oracle(log_of(events), cases)


@pytest.mark.parametrize(("make", "expected"), [(popularity, 0.637), (like_rate, 0.719)])
def test_movielens_1m(data_folder, make, expected):
    """Cut at 2000-12-01: what other implementations found, and scikit-learn's AUC user by user."""
    log = movielens_1m(data_folder("movielens-1m"))
    split = PaperSplit(cut="2000-12-01")(log)
    result = pair_accuracy(make(log, split)(log, split.test), split.test)
    assert result.value == pytest.approx(expected, abs=0.003)
    scores_V = scores_of(make, log, split)
    for c in range(0, len(split.test), 20):
        span = slice(split.test.offsets[c], split.test.offsets[c + 1])
        auc = roc_auc_score(split.test.feedback[span] == Feedback.UP, scores_V[split.test.item[span]])
        assert result.values[c] == pytest.approx(auc, abs=1e-12)
