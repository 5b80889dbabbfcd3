"""The benchmark that tells what content and recency do for pairs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from benchmarks import content_and_recency
from benchmarks.content_and_recency import PLAIN, VARIANTS, Known, known_of, main
from experiments.negative_feedback import beginning
from tests.experiments.command import NEGATIVE, Command
from tests.logs import DAY, Row, log_of
from urep_jax.baselines.logistic_factors import ItemFactors, factors_scorer, fit_factors, regress
from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases, Split
from urep_jax.data.log import EventLog
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
    np.testing.assert_allclose(
        candidates(factors_scorer(factors, both, old_and_new.weights(1.0)), items), expected_2x2, atol=1e-4
    )
    assert not np.allclose(candidates(factors_scorer(factors, both), items), expected_2x2, atol=1e-2)


def candidates(scorer: Scorer, items: np.ndarray) -> np.ndarray:
    """Scores of two listeners."""
    return np.asarray(scorer.candidates(np.arange(2), items))


@pytest.fixture
def films(tmp_path: Path) -> list[str]:
    """Knobs of a small log of films with genres, of which each user likes one, and another one later on."""
    rng = np.random.default_rng(0)
    ratings = []
    for user in range(80):
        for item, day in zip(rng.permutation(30)[:20], rng.integers(100, size=20), strict=True):
            likes = (user + item + (day > 50)) % 2 == 0 if rng.random() < 0.8 else rng.random() < 0.5
            ratings.append(f"{user}::{item}::{9 if likes else 2}::{1_362_062_205 + DAY * int(day)}")
    (tmp_path / "ratings.dat").write_text("\n".join(ratings))
    named = [f"{item}::Film {item} ({1990 + item})::{'Drama|War' if item % 2 else 'Comedy'}" for item in range(30)]
    (tmp_path / "movies.dat").write_text("\n".join(named))
    return ["data=movietweetings", f"data.path={tmp_path}", f"workspace={tmp_path / 'workspace'}"]


def test_all_are_set_beside_the_plain_factorisation(
    films: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[tuple[bool, float, float | None]] = []

    def fit(log: EventLog, split: Split, **settings: Any) -> ItemFactors:
        fitted.append((settings["content"] is not None, settings["ridge"], settings["days"]))
        return fit_factors(log, split, **settings)

    known_days: set[float | None] = set()
    weights = Known.weights

    def aged(known: Known, days: float | None) -> np.ndarray:
        known_days.add(days)
        return weights(known, days)

    monkeypatch.setattr(content_and_recency, "fit_factors", fit)
    monkeypatch.setattr(Known, "weights", aged)
    main([*films, "--seeds", "0", "1"])
    told = capsys.readouterr()
    answer = json.loads(told.out)
    numbers, over = answer["pair_accuracy"], answer["over_plain"]
    assert list(numbers) == list(VARIANTS)
    assert all(0 <= value <= 1 for own in numbers.values() for value in own.values())
    for name, own in over.items():
        for metric, (mean, _, _) in own.items():
            assert mean == pytest.approx(numbers[name][metric] - numbers[PLAIN][metric])
    assert set(fitted) == {one[:3] for one in VARIANTS.values()}
    assert len(fitted) == 2 * len(set(fitted)), "two seeds"
    assert known_days == {one.known_days for one in VARIANTS.values()}
    assert all(own["test, tail"] != own["test"] for own in numbers.values())
    assert set(numbers["recency in training, 90 days"]) == {"test", "test, tail"}
    assert "| content, penalty of 16 |" in told.err
    with pytest.raises(SystemExit):
        main([*films, "data.source.movies=null"])
    assert "has no table of items, and so no genres" in capsys.readouterr().err


def test_a_run_begins_with_what_its_knobs_ask_for(
    films: list[str], command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def seen(log: EventLog, split: Split, **settings: Any) -> ItemFactors:
        asked.append(settings)
        return fit_factors(log, split, **settings)

    monkeypatch.setattr(beginning, "fit_factors", seen)
    own = [NEGATIVE, "recipe=item_content", "train.item_days=300", "model.width=16", "model.blocks=1", "max_length=8"]
    small = ["train.epochs=1", "train.batch_size=8", "train.strata=1", "baselines=[]"]
    said = command(*own, *small, *films)
    assert said.status == 0, said.err
    assert [(one["days"], one["content"].sum(0).tolist()) for one in asked] == [(300, [15, 15, 15, 30])]
    said = command(*own, *small, *films, "train.item_content=[colour]", folder=tmp_path / "refused")
    assert "train.item_content is ['colour'], but items have no colour; they have item_id" in said.err
    assert not (tmp_path / "refused" / "vocabulary").exists(), "refused before anything is begun"
