"""Ingest: what is read, what is left out, and what is said of it."""

import datetime
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data.ingested import GOOD, HEADER, NOW, read, rejects, told, write_csv
from urep_jax.data.ingest import ingest
from urep_jax.data.ingest.files import IngestError, TextFormat
from urep_jax.data.ingest.rules import Thresholds
from urep_jax.data.log import NO_STATION, load_log


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet", "crlf"])
def test_files_of_every_kind_give_the_same_log(tmp_path: Path, kind: str) -> None:
    source = tmp_path / f"events.{'csv' if kind == 'crlf' else kind}"
    if kind == "parquet":
        rows = [line.split(",") for line in GOOD.splitlines()[1:]]
        columns = dict(zip(HEADER, zip(*rows, strict=True), strict=True))
        pq.write_table(pa.table(columns | {"timestamp": [int(row[2]) for row in rows]}), source)
    elif kind == "csv.gz":
        source.write_bytes(gzip.compress(GOOD.encode()))
    else:
        source.write_bytes((GOOD.replace("\n", "\r\n") if kind == "crlf" else GOOD).encode())
    log, report = read(source, tmp_path / "log")
    assert told(log) == [(f"u{n % 3}", f"i{n}", 1000 + n, "up") for u in range(3) for n in range(20) if n % 3 == u]
    assert (report.rows, report.events, report.rejected, report.duplicates) == (20, 20, 0, 0)
    assert json.loads((tmp_path / "log" / "ingest.json").read_text())["events"] == 20


def test_ids_of_a_folder_unify_and_ties_keep_file_and_row_order(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    write_csv(folder / "b.csv", [(1, 7, 5, "down"), (1, 9, 5, "up"), ("x", 10, 5, "up")])
    numbers = pa.table({"user_id": [1, 2], "item_id": [8.0, 7.0], "timestamp": [5, 1], "feedback": ["skip", "play"]})
    pq.write_table(numbers, folder / "a.parquet")
    (folder / "_SUCCESS").touch()
    (folder / ".hidden.csv").write_text("not for reading")
    log, report = read(folder, tmp_path / "log")
    # Shorter ids come first, so that 10 follows 9; at equal times a.parquet comes before b.csv.
    assert log.sequence_ids.to_pylist() == ["1", "2", "x"]
    assert log.item_ids.to_pylist() == ["7", "8", "9", "10"]
    assert told(log) == [
        ("1", "8", 5, "skip"),
        ("1", "7", 5, "down"),
        ("1", "9", 5, "up"),
        ("2", "7", 1, "play"),
        ("x", "10", 5, "up"),
    ]
    assert report.files == 2


def test_optional_columns(tmp_path: Path) -> None:
    header = (*HEADER, "station_id", "device", "played_ratio", "utc_offset")
    rows = [("u", "a", 1, "up", "rock", "phone", 0.25, 3600), ("u", "b", 2, "skip", "", "", "", "")]
    log, _ = read(write_csv(tmp_path / "e.csv", rows, header), tmp_path / "log")
    assert log.station is not None
    assert log.device is not None
    assert log.played_ratio is not None
    assert log.utc_offset is not None
    assert log.affinity is None
    assert log.station.tolist() == [0, NO_STATION]
    assert log.device.tolist() == [0, -1]
    np.testing.assert_array_equal(log.played_ratio, np.float32([0.25, np.nan]))
    assert log.utc_offset.tolist() == [3600, 0]
    assert (log.station_ids.to_pylist(), log.device_ids.to_pylist()) == (["rock"], ["phone"])


def test_a_missing_number_is_no_id(tmp_path: Path) -> None:
    # NumPy has no other way to say that an id is missing.
    ids = {"user_id": [1.0, 1.0, 1.0, np.nan], "station_id": [7.0, np.nan, np.nan, 8.0]}
    columns = {name: pa.array(np.array(values)) for name, values in ids.items()}
    columns |= {
        "item_id": pa.array([1, 2, 3, 4]),
        "timestamp": pa.array([1, 2, 3, 4]),
        "feedback": pa.array(4 * ["up"]),
    }
    pq.write_table(pa.table(columns), tmp_path / "e.parquet")
    log, report = read(tmp_path / "e.parquet", tmp_path / "log", max_rejected_share=0.5)
    assert (log.sequence_ids.to_pylist(), log.station_ids.to_pylist()) == (["1"], ["7"])
    assert log.station is not None
    assert log.station.tolist() == [0, NO_STATION, NO_STATION]
    assert report.rejected == 1


def test_mapped_columns_and_words_need_no_escaping(tmp_path: Path) -> None:
    header = ('who "really"', "song's", "when", "thumb")
    rows = [("o'hara", 'a "b", c', 5, "thumb's up"), ("o'hara", "'; DROP TABLE checked; --", 6, "no")]
    log, _ = read(
        write_csv(tmp_path / "it's.csv", rows, header),
        tmp_path / "lo'g",
        columns=dict(zip(HEADER, header, strict=True)),
        feedback_words={"thumb's up": "up", "no": "down"},
    )
    assert told(log) == [("o'hara", 'a "b", c', 5, "up"), ("o'hara", "'; DROP TABLE checked; --", 6, "down")]


def test_several_characters_between_fields_no_header_and_latin_1(tmp_path: Path) -> None:
    source = tmp_path / "ratings.dat"
    source.write_bytes("josé::1::9::5\njosé::2::6::6\nana::1::2::7\n".encode("latin-1"))
    text = TextFormat(delimiter="::", names=("user_id", "item_id", "rating", "timestamp"), encoding="latin-1")
    log, _ = read(source, tmp_path / "log", text=text, thresholds=Thresholds("rating", up_from=8, down_to=5))
    assert told(log) == [("ana", "1", 7, "down"), ("josé", "1", 5, "up"), ("josé", "2", 6, "skip")]


def test_times_are_seconds_or_utc_dates(tmp_path: Path) -> None:
    times = ["7200", "7200.0", "1970-01-01T02:00:00Z", "1970-01-01 02:00:00", "1970-01-01T04:00:00+02:00"]
    log, _ = read(write_csv(tmp_path / "e.csv", [(n, "a", t, "up") for n, t in enumerate(times)]), tmp_path / "log")
    assert log.timestamp.tolist() == [7200] * len(times)
    moment = datetime.datetime(1970, 1, 1, 2, 0, 0, 700_000)
    utc = moment.replace(tzinfo=datetime.UTC)
    for number, column in enumerate([pa.array([moment]), pa.array([utc], pa.timestamp("ns", "Asia/Tokyo"))]):
        source = tmp_path / f"{number}.parquet"
        pq.write_table(pa.table({"user_id": [1], "item_id": [1], "timestamp": column, "feedback": ["up"]}), source)
        log, _ = read(source, tmp_path / "log")
        assert log.timestamp.tolist() == [7200]


# What is left out


BAD_ROWS = {
    ",i,5,up": ("user_id", "", "user id is missing"),
    "u,,5,up": ("item_id", "", "item id is missing"),
    "u,i,,up": ("timestamp", "", "time is missing"),
    "u,i,soon,up": ("timestamp", "soon", "seconds since 1970 or an ISO date"),
    "u,i,nan,up": ("timestamp", "nan", "seconds since 1970 or an ISO date"),
    "u,i,5.5,up": ("timestamp", "5.5", "whole seconds"),
    "u,i,-5,up": ("timestamp", "-5", "before 1970"),
    "u,i,10001,up": ("timestamp", "10001", "future"),
    "u,i,5,": ("feedback", "", "feedback is missing"),
    "u,i,5,love": ("feedback", "love", "one of up, down, skip, play"),
    "u,i,5": ("", "u,i,5", "should have 4 fields"),
    "u,i,5,up,7": ("", "u,i,5,up,7", "should have 4 fields"),
    'u,"i,5,up': ("", 'u,"i,5,up', "quote isn't closed"),
}


@pytest.mark.parametrize("row", BAD_ROWS)
def test_a_bad_row_is_counted_and_told(tmp_path: Path, row: str) -> None:
    lines = GOOD.splitlines()
    # Blank lines are no rows, but they count as lines.
    lines[5:5] = ["", row]
    source = tmp_path / "events.csv"
    source.write_text("\n".join(lines) + "\n")
    log, report = read(source, tmp_path / "log", max_rejected_share=0.05)
    assert (log.num_events, report.rows, report.rejected) == (20, 21, 1)
    (reject,) = rejects(tmp_path / "log")
    column, value, reason = BAD_ROWS[row]
    assert (reject["file"], reject["line"], reject["column"]) == (str(source), "7", column)
    assert reject["value"] == value
    assert reason in reject["reason"]
    with pytest.raises(IngestError, match=r"events\.csv, line 7: .*" + reason) as error:
        ingest(source, tmp_path / "strict", now=NOW)
    assert "no more than 1.00% may be left out" in str(error.value)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("played_ratio", "1.5", "0 to 1"),
        ("played_ratio", "most", "0 to 1"),
        ("played_ratio", "nan", "0 to 1"),
        ("utc_offset", "90000", "50400 at most"),
        ("utc_offset", "0.5", "whole seconds"),
    ],
)
def test_bad_optional_values(tmp_path: Path, column: str, value: str, reason: str) -> None:
    source = write_csv(tmp_path / "e.csv", [("u", "a", 1, "up", value), ("u", "b", 2, "up", "")], (*HEADER, column))
    log, _ = read(source, tmp_path / "log")
    (reject,) = rejects(tmp_path / "log")
    assert log.num_events == 1
    assert (reject["line"], reject["column"], reject["value"]) == ("2", column, value)
    assert reason in reject["reason"]


def test_rejects_of_parquet_name_the_row(tmp_path: Path) -> None:
    table = {"user_id": ["u", None], "item_id": [1, 2], "timestamp": [1, 2], "feedback": ["up", "up"]}
    pq.write_table(pa.table(table), tmp_path / "e.parquet")
    read(tmp_path / "e.parquet", tmp_path / "log")
    (reject,) = rejects(tmp_path / "log")
    assert (reject["line"], reject["column"]) == ("2", "user_id")


def test_bytes_of_another_encoding_are_rejected_with_their_line(tmp_path: Path) -> None:
    source = tmp_path / "e.csv"
    source.write_bytes(GOOD.encode() + "josé,i,5,up\n".encode("latin-1") + "zoë,i,5,up\n".encode())
    log, _ = read(source, tmp_path / "log")
    (reject,) = rejects(tmp_path / "log")
    assert (log.num_events, reject["line"]) == (21, "22")
    assert "isn't utf-8" in reject["reason"]


def test_duplicates_go_and_contradictions_are_rejected(tmp_path: Path) -> None:
    header = (*HEADER, "station_id")
    rows = [
        ("u", "a", 5, "up", "rock"),
        ("u", "a", 5, "up", "rock"),  # an exact duplicate
        ("u", "a", 5, "down", "jazz"),  # another station: data
        ("u", "a", 6, "down", "rock"),  # a change of mind: data
        ("v", "b", 5, "up", ""),
        ("v", "b", 5, "down", ""),
        ("v", "b", 5, "up", ""),
        ("w", "c", 5, "up", "soul"),
    ]
    log, report = read(write_csv(tmp_path / "e.csv", rows, header), tmp_path / "log")
    assert told(log) == [("u", "a", 5, "up"), ("u", "a", 5, "down"), ("u", "a", 6, "down"), ("w", "c", 5, "up")]
    assert (report.duplicates, report.contradictions, report.rejected) == (1, 3, 3)
    assert [(reject["line"], reject["value"]) for reject in rejects(tmp_path / "log")] == [
        ("6", "up"),
        ("7", "down"),
        ("8", "up"),
    ]
    # Who and what appears in contradictions only has left the log.
    assert (log.sequence_ids.to_pylist(), log.item_ids.to_pylist()) == (["u", "w"], ["a", "c"])
    assert log.station is not None
    assert log.station_ids.take(pa.array(log.station)).to_pylist() == ["rock", "jazz", "rock", "soul"]


# What stops the run


def cut_parquet(path: Path) -> None:
    table = {"user_id": ["u"], "item_id": [1], "timestamp": [1], "feedback": ["up"]}
    pq.write_table(pa.table(table), path)
    path.write_bytes(path.read_bytes()[:-30])


BAD_SOURCES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "empty": ("e.csv", lambda path: path.write_text(""), r"e\.csv is empty"),
    "empty parquet": ("e.parquet", lambda path: path.write_bytes(b""), r"e\.parquet is empty"),
    "header only": ("e.csv", lambda path: path.write_text("user_id,item_id,timestamp,feedback\n"), "no rows"),
    "columns": ("e.csv", lambda path: path.write_text("user,item_id,timestamp,feedback\n"), r"no column 'user_id'"),
    "cut csv": ("e.csv", lambda path: path.write_text(GOOD + "u1,i3"), r"e\.csv, line 22: the file ends in the middle"),
    "cut gzip": ("e.csv.gz", lambda path: path.write_bytes(gzip.compress(GOOD.encode())[:-12]), r"e\.csv\.gz is cut"),
    "no gzip": ("e.csv.gz", lambda path: path.write_text(GOOD), "not an intact gzip file"),
    "cut parquet": ("e.parquet", cut_parquet, r"e\.parquet can't be read as Parquet, it may be cut short"),
    "no parquet": ("e.parquet", lambda path: path.write_text(GOOD), r"e\.parquet can't be read as Parquet"),
    "all bad": ("e.csv", lambda path: path.write_text(GOOD.replace("up", "love")), r"line 2: feedback is 'love'"),
}


@pytest.mark.parametrize("case", BAD_SOURCES)
def test_a_bad_source_stops_leaves_nothing_and_works_once_mended(tmp_path: Path, case: str) -> None:
    name, spoil, message = BAD_SOURCES[case]
    folder = tmp_path / "logs"
    folder.mkdir()
    spoil(folder / name)
    with pytest.raises(IngestError, match=message):
        ingest(folder / name, tmp_path / "out" / "log", now=NOW)
    assert list((tmp_path / "out").iterdir()) == []
    (folder / name).unlink()
    (folder / "e.csv").write_text(GOOD)
    assert ingest(folder, tmp_path / "out" / "log", now=NOW).events == 20
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["log"]


def test_an_error_leaves_the_log_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text(GOOD)
    (tmp_path / "bad.csv").write_text("")
    ingest(tmp_path / "good.csv", tmp_path / "log", now=NOW)
    with pytest.raises(IngestError):
        ingest(tmp_path / "bad.csv", tmp_path / "log", now=NOW)
    assert load_log(tmp_path / "log").num_events == 20


def test_a_missing_column_is_told_with_those_found_and_the_mapping(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "e.csv", [], ("user", "track", "timestamp", "feedback"))
    with pytest.raises(IngestError) as error:
        ingest(source, tmp_path / "log")
    assert all(part in str(error.value) for part in ("e.csv", "'user', 'track'", "columns={'user_id': ..., 'item_id'"))
    with pytest.raises(IngestError, match="no column 'nobody'"):
        read(source, tmp_path / "log", columns={"user_id": "nobody", "item_id": "track"})
    with pytest.raises(IngestError, match="columns maps 'uid', but the events table has only"):
        read(source, tmp_path / "log", columns={"uid": "user"})


def test_what_stands_between_fields_is_asked_where_there_is_one_column(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "e.csv", [], [";".join(HEADER)])
    with pytest.raises(IngestError, match=r"or what stands between them with text\.delimiter, if this is several$"):
        ingest(source, tmp_path / "log")
    with pytest.raises(IngestError, match=r"columns=\{'user_id': \.\.\.\}$"):
        ingest(write_csv(tmp_path / "e.csv", [], HEADER[1:]), tmp_path / "log")


def test_past_the_share_rejects_are_counted_by_reason(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(GOOD + "u,,5,up\n" + "u,x,9,love\n" * 3 + "u,x\n")
    with pytest.raises(IngestError) as error:
        ingest(tmp_path / "e.csv", tmp_path / "log", now=NOW, max_rejected_share=0.1)
    told = str(error.value).splitlines()
    assert told[0].startswith(
        "5 of 25 rows can't be used (20.00%), but no more than 10.00% may be left out; mend the so"
    )
    assert told[0].endswith("or raise max_rejected_share")
    assert [line.split(":")[0].strip() for line in told[1:4]] == ["3", "1", "1"]
    assert told[1].endswith(": the feedback must be one of up, down, skip, play")
    assert f"{tmp_path / 'e.csv'}, line 22: item_id is None: the item id is missing" in told[4]


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="doesn't exist"):
        ingest(tmp_path / "nowhere", tmp_path / "log")
    with pytest.raises(FileNotFoundError, match="no file matches"):
        ingest(tmp_path / "*.csv", tmp_path / "log")
    (tmp_path / "logs").mkdir()
    with pytest.raises(FileNotFoundError, match="holds no file that ends in"):
        ingest(tmp_path / "logs", tmp_path / "log")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_rejected_share": 2}, "max_rejected_share is 2"),
        ({"feedback_words": {"yes": "yep"}}, "maps 'yes' to 'yep'"),
        ({"feedback_words": {"y": "up"}, "thresholds": Thresholds("r", 2, 1)}, "both given"),
    ],
)
def test_bad_options(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(tmp_path, tmp_path / "log", **options)


def test_bad_formats() -> None:
    with pytest.raises(ValueError, match="down_to must be"):
        Thresholds("rating", up_from=3, down_to=3)
    assert TextFormat(delimiter=r"\t").delimiter == "\t"
    with pytest.raises(ValueError, match="delimiter is ''"):
        TextFormat(delimiter="")
    with pytest.raises(ValueError, match="encoding is 'utf-16'"):
        TextFormat(encoding="utf-16")
    with pytest.raises(ValueError, match="encoding is 'klingon'"):
        TextFormat(encoding="klingon")
