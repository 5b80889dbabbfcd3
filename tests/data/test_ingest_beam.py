"""Ingest by an Apache Beam pipeline gives what it gives on one machine, byte for byte."""

import gzip
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.data.ingested import GOOD, HEADER, NOW, write_csv
from tests.logs import DAY
from urep_jax.core import extras
from urep_jax.core.extras import ExtraMissing
from urep_jax.data.datasets.interactions import InteractionsConfig
from urep_jax.data.ingest import Clock, IngestError, IngestReport, Part, TextFormat, Thresholds, ingest
from urep_jax.data.ingest.merge import merge_logs
from urep_jax.data.ingest.order import check_devices
from urep_jax.data.log import ID_COLUMNS, load_log
from urep_jax.data.prepare import builder_of, prepare

IN_PROCESS = ["--runner=FnApiRunner"]
PROCESSES = [*IN_PROCESS, "--direct_running_mode=multi_processing", "--direct_num_workers=2"]
TWICE = [*IN_PROCESS, "--direct_runner_bundle_repeat=1"]
"""As if each bundle had failed when it was nearly done."""

ALL = (*HEADER, "station_id", "device", "played_ratio", "utc_offset")

pytestmark = pytest.mark.filterwarnings("ignore:::apache_beam")


@pytest.fixture(autouse=True)
def few_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard costs the same however little is in it."""
    monkeypatch.setattr("urep_jax.data.ingest.pipeline._FEWEST", 2)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def same(
    source: Path | Part | Sequence[Part], out: Path, beam: Sequence[str] = IN_PROCESS, **options: Any
) -> IngestReport:
    """Ingest on one machine and by a pipeline: the report, if the folders are the same."""
    options = {"now": NOW, "max_rejected_share": 1.0, **options}
    expected = ingest(source, out / "duckdb", **options)
    assert ingest(source, out / "beam", beam=beam, **options) == expected
    one, two = contents(out / "duckdb"), contents(out / "beam")
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []
    return expected


def nasty(folder: Path) -> list[Part]:
    """Logs that are told in seven ways, with all that can be wrong with them."""
    logs, latin = folder / "logs", folder / "latin"
    rows = [
        ("u", "a", 5, "up", "rock", "phone", 0.25, 3600),
        ("u", "a", 5, "up", "rock", "phone", 0.25, 3600),
        ("v", "a", 5, "up", "jazz", "", 0.5, ""),
        ("u", "b", 5, "skip", "", "", "", ""),
        ("zoë", "日本", 7, "play", "soul", "tv", 1, -3600),
        ("10", "9", 7, "down", "", "phone", "nan", 0),  # no share
        ("9", "10", 7, "down", "", "phone", "", 90_000),  # no offset
        ("u", "a", 9, "undo up", "rock", "", "", ""),
        ("", "a", 9, "up", "", "", "", ""),
        ("v", "a", 5, "up", "jazz", "", 0.5, ""),  # a duplicate
        ("only contradicted", "rare", 9, "up", "far", "odd", "", ""),
        ("only contradicted", "rare", 9, "down", "far", "odd", "", ""),
        *((f"u{n % 7}", f"i{n % 11}", 100 + n % 3, ("up", "skip")[n % 5 == 0], "rock", "", "", "") for n in range(90)),
    ]
    first = write_csv(logs / "b.csv", rows, ALL)
    first.write_text(first.read_text() + '\nu,"i,5,up,,,,\nu,i,5\nu,i,soon,up,,,,\n')
    packed = write_csv(logs / "plain.csv", [("u", "c", 5, "up"), ("u2", "i2", 101, "down"), ("v", "a", 1, "love")])
    (logs / "sub").mkdir()
    (logs / "sub" / "a.csv.gz").write_bytes(gzip.compress(packed.read_bytes()))
    packed.unlink()
    numbers = {"user_id": [1.0, 10.0, np.nan], "item_id": [7, 8, 9], "timestamp": [5, 5, 5], "feedback": 3 * ["up"]}
    pq.write_table(pa.table(numbers), logs / "c.parquet")
    latin.mkdir()
    (latin / "e.dat").write_bytes("josé::1::9::5\nana::1::5.5::2\njosé::2::six::6\n".encode("latin-1"))
    (latin / "f.dat").write_bytes("josé::1::2::6\nana::1::9::2\n".encode("latin-1"))
    named = ("user_id", "timestamp", "song", "artist", "title")
    songs = [("u", 5, "s", "", ""), ("u", 6, "", "X", "T U"), ("u", 7, "", "X T", "U"), ("u", 8, "", "", "T")]
    clocked = [(f"s{n % 2}", f"i{n}", "up", "1970-01-01", n % 3, n % 21) for n in range(30)]
    told = [(f"o'{n}", 'a "b", c', n, "thumb's up", 40 * n, ("radio", "album")[n % 2]) for n in range(6)]
    odd = ('who "really"', "song's", "when", "thumb", "heard", "context")
    rating = Thresholds("rating", up_from=8, down_to=5)
    return [
        Part(source=logs),
        Part(
            source=latin / "*.dat",
            thresholds=rating,
            text=TextFormat("::", ("user_id", "item_id", "rating", "timestamp"), "latin-1"),
        ),
        Part(source=write_csv(folder / "taken.csv", [("u", "b", 9, ""), ("ana", "1", 7, "")]), feedback="undo up"),
        Part(
            source=write_csv(folder / "songs.csv", songs, named),
            columns={"item_id": "song"},
            item_names=[["artist"], ["title"]],
            feedback="play",
        ),
        Part(
            source=write_csv(
                folder / "clock.csv", clocked, ("user_id", "item_id", "feedback", "date", "hour", "place")
            ),
            clock=Clock(day="date", hour="hour", place="place", last_place=20),
        ),
        Part(
            source=write_csv(folder / "it's.csv", told, odd),
            columns=dict(zip((*HEADER, "played_ratio"), odd[:5], strict=True)),
            feedback_words={"thumb's up": "up"},
            percent=True,
            where={"context": ["radio"]},
        ),
    ]


def test_nasty_logs_by_processes(tmp_path: Path) -> None:
    report = same(nasty(tmp_path), tmp_path / "out", PROCESSES, now=DAY - 1, exclusive=("up", "down"))
    assert report.files == 9
    assert min(report.left_out, report.duplicates, report.undone, report.contradictions, report.stations) > 0
    assert len(report.reasons) >= 8
    log = load_log(tmp_path / "out" / "beam")
    assert {"u", "zoë", "josé", "1", "10", "o'2", "s0"} <= set(log.sequence_ids.to_pylist())
    assert "rare" not in log.item_ids.to_pylist()


def test_movielens_1m_by_processes(data_folder: Callable[[str], Path], tmp_path: Path) -> None:
    assert same(data_folder("movielens-1m") / "events.parquet", tmp_path, PROCESSES, now=None).events == 998_121


files = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(["u", "ü", "v10", "9", ""]),
            st.sampled_from(["a", "é", "10", "9"]),
            st.sampled_from([0, 1, 1, DAY, DAY + 1, "soon"]),
            st.sampled_from(["up", "down", "skip", "play", "undo up", "undo down", "love"]),
            st.sampled_from(["", "rock", "jazz"]),
            st.sampled_from(["", "0.5", "2"]),
        ),
        min_size=1,
        max_size=60,
    ),
    min_size=1,
    max_size=4,
)


# A failure isn't made smaller: each try takes seconds.
@settings(
    max_examples=4,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(files=files, stations=st.booleans())
def test_any_small_tables(tmp_path_factory: pytest.TempPathFactory, files: list[list[tuple]], stations: bool) -> None:
    folder = tmp_path_factory.mktemp("tables")
    for number, rows in enumerate(files):
        # Some files have further columns.
        columns = (*HEADER, "station_id", "played_ratio")[: 6 if stations and number != 1 else 4]
        write_csv(folder / "logs" / f"{number}.csv", [row[: len(columns)] for row in rows], columns)
    write_csv(folder / "logs" / "sound.csv", [("w", "z", 0, "up")])
    same(folder / "logs", folder, now=2 * DAY)


# What goes wrong


def cut_csv(folder: Path) -> None:
    (folder / "e.csv").write_text(GOOD + "u1,i3")


def cut_gzip(folder: Path) -> None:
    (folder / "e.csv.gz").write_bytes(gzip.compress(GOOD.encode())[:-12])


def contradictions(folder: Path) -> None:
    write_csv(folder / "e.csv", [("u", "a", 5, "up"), ("u", "a", 5, "down")])


def headers(folder: Path) -> None:
    for path in (folder / "d.csv", folder / "e.csv"):
        path.write_text(GOOD.splitlines()[0] + "\n")


BAD: dict[str, tuple[Callable[[Path], object], dict[str, Any]]] = {
    "cut csv": (cut_csv, {}),
    "cut gzip": (cut_gzip, {}),
    "too many contradict": (contradictions, {}),
    "no rows": (headers, {}),
    "none is kept": (lambda folder: None, {"where": {"item_id": ["x"]}}),
    "none can be used": (lambda folder: write_csv(folder / "d.csv", [("u", "", 5, "up")]), {"max_rejected_share": 1}),
    "no such column": (lambda folder: write_csv(folder / "e.csv", [], HEADER[:3]), {}),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_told_alike_and_leaves_what_was_there(tmp_path: Path, case: str) -> None:
    folder, log = tmp_path / "logs", tmp_path / "out" / "log"
    folder.mkdir()
    (folder / "d.csv").write_text(GOOD)
    ingest(folder, log, now=NOW)
    before = contents(tmp_path / "out")
    spoil, options = BAD[case]
    spoil(folder)
    part = Part(source=folder, where=options.pop("where", {}))
    told = []
    for beam in (None, IN_PROCESS):
        with pytest.raises(IngestError) as error:
            ingest(part, log, beam=beam, now=NOW, **options)
        told.append(str(error.value))
    assert told[0] == told[1]
    assert contents(tmp_path / "out") == before


def test_a_killed_run_leaves_no_log_and_the_next_one_makes_it(tmp_path: Path) -> None:
    source, out = write_csv(tmp_path / "e.csv", [(f"u{n}", "a", n, "up") for n in range(500)]), tmp_path / "out"
    program = (
        "import sys; from urep_jax.data.ingest import ingest, pipeline; pipeline._FEWEST = 200\n"
        f"ingest(sys.argv[1], sys.argv[2], now={NOW}, beam=sys.argv[3:])"
    )
    command = [sys.executable, "-c", program, str(source), str(out / "beam"), *IN_PROCESS]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as run:
        for _ in range(6000):
            if list(out.glob(".beam.*/*/shard-*")):
                break
            assert run.poll() is None
            time.sleep(0.01)
        os.kill(run.pid, signal.SIGKILL)
    assert [path.name for path in out.iterdir() if not path.name.startswith(".beam.")] == []
    assert same(source, out).events == 500


def test_without_beam_an_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(extras.importlib, "import_module", missing)
    (tmp_path / "e.csv").write_text(GOOD)
    with pytest.raises(ExtraMissing, match=r"read by a pipeline with apache_beam, .*pip install -e '\.\[beam\]'"):
        ingest(tmp_path / "e.csv", tmp_path / "out" / "log", beam=IN_PROCESS)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("beam", "message"),
    [
        ("--runner=FnApiRunner", "beam is '--runner=FnApiRunner', but must be a list"),
        (["runner"], "beam holds 'runner', but an option begins with --"),
    ],
)
def test_options_are_checked(beam: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        InteractionsConfig(path="logs", beam=beam)
    with pytest.raises(ValueError, match=message):
        ingest("logs", "log", beam=beam)


def test_more_devices_than_a_log_can_hold() -> None:
    check_devices(32767)
    with pytest.raises(IngestError, match="device holds more different names than the 32767"):
        check_devices(32768)


# What is made of it


def test_a_data_set_is_prepared_the_same(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "logs.csv", [("ann", "7", 5, "up"), ("bob", "8", 6, "skip"), ("ann", "8", 7, "down")])
    items = write_csv(tmp_path / "items.csv", [("7", "X"), ("8", "Y")], ("item_id", "artist_id"))
    prepared = []
    for place, beam in {"duckdb": None, "beam": TWICE}.items():
        config = InteractionsConfig(path=source, companions={"items": items}, beam=beam)
        prepare(config, tmp_path / place)
        builder = builder_of(config, tmp_path / place)
        table = builder.companion("items")
        assert table is not None
        prepared.append((table.to_pylist(), builder.report(), builder.rejects.read_bytes(), builder.fingerprint))
    assert prepared[0] == prepared[1]
    assert contents(tmp_path / "duckdb" / "cache") == contents(tmp_path / "beam" / "cache")


def test_logs_are_merged_user_by_user_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urep_jax.data.ingest.merge._PIECE", 3)
    rows = [(f"u{n % 7}", f"i{n * n % 13}", n, "up") for n in range(60)]
    ingest(write_csv(tmp_path / "e.csv", rows), tmp_path / "whole", now=NOW)
    whole = load_log(tmp_path / "whole")
    ids = {name: getattr(whole, name) for name in ID_COLUMNS}
    logs, numbers = [], []
    for part in range(3):
        own = [row for row in rows if int(row[0][1:]) % 3 == part]
        ingest(write_csv(tmp_path / "e.csv", own), tmp_path / str(part), now=NOW)
        log = load_log(tmp_path / str(part))
        logs.append(log)
        numbers.append({name: np.array([ids[name].index(i).as_py() for i in getattr(log, name)]) for name in ids})
    (tmp_path / "merged").mkdir()
    merge_logs(logs, numbers, ids, tmp_path / "merged", ())
    assert load_log(tmp_path / "merged").digest() == whole.digest()
