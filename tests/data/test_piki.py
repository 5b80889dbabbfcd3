"""Piki: both published layouts, by hand, and five hundred real rows."""

import csv
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.data.ingested import told
from tests.data.leaks import as_trained, assert_nothing_leaks
from tests.data.published import served
from tests.logs import DAY
from urep_jax.core.types import Feedback
from urep_jax.data.datasets.piki import Builder, PikiConfig
from urep_jax.data.ingest import IngestError
from urep_jax.data.prepare import prepare
from urep_jax.data.splits import PaperSplit

OLD = "id,liked,personalized,song_id,spotify_popularity,timestamp,user_id"
NEW = "timestamp,user_id,song_id,liked,personalized,spotify_popularity,treatment_group"
FROM_PANDAS = "," + NEW  # The index that pandas writes has no name.
ANSWERS = [
    # user, song, liked, personalized, timestamp
    (7, 30, 2, 1, "2019-06-21 00:00:05"),
    (7, 31, 0, 2, "2019-06-21 00:00:01"),
    (7, 32, 1, 0, "2019-06-21 00:00:09"),
    (8, 30, 1, 1, "2023-07-06 14:48:11"),
]
MOMENT = 1561075200  # 2019-06-21
ALL = [
    ("7", "31", MOMENT + 1, "down"),
    ("7", "30", MOMENT + 5, "up"),
    ("7", "32", MOMENT + 9, "up"),
    ("8", "30", 1688654891, "up"),
]


def published(header: str, answers: Iterable[tuple[int, int, int, int, str]] = ANSWERS) -> str:
    lines = [header]
    for number, (user, song, liked, personalized, timestamp) in enumerate(answers):
        row = {"": number, "id": number, "user_id": user, "song_id": song, "liked": liked, "timestamp": timestamp}
        row |= {"personalized": personalized, "spotify_popularity": 50, "treatment_group": 0}
        lines.append(",".join(str(row[column]) for column in header.split(",")))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("header", [OLD, NEW, FROM_PANDAS], ids=["old", "new", "new with an index"])
def test_columns_in_any_order(tmp_path: Path, header: str) -> None:
    (tmp_path / "piki_dataset.csv").write_text(published(header))
    log = prepare(PikiConfig(path=tmp_path, personalized=[2, 0, 1, 1]), tmp_path / "workspace")
    assert told(log) == ALL
    assert (log.name, log.granularity, log.station, log.num_stations) == ("piki", "user", None, 0)


@pytest.mark.parametrize(
    ("personalized", "expected"),
    [((1, 2), [ALL[0], ALL[1], ALL[3]]), ((1,), [ALL[1], ALL[3]]), ((0,), [ALL[2]]), ((0, 1, 2), ALL)],
)
def test_which_songs_are_read(tmp_path: Path, personalized: tuple[int, ...], expected: list) -> None:
    (tmp_path / "piki_dataset.csv").write_text(published(NEW))
    config = PikiConfig(path=tmp_path, personalized=personalized)
    assert told(prepare(config, tmp_path / "workspace")) == expected
    report = Path(config.builder(tmp_path / "workspace" / "datasets").data_dir) / "ingest.json"
    assert json.loads(report.read_text())["left_out"] == len(ALL) - len(expected)
    # As the paper does.
    assert PikiConfig().personalized == (1, 2)


@pytest.mark.parametrize("personalized", [(), (3,), (1, -1)])
def test_personalized_is_checked(personalized: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"personalized is \[.*\], but must be one or more of \[0, 1, 2\]"):
        PikiConfig(personalized=personalized)


def zipped(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("piki_dataset.csv", published(NEW))
        archive.writestr("__MACOSX/._piki_dataset.csv", "\0")
    return path


@pytest.mark.parametrize("place", ["piki_dataset.csv.zip", "data/piki_dataset.csv.zip"])
def test_the_zip_as_published(tmp_path: Path, place: str) -> None:
    archive = zipped(tmp_path / place)
    for path in (tmp_path, archive):
        assert told(prepare(PikiConfig(path=path, personalized=(0, 1, 2)), tmp_path / "workspace")) == ALL


def test_downloads_without_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zipped(tmp_path / "site" / "piki_dataset.csv.zip")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with served(tmp_path / "site") as address:
        url = f"{address}/piki_dataset.csv.zip"
        monkeypatch.setattr("urep_jax.data.datasets.piki.piki_dataset_builder.URL", url)
        assert told(prepare(PikiConfig(personalized=(0, 1, 2)), tmp_path / "workspace")) == ALL


def test_a_missing_file_is_told_with_where_to_get_it(tmp_path: Path) -> None:
    where = r"holds no piki_dataset\.csv or piki_dataset\.csv\.zip; get it from https://github\.com/sstoikov/piki"
    with pytest.raises(FileNotFoundError, match=where):
        prepare(PikiConfig(path=tmp_path), tmp_path / "workspace")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text.replace("liked", "loved"), r"piki_dataset\.csv has no column 'liked'"),
        (lambda text: text.replace("personalized", "chosen"), r"piki_dataset\.csv has no column 'personalized'"),
        (lambda text: text.replace(",2,1,", ",3,1,"), r"piki_dataset\.csv, line 2: feedback is '3': .* one of 2, 1, 0"),
        (lambda text: text[: -len(",50,0\n")], r"piki_dataset\.csv, line 5: the file ends in the middle"),
    ],
)
def test_a_bad_file_is_told(tmp_path: Path, spoil: Callable[[str], str], message: str) -> None:
    (tmp_path / "piki_dataset.csv").write_text(spoil(published(NEW)))
    with pytest.raises(IngestError, match=message) as error:
        prepare(PikiConfig(path=tmp_path), tmp_path / "workspace")
    assert "; get it again from https://github.com/sstoikov/piki" in str(error.value)
    for knob in ("columns=", "where", "feedback_words", "max_rejected_share", "delimiter"):
        assert knob not in str(error.value), "Piki's config has no such knob"


def test_the_builder_is_laid_out_as_tfds_does() -> None:
    metadata = Builder.get_metadata()
    assert "MIT license" in metadata.description
    assert "stoikov2021piki" in metadata.citation


def test_what_comes_after_the_cut_changes_no_training(tmp_path: Path) -> None:
    days = [f"2020-{1 + day // 28:02}-{1 + day % 28:02} 12:00:00" for day in range(112)]
    answers = [(user, song, (user + song) % 3, 1, days[song]) for user in range(20) for song in range(112)]
    flipped = [(u, s, k if day < days[84] else 2 - k, p, day) for u, s, k, p, day in answers]
    trained = []
    for number, each in enumerate((answers, flipped)):
        file = tmp_path / f"{number}.csv"
        file.write_text(published(NEW, each))
        log = prepare(PikiConfig(path=file), tmp_path / "workspace")
        split = PaperSplit(cut="2020-04-01")(log)
        assert_nothing_leaks(log, split, int(log.timestamp.max()) - 27 * DAY - DAY // 2)
        assert len(split.validation)
        trained.append(as_trained(log, split))
    assert trained[0] == trained[1]


def test_for_real(data_folder: Callable[[str], Path], tmp_path: Path) -> None:
    path = data_folder("piki") / "piki_dataset_sample500.csv"
    log = prepare(PikiConfig(path=path), tmp_path)
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert (log.num_events, log.num_sequences) == (500, 47)
    assert set(log.item_ids.to_pylist()) == {row["song_id"] for row in rows}
    assert Counter(log.feedback.tolist()) == {Feedback.UP: 218, Feedback.DOWN: 282}
    words = {"0": "down", "1": "up"}
    events = Counter((row["user_id"], row["song_id"], words[row["liked"]]) for row in rows)
    assert Counter((user, song, word) for user, song, _, word in told(log)) == events
    # Five days of June 2019: the last two test.
    split = PaperSplit(cut="2019-06-25", min_events=1, validation_share=0.5)(log)
    assert_nothing_leaks(log, split, 1561420800)
