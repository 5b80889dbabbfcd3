"""The benchmark that tells what content and recency do for pairs."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from benchmarks.content_and_recency import PLAIN, VARIANTS, Known, known_of, main, scorer_of
from tests.logs import DAY, Row, log_of
from urep_jax.baselines.logistic_factors import ItemFactors, regress
from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases
from urep_jax.evaluation.scorer import Scorer

SIGNS = {Feedback.UP: 1.0, Feedback.DOWN: -1.0}


def test_ages_are_of_the_latest_event_that_says_anything() -> None:
    events = [Row(0, 0, 1, "down"), Row(0, 2 * DAY, 1, "up"), Row(0, 3 * DAY, 0, "skip"), Row(1, 4 * DAY, 0, "down")]
    log = log_of(events, num_items=2)
    none = np.zeros(2, np.int32)
    known = known_of(log, Cases.without_targets(none, log.offsets[:-1], log.offsets[1:], none), SIGNS)
    np.testing.assert_array_equal(known.labels.toarray(), [[0, 1], [-1, 0]])
    np.testing.assert_array_equal(known.age_days, [1, 0])


def test_weights_fall_with_age_and_have_a_mean_of_one() -> None:
    labels = csr_array(np.array([[1.0, -1.0, 1.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]))
    known = Known(labels, np.array([0, 2, 4, 4], np.float32))
    own = np.exp([0.0, -1.0, -2.0])
    np.testing.assert_allclose(known.weights(2), [*(own / own.mean()), 1], rtol=1e-6)
    np.testing.assert_array_equal(known.weights(None), 1)


def test_of_what_is_known_the_latest_counts() -> None:
    rng = np.random.default_rng(1)
    factors = ItemFactors(rng.normal(size=(12, 4)).astype(np.float32), 0.2, np.full(4, 2.0, np.float32), SIGNS)
    items = np.array([[0, 1], [0, 1]])
    both = csr_array(np.array([[1.0, -1.0, *[0.0] * 10], [-1.0, 1.0, *[0.0] * 10]], np.float32))
    old_and_new = Known(both, np.array([1000, 0, 1000, 0], np.float32))
    new = csr_array(np.array([[0.0, -1.0, *[0.0] * 10], [0.0, 1.0, *[0.0] * 10]], np.float32))
    # The one that is left weighs as much as both did.
    twice = regress(new, factors.items, factors.prior, factors.penalty, weights=np.full(2, 2.0, np.float32))
    expected_2x2 = twice[:, :-1] @ factors.items[:2, :-1].T + factors.items[:2, -1] + twice[:, -1:] + factors.prior
    np.testing.assert_allclose(candidates(scorer_of(factors, old_and_new, 1.0), items), expected_2x2, atol=1e-4)
    assert not np.allclose(candidates(scorer_of(factors, old_and_new, None), items), expected_2x2, atol=1e-2)


def candidates(scorer: Scorer, items: np.ndarray) -> np.ndarray:
    """Scores of two listeners."""
    return np.asarray(scorer.candidates(np.arange(2), items))


def test_all_are_set_beside_the_plain_factorisation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    ratings = [
        f"{user}::{item}::{rng.integers(11)}::{1_362_062_205 + DAY * int(day)}"
        for user in range(80)
        for item, day in zip(rng.permutation(30)[:20], rng.integers(100, size=20), strict=True)
    ]
    (tmp_path / "ratings.dat").write_text("\n".join(ratings))
    films = [f"{item}::Film {item} ({1990 + item})::{'Drama|War' if item % 2 else 'Comedy'}" for item in range(30)]
    (tmp_path / "movies.dat").write_text("\n".join(films))
    data = ["data=movietweetings", f"data.path={tmp_path}", f"workspace={tmp_path / 'workspace'}"]
    main([*data, "--seeds", "0", "1"])
    told = capsys.readouterr()
    answer = json.loads(told.out)
    numbers, over = answer["pair_accuracy"], answer["over_plain"]
    assert list(numbers) == list(VARIANTS)
    assert all(0 <= value <= 1 for own in numbers.values() for value in own.values())
    for name, own in over.items():
        for metric, (mean, _, _) in own.items():
            assert mean == pytest.approx(numbers[name][metric] - numbers[PLAIN][metric])
    assert set(numbers["recency in training, 90 days"]) == {"test", "test, tail"}
    assert "| content, penalty of 16 |" in told.err
    with pytest.raises(SystemExit):
        main([*data, "data.source.movies=null"])
    assert "has no table of items, and so no genres" in capsys.readouterr().err
