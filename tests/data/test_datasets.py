"""Builders: prepared once, read back as they were, whatever the source's layout."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data.published import served
from tests.data.test_log import assert_same, small_log
from urep_jax.core.types import Feedback
from urep_jax.data.datasets import movielens_1m, movielens_100k
from urep_jax.data.datasets.base import EventsBuilder, EventsConfig
from urep_jax.data.datasets.interactions import InteractionsConfig
from urep_jax.data.datasets.movielens_1m import Movielens1mConfig
from urep_jax.data.datasets.movielens_100k import Movielens100kConfig
from urep_jax.data.ingest.companions import write_companion
from urep_jax.data.ingest.files import IngestError, TextFormat
from urep_jax.data.ingest.rules import Clock
from urep_jax.data.ingest.schema import COMPANIONS, EVENTS
from urep_jax.data.log import EventLog, Granularity
from urep_jax.data.prepare import prepare


@dataclasses.dataclass(frozen=True, kw_only=True)
class InMemoryConfig(EventsConfig):
    scale: float = 1.0

    def builder(self, data_dir: str | os.PathLike[str]) -> "InMemory":
        return InMemory(self, data_dir=data_dir)


class InMemory(EventsBuilder[InMemoryConfig]):
    """A builder that makes its log, as simulations do."""

    granularity: Granularity = "session"
    reads = 0

    def _read(self, folder: Path) -> EventLog:
        type(self).reads += 1
        log = small_log()
        assert log.affinity is not None
        return dataclasses.replace(log, affinity=log.affinity * np.float32(self.settings.scale))


def files_below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")


def test_a_log_made_in_memory_comes_back_as_it_was(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    InMemory.reads = 0
    log = prepare(InMemoryConfig(), tmp_path)
    # Empty sequences, items without events and NaN survive, and so does every number.
    assert_same(log, small_log())
    assert_same(prepare(InMemoryConfig(), tmp_path), small_log())
    shutil.rmtree(tmp_path / "cache")
    assert_same(prepare(InMemoryConfig(), tmp_path), small_log())
    assert InMemory.reads == 1
    assert capfd.readouterr() == ("", "")


def test_another_config_is_another_data_set(tmp_path: Path) -> None:
    one, two = prepare(InMemoryConfig(), tmp_path), prepare(InMemoryConfig(scale=2.0), tmp_path)
    assert one.affinity is not None
    assert two.affinity is not None
    np.testing.assert_array_equal(two.affinity, 2 * one.affinity)
    assert len([path for path in (tmp_path / "cache").iterdir() if path.is_dir()]) == 2


def test_a_builder_declares_its_granularity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InMemory, "granularity", "user")
    with pytest.raises(ValueError, match="read a log of sessions, but declares users"):
        prepare(InMemoryConfig(), tmp_path)
    assert files_below(tmp_path) == []


EVENTS_CSV = "user_id,item_id,timestamp,feedback\n1,a,5,up\n1,b,6,down\n2,a,7,play\n"


def test_interactions(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(EVENTS_CSV + "2,a,8,love\n")
    (tmp_path / "tracks.csv").write_text("song,artist_id,tempo\na,x,120\nb,y,90\n")
    config = InteractionsConfig(
        path=tmp_path / "events.csv",
        name="mine",
        feedback_words={"play": "up"},
        max_rejected_share=0.3,
        companions={"items": tmp_path / "tracks.csv"},
        companion_columns={"items": {"item_id": "song"}},
    )
    log = prepare(config, tmp_path / "workspace")
    assert (log.name, log.num_events, log.feedback.tolist()) == ("mine", 3, [1, 2, 1])
    builder = config.builder(tmp_path / "workspace" / "datasets")
    items = builder.companion("items")
    assert items is not None
    assert items.to_pylist() == [
        {"item_id": "a", "artist_id": "x", "tempo": "120"},
        {"item_id": "b", "artist_id": "y", "tempo": "90"},
    ]
    assert builder.companion("users") is None
    with pytest.raises(ValueError, match="table is 'songs', but must be one of items"):
        builder.companion("songs")
    folder = Path(builder.data_dir)
    assert "love" in (folder / "rejects.csv").read_text()
    assert json.loads((folder / "ingest.json").read_text())["rejected"] == 1
    report = builder.report()
    assert report is not None
    assert report.reasons == {"the feedback must be one of play, up, down, skip": 1}
    assert builder.rejects == folder / "rejects.csv"


def test_sessions(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(EVENTS_CSV.replace("user_id", "session_id"))
    config = InteractionsConfig(path=tmp_path, granularity="session", columns={"user_id": "session_id"})
    assert prepare(config, tmp_path / "workspace").granularity == "session"


def test_sessions_with_a_clock_of_some_contexts(tmp_path: Path) -> None:
    rows = ["s,a,2020-01-01,9,2,up,radio", "s,b,2020-01-01,9,1,skip,radio", "s,c,2020-01-01,9,3,up,album"]
    (tmp_path / "events.csv").write_text("\n".join(["session,item_id,day,hour,n,feedback,context", *rows, ""]))
    config = InteractionsConfig(
        path=tmp_path / "events.csv",
        granularity="session",
        columns={"user_id": "session"},
        clock=Clock(day="day", hour="hour", place="n"),
        where={"context": ["radio"]},
    )
    log = prepare(config, tmp_path / "workspace")
    nine = 1_577_836_800 + 9 * 3600
    assert (log.timestamp.tolist(), log.feedback.tolist()) == ([nine + 1, nine + 2], [Feedback.SKIP, Feedback.UP])


def test_a_changed_source_is_prepared_anew(tmp_path: Path) -> None:
    source = tmp_path / "events.csv"
    source.write_text(EVENTS_CSV)
    assert prepare(InteractionsConfig(path=source), tmp_path / "workspace").num_events == 3
    source.write_text(EVENTS_CSV + "3,c,9,up\n")
    assert prepare(InteractionsConfig(path=source), tmp_path / "workspace").num_events == 4


def test_a_bad_source_leaves_nothing_and_works_once_mended(tmp_path: Path) -> None:
    source = tmp_path / "events.csv"
    source.write_text(EVENTS_CSV + "3,c,never,up\n")
    with pytest.raises(IngestError, match=r"events\.csv, line 5: timestamp is 'never'"):
        prepare(InteractionsConfig(path=source), tmp_path / "workspace")
    assert files_below(tmp_path / "workspace") == []
    source.write_text(EVENTS_CSV)
    assert prepare(InteractionsConfig(path=source), tmp_path / "workspace").num_events == 3


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("where", ["radio"], r"where is \['radio'\], but must be a mapping"),
        ("thresholds", 4, "thresholds is 4, but must say a column and where ups and downs begin"),
        ("text", ";", "text is ';', but must say a delimiter, names, an encoding and a quote"),
        ("companion_columns", {"items": "song"}, r"companion_columns of items is 'song', but must be .* \{items: \{a"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_values_of_the_wrong_kind_are_refused(tmp_path: Path, field: str, value: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        InteractionsConfig(path=tmp_path, **{field: value})


def test_companions_are_named_and_found(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="companions names 'songs'"):
        InteractionsConfig(path=tmp_path, companions={"songs": tmp_path})
    (tmp_path / "events.csv").write_text(EVENTS_CSV)
    config = InteractionsConfig(path=tmp_path / "events.csv", companions={"users": tmp_path / "nobody.csv"})
    with pytest.raises(FileNotFoundError, match=r"nobody\.csv doesn't exist"):
        prepare(config, tmp_path / "workspace")


# Companion tables


def test_companion_types(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user_id,timestamp,artists\n7,2020-01-01,x|y\n8,5,\n")
    table = {"user_id": [9], "timestamp": [6], "artists": [["z"]], "line": ["extra"]}
    pq.write_table(pa.table(table), tmp_path / "b.parquet")
    assert write_companion("onboarding", tmp_path, tmp_path / "out.parquet") == 3
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == [
        {"user_id": "7", "timestamp": 1_577_836_800, "artists": ["x", "y"], "line": None},
        {"user_id": "8", "timestamp": 5, "artists": None, "line": None},
        {"user_id": "9", "timestamp": 6, "artists": ["z"], "line": "extra"},
    ]


def test_dates_of_companions_may_be_spelled_out(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("user_id\tregistered_at\n7\tFeb 1, 2006\n8\t2006-02-01\n9\t\n")
    write_companion("users", tmp_path / "a.tsv", tmp_path / "out.parquet", text=TextFormat(delimiter="\t"))
    assert pq.read_table(tmp_path / "out.parquet")["registered_at"].to_pylist() == [1138752000, 1138752000, None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user_id,age\n1,20\n2,old\n", r"users\.csv, line 3: age is 'old', but must be a int32"),
        ("user_id,age\n,20\n", r"users\.csv, line 2: user_id is missing"),
        ("user_id,age\n1,20\n2\n", r"users\.csv, line 3: the line should have 2 fields"),
        ("id,age\n1,20\n", r"users\.csv has no column 'user_id'.*with companion_columns=\{'users': \{'user_id'"),
        ("", r"users\.csv is empty"),
    ],
)
def test_a_bad_companion_is_told(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "users.csv").write_text(text)
    with pytest.raises(IngestError, match=message):
        write_companion("users", tmp_path / "users.csv", tmp_path / "out.parquet")
    assert files_below(tmp_path) == ["users.csv"]


def test_the_schema_names_what_everybody_brings() -> None:
    assert EVENTS.required == ("user_id", "item_id", "timestamp", "feedback")
    assert list(COMPANIONS) == ["items", "artists", "users", "onboarding", "follows", "playlists"]


# MovieLens

RATINGS_1M = "1::10::5::100\n1::20::3::90\n2::10::4::50\n2::30::1::60\n"
USERS_1M = "1::F::1::10::48067\n2::M::56::16::70072\n"
MOVIES_1M = '10::Misérables, Les (1995)::Drama|Musical\n20::"Quoted" (1996)::Comedy\n30::Other (1997)::Drama\n'


def write_movielens_1m(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"ratings.dat": RATINGS_1M, "users.dat": USERS_1M, "movies.dat": MOVIES_1M}.items():
        (folder / name).write_text(text, encoding="latin-1")
    return folder


def assert_small_movielens(log: EventLog) -> None:
    assert (log.sequence_ids.to_pylist(), log.item_ids.to_pylist()) == (["1", "2"], ["10", "20", "30"])
    assert log.item.tolist() == [1, 0, 0, 2]
    assert [Feedback(code).word for code in log.feedback] == ["down", "up", "up", "down"]


def test_movielens_1m_as_published(tmp_path: Path) -> None:
    config = Movielens1mConfig(path=write_movielens_1m(tmp_path / "ml"))
    log = prepare(config, tmp_path / "workspace")
    assert_small_movielens(log)
    assert (log.name, log.granularity) == ("movielens_1m", "user")
    builder = config.builder(tmp_path / "workspace" / "datasets")
    items, users = builder.companion("items"), builder.companion("users")
    assert items is not None
    assert users is not None
    assert items["title"].to_pylist() == ["Misérables, Les (1995)", '"Quoted" (1996)', "Other (1997)"]
    assert users.select(["user_id", "age"]).to_pylist() == [{"user_id": "1", "age": 1}, {"user_id": "2", "age": 56}]


def test_movielens_1m_events_table(data_folder: Callable[[str], Path], tmp_path: Path) -> None:
    log = prepare(Movielens1mConfig(path=data_folder("movielens-1m")), tmp_path)
    assert (log.num_events, log.num_sequences, log.num_items) == (998_121, 6_040, 3_416)
    assert set(np.unique(log.feedback)) == {Feedback.UP, Feedback.DOWN}
    assert np.all(np.diff(log.timestamp)[np.diff(np.repeat(np.arange(6040), np.diff(log.offsets))) == 0] >= 0)


def test_movielens_100k(data_folder: Callable[[str], Path], tmp_path: Path) -> None:
    config = Movielens100kConfig(path=data_folder("movielens-100k"))
    log = prepare(config, tmp_path)
    assert (log.num_events, log.num_sequences, log.num_items) == (100_000, 943, 1_682)
    ratings = np.loadtxt(data_folder("movielens-100k") / "u.data", dtype=int)
    assert int((log.feedback == Feedback.UP).sum()) == int((ratings[:, 2] >= 4).sum())
    builder = config.builder(tmp_path / "datasets")
    items, users = builder.companion("items"), builder.companion("users")
    assert items is not None
    assert users is not None
    assert (items.num_rows, users.num_rows) == (1_682, 943)


@pytest.mark.parametrize("config", [Movielens1mConfig, Movielens100kConfig])
def test_missing_files_are_told_with_where_to_get_them(config: type[Movielens1mConfig], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"unpack https://files\.grouplens\.org/datasets/movielens/ml-1"):
        prepare(config(path=tmp_path), tmp_path / "workspace")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A web server on this machine that offers the publisher's archive, shrunk."""
    folder = tmp_path / "site"
    write_movielens_1m(folder / "ml-1m")
    with zipfile.ZipFile(folder / "ml-1m.zip", "w") as archive:
        for path in sorted((folder / "ml-1m").iterdir()):
            archive.write(path, f"ml-1m/{path.name}")
    with served(folder) as address:
        yield f"{address}/ml-1m.zip"


def test_movielens_downloads_without_a_path(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urep_jax.data.datasets.movielens_1m.movielens_1m_dataset_builder.URL", server)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert_small_movielens(prepare(Movielens1mConfig(), tmp_path / "workspace"))


@pytest.mark.parametrize("module", [movielens_1m, movielens_100k])
def test_builders_are_laid_out_as_tfds_does(module: ModuleType, tmp_path: Path) -> None:
    builder_class: type[EventsBuilder] = module.Builder
    metadata = builder_class.get_metadata()
    assert "GroupLens" in metadata.description
    assert "harper2015movielens" in metadata.citation
    assert [info.size for info in builder_class.url_infos.values()] in ([5_917_549], [4_924_029])


def test_tensorflow_is_never_imported(tmp_path: Path) -> None:
    write_movielens_1m(tmp_path / "ml")
    program = (
        "import sys\n"
        "from urep_jax.data.datasets.movielens_1m import Movielens1mConfig\n"
        "from urep_jax.data.prepare import prepare\n"
        f"prepare(Movielens1mConfig(path={str(tmp_path / 'ml')!r}), {str(tmp_path / 'workspace')!r})\n"
        "print(sorted({'tensorflow', 'apache_beam', 'hydra'} & set(sys.modules)))\n"
    )
    strict = ["-W", "error", "-W", "ignore:label() is deprecated:DeprecationWarning"]  # TFDS's, see pyproject.toml
    result = subprocess.run([sys.executable, *strict, "-c", program], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "[]\n", "")


def test_text_format_of_a_config_reaches_the_reader(tmp_path: Path) -> None:
    (tmp_path / "events.tsv").write_text(EVENTS_CSV.replace(",", "\t"))
    config = InteractionsConfig(path=tmp_path / "events.tsv", text=TextFormat(delimiter="\t"))
    assert prepare(config, tmp_path / "workspace").num_events == 3
