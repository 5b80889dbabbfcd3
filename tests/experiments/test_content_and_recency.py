"""The benchmark that tells what content and recency do for pairs."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy.sparse import csr_array

from benchmarks.content_and_recency import PLAIN, VARIANTS, Known, Variant, content_matrix, fit, known_of, main
from tests.data.test_sequences import whole
from tests.logs import DAY, Row, log_of
from urep_jax.baselines.logistic_factors import fit_factors, regress
from urep_jax.core.types import Feedback
from urep_jax.evaluation.scorer import Scorer

SIGNS = {Feedback.UP: 1.0, Feedback.DOWN: -1.0}


def test_content_is_genres_and_years() -> None:
    log = log_of([Row(0, 0, item, "up") for item in range(4)], num_items=4)
    ids = log.item_ids.to_pylist()
    items = {"item_id": [ids[2], ids[0], ids[1]], "genres": [["Drama"], ["Comedy", "Drama"], None]}
    items["title"] = ["Late (1999)", "Early (1950)", "A title without a year"]
    found = content_matrix(log, pa.table(items))
    # Comedy, Drama, from 1950, from 1998, and the one that all have.
    np.testing.assert_array_equal(
        found, [[1, 1, 1, 0, 1], [0, 0, 0, 0, 1], [0, 1, 0, 1, 1], [0, 0, 0, 0, 1]], err_msg="of the log's items"
    )


def test_ages_are_of_the_latest_event_that_says_anything() -> None:
    events = [Row(0, 0, 1, "down"), Row(0, 2 * DAY, 1, "up"), Row(0, 3 * DAY, 0, "skip"), Row(1, 4 * DAY, 0, "down")]
    log = log_of(events, num_items=2)
    known = known_of(log, log.offsets[:-1], log.offsets[1:], SIGNS)
    np.testing.assert_array_equal(known.labels.toarray(), [[0, 1], [-1, 0]])
    np.testing.assert_array_equal(known.age_days, [1, 0])
    at_four = known_of(log, log.offsets[:-1], log.offsets[1:], SIGNS, now=4.0 * DAY)
    np.testing.assert_array_equal(at_four.age_days, [2, 0])


def test_weights_fall_with_age_and_have_a_mean_of_one() -> None:
    labels = csr_array(np.array([[1.0, -1.0, 1.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]))
    known = Known(labels, np.array([0, 2, 4, 4], np.float32))
    one, two = np.exp(-1), np.exp(-2)
    over_all = np.array([1, one, two, two])
    np.testing.assert_allclose(known.weights(2, by_listener=False), over_all / over_all.mean(), rtol=1e-6)
    own = over_all[:3] / over_all[:3].mean()
    np.testing.assert_allclose(known.weights(2, by_listener=True), [*own, 1], rtol=1e-6)
    np.testing.assert_array_equal(known.weights(None, by_listener=True), 1)


@pytest.fixture(scope="module")
def labels() -> csr_array:
    """Of 40 listeners and 12 items, with rows and columns of different lengths."""
    rng = np.random.default_rng(1)
    says = rng.random((40, 12)) < np.linspace(0.2, 0.9, 12)
    return csr_array(np.where(says, rng.choice([-1.0, 1.0], (40, 12)), 0.0).astype(np.float32))


def test_without_more_it_is_the_baseline() -> None:
    rng = np.random.default_rng(0)
    words = ["up", "down", "skip"]
    log = log_of([Row(u, t * DAY, int(rng.integers(9)), str(rng.choice(words))) for u in range(30) for t in range(12)])
    split = whole(log)
    signs = {Feedback.SKIP: 0.0, **SIGNS}
    known = known_of(log, split.start[split.train], split.stop[split.train], signs)
    ones = known.weights(None, by_listener=False)
    content_VxK = np.ones((log.num_items, 1), np.float32)
    found = fit(known.labels, ones, content_VxK, Variant(), seed=3)
    baseline = fit_factors(log, split, skips=True, seed=3)
    np.testing.assert_array_equal(found.items, baseline.items)
    assert found.prior == baseline.prior


def test_what_weighs_nothing_is_as_if_it_were_not_there(labels: csr_array) -> None:
    rng = np.random.default_rng(2)
    # As many ups as downs are left out, and the odds on the whole stay even.
    kinds = [np.flatnonzero(labels.data == sign) for sign in (-1, 1)]
    few = min(map(len, kinds))
    even = np.sort(np.concatenate([rng.permutation(own)[:few] for own in kinds]))
    out = np.concatenate([rng.permutation(own[np.isin(own, even)])[:20] for own in kinds])

    def only(entries: np.ndarray) -> csr_array:
        row = np.repeat(np.arange(40), np.diff(labels.indptr))
        return csr_array((labels.data[entries], (row[entries], labels.indices[entries])), shape=labels.shape)

    content_VxK, known = np.ones((12, 1), np.float32), only(even)
    weights = np.where(np.isin(even, out), 0, 1).astype(np.float32)
    weighed = fit(known, weights, content_VxK, Variant(), seed=0)
    without = fit(only(np.setdiff1d(even, out)), np.ones(len(even) - 40, np.float32), content_VxK, Variant(), seed=0)
    np.testing.assert_allclose(weighed.items, without.items, atol=1e-4)
    assert not np.allclose(weighed.items, fit(known, np.ones_like(weights), content_VxK, Variant(), 0).items, atol=1e-2)


def test_of_what_is_known_the_latest_counts(labels: csr_array) -> None:
    factors = fit(labels, np.ones(labels.nnz, np.float32), np.ones((12, 1), np.float32), Variant(), seed=0)
    items = np.array([[0, 1], [0, 1]])
    both = csr_array(np.array([[1.0, -1.0, *[0.0] * 10], [-1.0, 1.0, *[0.0] * 10]], np.float32))
    old_and_new = Known(both, np.array([1000, 0, 1000, 0], np.float32))
    new = csr_array(np.array([[0.0, -1.0, *[0.0] * 10], [0.0, 1.0, *[0.0] * 10]], np.float32))
    # The one that is left weighs as much as both did.
    twice = regress(new, factors.items, factors.prior, factors.penalty, weights=np.full(2, 2.0, np.float32))
    expected_2x2 = twice[:, :-1] @ factors.items[:2, :-1].T + factors.items[:2, -1] + twice[:, -1:] + factors.prior
    scores_2x2 = candidates(factors.scorer(old_and_new, 1.0), items)
    np.testing.assert_allclose(scores_2x2, expected_2x2, atol=1e-4)
    assert not np.allclose(candidates(factors.scorer(old_and_new, None), items), expected_2x2, atol=1e-2)


def candidates(scorer: Scorer, items: np.ndarray) -> np.ndarray:
    """Scores of two listeners."""
    return np.asarray(scorer.candidates(np.arange(2), items))


def test_content_tells_of_items_that_nobody_met() -> None:
    """Half of the listeners like one genre, half the other; of each genre one item is in no event."""
    rng = np.random.default_rng(0)
    genre_V = np.arange(20) % 2
    content_VxK = np.stack([genre_V == 0, genre_V == 1, np.ones(20)], 1).astype(np.float32)
    likes_UxV = np.where(np.arange(60)[:, None] % 2 == genre_V, 1.0, -1.0)
    labels_UxV = np.where(rng.random((60, 20)) < 0.6, likes_UxV, 0.0)
    labels_UxV[:, :2] = 0
    labels = csr_array(labels_UxV.astype(np.float32))
    ones = np.ones(labels.nnz, np.float32)
    told = {}
    for content in (False, True):
        items_VxF = fit(labels, ones, content_VxK, Variant(content=content), seed=0).items
        told[content] = items_VxF[:2, :-1] @ items_VxF[2:, :-1].T
    assert not told[False].any()
    is_alike = genre_V[:2, None] == genre_V[2:]
    assert told[True][is_alike].min() > 0 > told[True][~is_alike].max()


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
        for metric, (mean, half) in own.items():
            assert mean == pytest.approx(numbers[name][metric] - numbers[PLAIN][metric])
            assert half > 0
    assert set(numbers["recency in training, 90 days"]) == {"test", "test, tail"}
    assert "| content, penalty of 16 |" in told.err
    with pytest.raises(SystemExit):
        main([*data, "data.source.movies=null"])
    assert "has no table of items" in capsys.readouterr().err
