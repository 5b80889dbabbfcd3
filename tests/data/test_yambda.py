"""Yambda: listens, thumbs and what undoes them, by hand, in the published layout."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data.ingested import told
from tests.data.leaks import as_trained, assert_nothing_leaks
from tests.data.published import served
from tests.logs import DAY
from urep_jax.data.datasets.yambda import Builder, YambdaConfig
from urep_jax.data.ingest import IngestError
from urep_jax.data.log import EventLog
from urep_jax.data.prepare import prepare
from urep_jax.data.splits import PaperSplit

BASE = {"uid": pa.uint32(), "timestamp": pa.uint32(), "item_id": pa.uint32(), "is_organic": pa.uint8()}
LISTENS = BASE | {"played_ratio_pct": pa.uint16(), "track_length_seconds": pa.uint32()}
EVENTS = ("listens", "likes", "dislikes", "unlikes", "undislikes")

Row = Sequence[int]  # uid, timestamp, item_id, is_organic, and of a listen the percentage and the track's length
LOG: dict[str, list[Row]] = {
    "listens": [
        (10, 0, 7, 1, 100, 200),
        (10, 5, 8, 0, 20, 200),
        (10, 5, 8, 0, 159, 200),
        (10, 30, 9, 0, 0, 180),
        (20, 50, 7, 1, 50, 200),
        (20, 55, 8, 1, 49, 200),
    ],
    "likes": [(10, 0, 7, 1), (20, 60, 9, 0), (20, 65, 8, 0), (20, DAY - 5, 1, 1)],
    "dislikes": [(10, 10, 8, 0), (20, 70, 8, 1)],
    "unlikes": [(20, 80, 8, 1), (20, DAY, 1, 1), (30, 5, 7, 1)],
    "undislikes": [(20, 70, 8, 1)],
}
TOLD = [
    ("10", "7", 0, "play"),
    ("10", "7", 0, "up"),
    ("10", "8", 5, "skip"),
    ("10", "8", 5, "play"),
    ("10", "8", 10, "down"),
    ("10", "9", 30, "skip"),
    ("20", "7", 50, "play"),
    ("20", "8", 55, "skip"),
    ("20", "9", 60, "up"),
    ("20", "1", DAY - 5, "up"),  # unliked on another day
]


def publish(folder: Path, log: dict[str, list[Row]] = LOG) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in log.items():
        types = LISTENS if name == "listens" else BASE
        columns = zip(*rows, strict=True) if rows else [()] * len(types)
        arrays = [pa.array(column, dtype) for column, dtype in zip(columns, types.values(), strict=True)]
        pq.write_table(pa.table(dict(zip(types, arrays, strict=True))), folder / f"{name}.parquet")
    return folder


def publish_artists(folder: Path) -> None:
    mapping = {"artist_id": pa.array([3, 4, 4], pa.uint32()), "item_id": pa.array([7, 7, 8], pa.uint32())}
    pq.write_table(pa.table(mapping), folder / "artist_item_mapping.parquet")


def assert_published(log: EventLog) -> None:
    assert told(log) == TOLD
    assert (log.name, log.granularity, log.station, log.num_stations) == ("yambda", "user", None, 0)


@pytest.mark.parametrize("place", ["", "flat/50m", "flat/500m"])
def test_as_published(tmp_path: Path, place: str) -> None:
    publish(tmp_path / "data" / place)
    publish_artists(tmp_path / "data")
    config = YambdaConfig(path=tmp_path / "data", size="500m" if place == "flat/500m" else "50m")
    log = prepare(config, tmp_path / "workspace")
    assert_published(log)
    nan = np.nan
    np.testing.assert_allclose(log.played_ratio, [1, nan, 0.2, 1, nan, 0, 0.5, 0.49, nan, nan])
    builder = config.builder(tmp_path / "workspace" / "datasets")
    items = builder.companion("items")
    assert items is not None
    assert [(row["item_id"], row["artist_id"]) for row in items.to_pylist()] == [("7", "3"), ("7", "4"), ("8", "4")]
    report = json.loads((Path(builder.data_dir) / "ingest.json").read_text())
    # A like and a dislike are undone, by two of four rows that undo.
    assert (report["rows"], report["events"], report["undone"], report["rejected"]) == (16, 10, 6, 0)


def test_listens_count_as_the_config_says(tmp_path: Path) -> None:
    config = YambdaConfig(path=publish(tmp_path / "data"), skip_below=20, played="up")
    words = [(item, time, word) for user, item, time, word in told(prepare(config, tmp_path / "workspace"))]
    # An unlike takes back a like, and no listen.
    assert words == [
        ("7", 0, "up"),
        ("7", 0, "up"),
        *[("8", 5, "up"), ("8", 5, "up"), ("8", 10, "down"), ("9", 30, "skip")],
        *[("7", 50, "up"), ("8", 55, "up"), ("9", 60, "up"), ("1", DAY - 5, "up")],
    ]


def test_found_by_oneself_or_recommended(tmp_path: Path) -> None:
    path = publish(tmp_path / "data")
    recommended = prepare(YambdaConfig(path=path, is_organic=[0]), tmp_path / "workspace")
    # The like of 65 was undone by a row that isn't recommended itself.
    assert [(item, time, word) for _, item, time, word in told(recommended)] == [
        *[("8", 5, "skip"), ("8", 5, "play"), ("8", 10, "down"), ("9", 30, "skip")],
        ("9", 60, "up"),
    ]
    organic = prepare(YambdaConfig(path=path, is_organic=[1]), tmp_path / "workspace")
    assert [time for *_, time, _ in told(organic)] == [0, 0, 50, 55, DAY - 5]


def test_two_thumbs_in_one_moment_contradict_each_other(tmp_path: Path) -> None:
    many = [(10, 5 * n, 7, 1, 100, 200) for n in range(400)]
    log = LOG | {"listens": many, "likes": [(10, 5, 7, 1)], "dislikes": [(10, 5, 7, 1)]}
    events = told(prepare(YambdaConfig(path=publish(tmp_path, log)), tmp_path / "workspace"))
    assert [word for *_, time, word in events if time == 5] == ["play"]


@pytest.mark.parametrize("name", EVENTS)
def test_a_missing_file_is_told_with_where_to_get_it(tmp_path: Path, name: str) -> None:
    publish(tmp_path)
    (tmp_path / f"{name}.parquet").unlink()
    where = rf"holds no {name}\.parquet; get it from https://huggingface\.co/datasets/yandex/yambda \(flat/50m\)"
    with pytest.raises(FileNotFoundError, match=where):
        prepare(YambdaConfig(path=tmp_path), tmp_path / "workspace")


@pytest.mark.parametrize(
    ("name", "column"), [("listens", "played_ratio_pct"), ("likes", "uid"), ("dislikes", "is_organic")]
)
def test_a_missing_column_is_told(tmp_path: Path, name: str, column: str) -> None:
    file = publish(tmp_path) / f"{name}.parquet"
    pq.write_table(pq.read_table(file).drop_columns([column]), file)
    with pytest.raises(IngestError, match=rf"{name}\.parquet has no column '{column}'"):
        prepare(YambdaConfig(path=tmp_path), tmp_path / "workspace")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": "1b"}, "size is '1b', but must be one of 50m, 500m, 5b"),
        ({"played": "love"}, "played is 'love', but must be one of play, up"),
        ({"skip_below": 0}, "skip_below is 0, but must be a percentage above 0 and at most 100"),
        ({"is_organic": [2]}, r"is_organic is \[2\], but must be one or more of \[0, 1\]"),
        ({"is_organic": []}, "must be one or more of"),
    ],
)
def test_options_are_checked(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        YambdaConfig(**options)


def test_downloads_without_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path / "site" / "flat" / "50m")
    publish_artists(tmp_path / "site")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with served(tmp_path / "site") as address:
        monkeypatch.setattr("urep_jax.data.datasets.yambda.yambda_dataset_builder.URL", address)
        assert_published(prepare(YambdaConfig(), tmp_path / "workspace"))


def test_the_builder_is_laid_out_as_tfds_does() -> None:
    metadata = Builder.get_metadata()
    assert "Apache 2.0" in metadata.description
    assert "ploshkin2025yambda" in metadata.citation


def random_rows(rng: np.random.Generator, start: int, stop: int, *further: int) -> list[Row]:
    """Events of ten users on few tracks, so that much is undone, within these days."""
    times = np.sort(rng.integers(start * DAY // 5, stop * DAY // 5, 40 * (stop - start))) * 5
    return [(int(rng.integers(10)), int(time), int(rng.integers(20)), 1, *further) for time in times]


def test_what_comes_after_the_cut_changes_no_training(tmp_path: Path) -> None:
    """Neither later events do, nor what they undo."""
    rng = np.random.default_rng(0)
    names = {"listens": (100, 200), "likes": (), "dislikes": (), "unlikes": (), "undislikes": ()}
    before = {name: random_rows(rng, 0, 20, *further) for name, further in names.items()}
    trained = []
    for number in range(2):
        after = {name: random_rows(rng, 20, 30, *further) for name, further in names.items()}
        rows = {name: before[name] + after[name] for name in names}
        log = prepare(YambdaConfig(path=publish(tmp_path / str(number), rows)), tmp_path / "workspace")
        split = PaperSplit(cut=20 * DAY)(log)
        assert_nothing_leaks(log, split, 20 * DAY)
        assert len(split.validation)
        trained.append(as_trained(log, split))
    assert trained[0] == trained[1]
