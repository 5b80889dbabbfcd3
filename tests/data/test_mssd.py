"""MSSD: session logs and track features, by hand, in the published layout."""

import gzip
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tests.data.ingested import rejects, told
from tests.data.leaks import as_trained, assert_nothing_leaks
from urep_jax.core.types import Feedback
from urep_jax.data.datasets.mssd import Builder, MssdConfig
from urep_jax.data.ingest import IngestError
from urep_jax.data.log import EventLog
from urep_jax.data.prepare import prepare
from urep_jax.data.splits import PaperSplit
from urep_jax.data.stats import table1

LOG = (
    "session_id,session_position,session_length,track_id_clean,skip_1,skip_2,skip_3,not_skipped,context_switch,"
    "no_pause_before_play,short_pause_before_play,long_pause_before_play,hist_user_behavior_n_seekfwd,"
    "hist_user_behavior_n_seekback,hist_user_behavior_is_shuffle,hour_of_day,date,premium,context_type,"
    "hist_user_behavior_reason_start,hist_user_behavior_reason_end"
)
FEATURES = (
    "track_id,duration,release_year,us_popularity_estimate,acousticness,beat_strength,bounciness,danceability,"
    "dyn_range_mean,energy,flatness,instrumentalness,key,liveness,loudness,mechanism,mode,organism,speechiness,tempo,"
    "time_signature,valence,acoustic_vector_0,acoustic_vector_1,acoustic_vector_2,acoustic_vector_3,acoustic_vector_4,"
    "acoustic_vector_5,acoustic_vector_6,acoustic_vector_7"
)
DATE = 1531612800  # 2018-07-15


class Heard(NamedTuple):
    """One row: how far a track was heard (0 very briefly, 1 briefly, 2 for the most part, 3 whole), and where."""

    session: str
    place: int
    track: str
    heard: int
    hour: int = 16
    date: str = "2018-07-15"
    context: str = "radio"

    def line(self, true: str = "true", false: str = "false") -> str:
        flags = ",".join(true if self.heard <= limit else false for limit in range(3))
        whole = true if self.heard == 3 else false
        return (
            f"{self.session},{self.place},20,{self.track},{flags},{whole},0,1,0,0,0,0,{false},{self.hour},{self.date},"
            f"{true},{self.context},trackdone,trackdone"
        )


ROWS = [
    Heard("0_b", 2, "t_2", 1),
    Heard("0_b", 1, "t_1", 3),
    Heard("0_b", 3, "t_3", 0, context="catalog"),
    Heard("0_b", 4, "t_4", 2, hour=17),
    Heard("0_a", 1, "t_1", 3, hour=23),
    Heard("0_a", 2, "t_5", 0, hour=0),  # past midnight, under the same date
]
RADIO = [
    ("0_a", "t_1", DATE + 23 * 3600 + 1, "up"),
    ("0_a", "t_5", DATE + 23 * 3600 + 2, "skip"),
    ("0_b", "t_1", DATE + 16 * 3600 + 1, "up"),
    ("0_b", "t_2", DATE + 16 * 3600 + 2, "skip"),
    ("0_b", "t_4", DATE + 17 * 3600 + 4, "up"),
]


def text(rows: list[Heard], **words: str) -> str:
    return "\n".join([LOG, *(row.line(**words) for row in rows)]) + "\n"


def publish(folder: Path, rows: list[Heard] = ROWS, name: str = "log_0_20180715_000000000000.csv") -> Path:
    (folder / "training_set").mkdir(parents=True, exist_ok=True)
    (folder / "training_set" / name).write_text(text(rows))
    return folder


def assert_published(log: EventLog) -> None:
    assert told(log) == RADIO
    assert (log.name, log.granularity, log.station, log.num_stations) == ("mssd", "session", None, 0)


def test_as_published(tmp_path: Path) -> None:
    publish(tmp_path / "data")
    config = MssdConfig(path=tmp_path / "data")
    assert_published(prepare(config, tmp_path / "workspace"))
    folder = Path(config.builder(tmp_path / "workspace" / "datasets").data_dir)
    assert json.loads((folder / "ingest.json").read_text())["left_out"] == 1


def test_files_of_many_days_packed_or_not(tmp_path: Path) -> None:
    publish(tmp_path, ROWS[:3])
    packed = tmp_path / "training_set" / "log_1_20180715_000000000000.csv.gz"
    packed.write_bytes(gzip.compress(text(ROWS[3:], true="True", false="False").encode()))
    for path in (tmp_path, tmp_path / "training_set"):
        assert_published(prepare(MssdConfig(path=path), tmp_path / "workspace"))


def test_the_mini_version_and_a_file_by_itself(tmp_path: Path) -> None:
    publish(tmp_path, name="log_mini.csv")
    for path in (tmp_path, tmp_path / "training_set" / "log_mini.csv"):
        assert_published(prepare(MssdConfig(path=path), tmp_path / "workspace"))


def test_track_features_become_the_items(tmp_path: Path) -> None:
    publish(tmp_path)
    (tmp_path / "track_features").mkdir()
    for number in range(2):
        values = ["1.5"] * (len(FEATURES.split(",")) - 1)
        lines = [FEATURES, ",".join([f"t_{number}", *values])]
        (tmp_path / "track_features" / f"tf_00000000000{number}.csv").write_text("\n".join(lines) + "\n")
    config = MssdConfig(path=tmp_path)
    assert len(config.sources()) == 3
    assert_published(prepare(config, tmp_path / "workspace"))
    items = config.builder(tmp_path / "workspace" / "datasets").companion("items")
    assert items is not None
    assert items.column_names == ["item_id", *FEATURES.split(",")[1:]]
    assert items["item_id"].to_pylist() == ["t_0", "t_1"]


@pytest.mark.parametrize(
    ("skipped", "words"),
    [
        ("skip_1", ["up", "skip", "up", "up", "up"]),
        ("skip_2", ["up", "skip", "up", "skip", "up"]),
        ("skip_3", ["up", "skip", "up", "skip", "skip"]),
    ],
)
def test_what_counts_as_a_skip(tmp_path: Path, skipped: str, words: list[str]) -> None:
    log = prepare(MssdConfig(path=publish(tmp_path / "data"), skipped=skipped), tmp_path / "workspace")
    assert [word for *_, word in told(log)] == words


def test_other_contexts(tmp_path: Path) -> None:
    config = MssdConfig(path=publish(tmp_path / "data"), context_types=["radio", "catalog"])
    assert [item for _, item, *_ in told(prepare(config, tmp_path / "workspace"))][2:] == ["t_1", "t_2", "t_3", "t_4"]


def test_twenty_tracks_in_the_order_of_their_places(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [Heard("0_a", place, f"t_{place}", 3, hour=int(rng.integers(24))) for place in range(1, 21)]
    log = prepare(MssdConfig(path=publish(tmp_path, [rows[n] for n in rng.permutation(20)])), tmp_path / "workspace")
    assert [item for _, item, *_ in told(log)] == [f"t_{place}" for place in range(1, 21)]
    assert np.all(np.diff(log.timestamp) > 0)
    table = table1(log)
    assert (table.max_length, table.granularity) == (20, "session")


def test_a_place_past_twenty_is_rejected(tmp_path: Path) -> None:
    rows = [Heard("0_a", 1 + n % 20, f"t_{n}", 3) for n in range(200)]
    config = MssdConfig(path=publish(tmp_path / "data", [*rows, Heard("0_a", 21, "t_x", 3)]))
    prepare(config, tmp_path / "workspace")
    (reject,) = rejects(Path(config.builder(tmp_path / "workspace" / "datasets").data_dir))
    assert (reject["line"], reject["column"], reject["value"]) == ("202", "place", "21")
    assert "whole number from 1 to 20" in reject["reason"]


@pytest.mark.parametrize("column", ["session_id", "track_id_clean", "skip_2", "context_type"])
def test_a_missing_column_is_told(tmp_path: Path, column: str) -> None:
    log = publish(tmp_path) / "training_set" / "log_0_20180715_000000000000.csv"
    log.write_text(log.read_text().replace(column, "other"))
    with pytest.raises(IngestError, match=rf"log_0_20180715_000000000000\.csv has no column '{column}'"):
        prepare(MssdConfig(path=tmp_path), tmp_path / "workspace")


def test_missing_files_are_told_with_where_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"no training_set/log_\*\.csv; .* at https://www\.aicrowd\.com/.*login"
    ):
        prepare(MssdConfig(path=tmp_path), tmp_path / "workspace")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"skipped": "not_skipped"}, "skipped is 'not_skipped', but must be one of skip_1, skip_2, skip_3"),
        ({"context_types": ["car"]}, r"context_types is \['car'\], but must be one or more of \['radio'"),
        ({"context_types": []}, "must be one or more of"),
    ],
)
def test_options_are_checked(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MssdConfig(path="data", **options)


def test_the_builder_is_laid_out_as_tfds_does() -> None:
    metadata = Builder.get_metadata()
    assert "Sequential Skip Prediction" in metadata.description
    assert "brost2019music" in metadata.citation


def days(rng: np.random.Generator, start: int, stop: int) -> list[Heard]:
    """A session of 20 tracks on each of these days of the summer."""
    dates = [str(np.datetime64("2018-07-15") + np.timedelta64(day, "D")) for day in range(start, stop)]
    return [
        Heard(f"{day}_{start}", place, f"t_{rng.integers(9)}", int(rng.integers(4)), date=date)
        for day, date in enumerate(dates, start)
        for place in range(1, 21)
    ]


def test_sessions_of_the_last_month_test_and_change_no_training(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    before, *afters = days(rng, 0, 36), days(rng, 36, 66), days(rng, 36, 66)
    trained = []
    for number, after in enumerate(afters):
        log = prepare(MssdConfig(path=publish(tmp_path / str(number), before + after)), tmp_path / "workspace")
        split = PaperSplit(test_days=30, min_events=1)(log)
        cut = (int(log.timestamp.max()) // 86_400 - 30) * 86_400
        assert_nothing_leaks(log, split, cut)
        assert len(split.validation)
        trained.append(as_trained(log, split))
        begins = log.timestamp[log.offsets[:-1]]
        assert np.all(begins[split.test.sequence] >= cut)
        assert np.all(begins[split.validation.sequence] < cut)
        for c in range(len(split.test)):
            # The last up and the last skip of the session; all that precedes both is the input.
            s, (first, second) = split.test.sequence[c], split.test.event[2 * c : 2 * c + 2]
            kinds = log.feedback[log.offsets[s] : log.offsets[s + 1]]
            lasts = sorted(log.offsets[s] + np.flatnonzero(kinds == kind)[-1] for kind in (Feedback.UP, Feedback.SKIP))
            assert (first, second, split.test.stop[c]) == (*lasts, lasts[0])
    assert trained[0] == trained[1]
