"""MovieTweetings: as published, by hand and for real."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.data.ingested import told
from tests.data.leaks import as_trained, assert_nothing_leaks
from tests.data.published import served
from tests.logs import DAY
from urep_jax.core.types import Feedback
from urep_jax.data.datasets.movietweetings import Builder, MovietweetingsConfig
from urep_jax.data.ingest import IngestError
from urep_jax.data.log import EventLog
from urep_jax.data.prepare import prepare
from urep_jax.data.splits import PaperSplit

RATINGS = "1::0054890::9::1381945744\n1::1408101::5::1382400295\n2::0068646::8::1381620027\n2::0054890::7::1381620000\n"
MOVIES = '0054890::Un "film" (1961)::Drama|Romance\n0068646::Fantômas - À l\'ombre (1913)::Crime\n1408101::None::\n'


def publish(folder: Path, ratings: str = RATINGS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ratings.dat").write_text(ratings, encoding="utf-8")
    (folder / "movies.dat").write_text(MOVIES, encoding="utf-8")
    return folder


def assert_published(log: EventLog) -> None:
    assert told(log) == [
        ("1", "0054890", 1381945744, "up"),
        ("1", "1408101", 1382400295, "down"),
        ("2", "0054890", 1381620000, "skip"),
        ("2", "0068646", 1381620027, "up"),
    ]
    assert (log.name, log.granularity, log.station, log.num_stations) == ("movietweetings", "user", None, 0)


@pytest.mark.parametrize("place", ["", "latest"])
def test_as_published(tmp_path: Path, place: str) -> None:
    publish(tmp_path / "data" / place)
    config = MovietweetingsConfig(path=tmp_path / "data")
    assert_published(prepare(config, tmp_path / "workspace"))
    items = config.builder(tmp_path / "workspace" / "datasets").companion("items")
    assert items is not None
    assert items.to_pylist()[0] == {"item_id": "0054890", "title": 'Un "film" (1961)', "genres": ["Drama", "Romance"]}
    assert items["title"].to_pylist()[1] == "Fantômas - À l'ombre (1913)"
    assert items["genres"].to_pylist()[2] is None


def test_files_of_other_names(tmp_path: Path) -> None:
    publish(tmp_path)
    ratings, movies = (tmp_path / f"{name}.dat" for name in ("ratings", "movies"))
    ratings.rename(tmp_path / "ratings_100k.dat")
    movies.rename(tmp_path / "films.dat")
    config = MovietweetingsConfig(path=tmp_path / "ratings_100k.dat", movies="films.dat")
    assert_published(prepare(config, tmp_path / "workspace"))
    alone = MovietweetingsConfig(path=tmp_path / "ratings_100k.dat", movies=None)
    assert_published(prepare(alone, tmp_path / "workspace"))
    assert alone.builder(tmp_path / "workspace" / "datasets").companion("items") is None


def test_missing_files_are_told_with_where_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"holds no ratings\.dat; get it from https://github\.com/sidooms/Movie"
    ):
        prepare(MovietweetingsConfig(path=tmp_path), tmp_path / "workspace")
    publish(tmp_path)
    (tmp_path / "movies.dat").unlink()
    with pytest.raises(FileNotFoundError, match=r"movies\.dat doesn't exist; .* beside ratings\.dat is called"):
        prepare(MovietweetingsConfig(path=tmp_path), tmp_path / "workspace")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1::5::1381945744", r"ratings\.dat, line 5: '1::5::1381945744': the line should have 4 fields"),
        ("1::5::good::1381945744", r"ratings\.dat, line 5: feedback is 'good': must be a finite number"),
        ("1::5::7::", r"ratings\.dat, line 5: timestamp is None: the time is missing"),
    ],
)
def test_a_bad_line_is_told(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(IngestError, match=message):
        prepare(MovietweetingsConfig(path=publish(tmp_path, RATINGS + line + "\n")), tmp_path / "workspace")


@pytest.mark.parametrize(("portion", "place"), [("latest", "latest"), ("100K", "snapshots/100K")])
def test_downloads_without_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, portion: str, place: str) -> None:
    publish(tmp_path / "site" / place)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with served(tmp_path / "site") as address:
        monkeypatch.setattr("urep_jax.data.datasets.movietweetings.movietweetings_dataset_builder.URL", address)
        config = MovietweetingsConfig(portion=portion)
        assert_published(prepare(config, tmp_path / "workspace"))
    items = config.builder(tmp_path / "workspace" / "datasets").companion("items")
    assert items is not None
    assert items.num_rows == 3


def test_the_builder_is_laid_out_as_tfds_does() -> None:
    metadata = Builder.get_metadata()
    assert "MIT license" in metadata.description
    assert "dooms2013movietweetings" in metadata.citation


def test_what_comes_after_the_cut_changes_no_training(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [(user, film, rng.integers(11), rng.integers(100) * DAY) for user in range(20) for film in range(30)]
    rows += [(99, 0, 9, 0), (99, 1, 9, 100 * DAY)]
    flipped = [(user, film, rating if time < 70 * DAY else 10 - rating, time) for user, film, rating, time in rows]
    trained = []
    for number, each in enumerate((rows, flipped)):
        text = "".join(f"{user}::{film}::{rating}::{time}\n" for user, film, rating, time in each)
        log = prepare(MovietweetingsConfig(path=publish(tmp_path / str(number), text)), tmp_path / "workspace")
        split = PaperSplit(test_days=30, min_events=5)(log)
        assert_nothing_leaks(log, split, 70 * DAY)
        assert len(split.validation)
        trained.append(as_trained(log, split))
    assert trained[0] == trained[1]


def test_for_real(data_folder: Callable[[str], Path], tmp_path: Path) -> None:
    path = data_folder("movietweetings") / "ratings_latest_143k.dat"
    config = MovietweetingsConfig(path=path, movies="movies_latest.dat")
    log = prepare(config, tmp_path)
    assert (log.num_events, log.num_sequences, log.num_items) == (141_695, 21_081, 12_611)
    builder = config.builder(tmp_path / "datasets")
    assert json.loads((Path(builder.data_dir) / "ingest.json").read_text())["rejected"] == 0
    ratings = np.loadtxt(path, dtype=np.int64, delimiter=":", usecols=(0, 2, 4, 6))
    for feedback, given in (
        (Feedback.UP, ratings[:, 2] >= 8),
        (Feedback.SKIP, (ratings[:, 2] > 5) & (ratings[:, 2] < 8)),
        (Feedback.DOWN, ratings[:, 2] <= 5),
    ):
        assert int((log.feedback == feedback).sum()) == int(given.sum())
    items = builder.companion("items")
    assert items is not None
    assert set(log.item_ids.to_pylist()) <= set(items["item_id"].to_pylist())

    split = PaperSplit(test_days=30, min_events=5)(log)
    cut = int(np.max(log.timestamp)) - 30 * DAY
    assert_nothing_leaks(log, split, cut)
    # By NumPy: users with five ratings before the last 30 days, and an up and a down within them.
    late = ratings[:, 3] >= cut
    both = set(ratings[late & (ratings[:, 2] >= 8), 0]) & set(ratings[late & (ratings[:, 2] <= 5), 0])
    users, earlier = np.unique(ratings[~late, 0], return_counts=True)
    expected = both & set(users[earlier >= 5])
    assert {int(log.sequence_ids[s].as_py()) for s in split.test.sequence} == expected
    assert split.test.num_users == 638
