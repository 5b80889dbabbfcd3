"""The benchmark that tells what content and recency do for pairs."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy.sparse import csr_array

from benchmarks.content_and_recency import VARIANTS, Known, Variant, content_matrix, fit, known_of, main
from tests.logs import DAY, Row, log_of
from urep_jax.core.types import Feedback

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
    np.testing.assert_allclose(at_four.weights(2), [np.exp(-1), 1])
    np.testing.assert_array_equal(at_four.weights(None), 1)


def test_content_tells_of_items_that_nobody_met() -> None:
    """Half of the listeners like one genre, half the other; of each genre one item is in no event."""
    rng = np.random.default_rng(0)
    genre_V = np.arange(20) % 2
    content_VxK = np.stack([genre_V == 0, genre_V == 1, np.ones(20)], 1).astype(np.float32)
    likes_UxV = np.where(np.arange(60)[:, None] % 2 == genre_V, 1.0, -1.0)
    labels_UxV = np.where(rng.random((60, 20)) < 0.6, likes_UxV, 0.0)
    labels_UxV[:, :2] = 0
    labels = csr_array(labels_UxV.astype(np.float32))
    known = Known(labels, np.zeros(labels.nnz, np.float32))
    told = {}
    for content in (False, True):
        items_VxF = fit(known, content_VxK, Variant(content=content), seed=0).items
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
    numbers = json.loads(told.out)["pairs"]
    assert list(numbers) == list(VARIANTS)
    assert all(0 <= value <= 1 for own in numbers.values() for value in own.values())
    assert "| content, penalty of 16 |" in told.err
    with pytest.raises(SystemExit):
        main([*data, "data.source.movies=null"])
    assert "has no table of items" in capsys.readouterr().err
