"""Ingest of sources that are told in several ways: parts, filters, clocks, what is taken back, packed files."""

import datetime
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.ingested import GOOD, HEADER, NOW, read, rejects, told, write_csv
from tests.logs import DAY
from urep_jax.core.types import Feedback
from urep_jax.data.ingest import Clock, IngestError, Part, TextFormat, Thresholds, ingest
from urep_jax.data.log import EventLog, load_log

LATER = 10 * DAY
in_tmp_path = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


# Parts


def test_each_part_is_told_in_its_own_way(tmp_path: Path) -> None:
    ups = write_csv(tmp_path / "ups.csv", [("u", "a", 5), ("v", "b", 5)], HEADER[:3])
    heard = pa.table({"uid": ["u", "u"], "item_id": ["a", "c"], "timestamp": [5, 7], "pct": [80, 20]})
    pq.write_table(heard, tmp_path / "heard.parquet")
    thresholds = Thresholds("pct", up_from=50, down_to=0, high="play", low="skip")
    parts = [
        Part(source=tmp_path / "heard.parquet", columns={"user_id": "uid"}, thresholds=thresholds),
        Part(source=ups, feedback="up"),
    ]
    report = ingest(parts, tmp_path / "log", now=NOW, exclusive=("up", "down"))
    # Within a moment the parts keep their order.
    assert told(load_log(tmp_path / "log")) == [
        ("u", "a", 5, "play"),
        ("u", "a", 5, "up"),
        ("u", "c", 7, "skip"),
        ("v", "b", 5, "up"),
    ]
    assert (report.files, report.rows, report.events) == (2, 4, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"feedback": "love"}, "feedback is 'love', but must be one of up, down, skip, play, undo up, undo down"),
        ({"feedback": "up", "feedback_words": {"y": "up"}}, "feedback and feedback_words are both given"),
        ({"feedback_words": {"y": "undo"}}, "maps 'y' to 'undo', but must map to one of up, down"),
        ({"where": {"context": "radio"}}, "where keeps 'radio' of 'context', but must be a list"),
        ({"where": {"context": []}}, "must be a list of one value or more"),
    ],
)
def test_bad_parts(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Part(source="events.csv", **options)


def test_thresholds_name_feedback() -> None:
    with pytest.raises(ValueError, match="high is 'love', but must be one of up, down, skip, play"):
        Thresholds("rating", up_from=4, down_to=3, high="love")


def test_percent_is_a_share_and_more_than_all_is_all(tmp_path: Path) -> None:
    rows = [("u", f"i{n}", n, "play", value) for n, value in enumerate(["0", "50", "159", "-1", "much", "nan", ""])]
    source = write_csv(tmp_path / "e.csv", rows, (*HEADER, "played_ratio"))
    log, _ = read(source, tmp_path / "log", percent=True)
    np.testing.assert_array_equal(log.played_ratio, np.array([0, 0.5, 1, np.nan], np.float32))
    assert [(reject["line"], reject["value"]) for reject in rejects(tmp_path / "log")] == [
        ("5", "-1"),
        ("6", "much"),
        ("7", "nan"),
    ]
    assert "percentage" in rejects(tmp_path / "log")[0]["reason"]


# Rows that are left out


ROWS = [("u", "a", 5, "up", "radio", 1), ("u", "b", 6, "love", "album", 1), ("v", "c", 7, "up", "radio", 0)]
CONTEXT = (*HEADER, "context", "kind")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_where_leaves_rows_out_before_they_are_judged(tmp_path: Path, kind: str) -> None:
    source = tmp_path / f"e.{kind}"
    if kind == "csv":
        write_csv(source, ROWS, CONTEXT)
        with source.open("a") as file:
            file.write("\nu,d,8\n")
    else:
        pq.write_table(pa.table(dict(zip(CONTEXT, zip(*ROWS, strict=True), strict=True))), source)
    log, report = read(source, tmp_path / "log", where={"context": ["radio", "mix"]})
    assert told(log) == [("u", "a", 5, "up"), ("v", "c", 7, "up")]
    damaged = int(kind == "csv")  # Nobody knows what a damaged line is about: it is told.
    assert (report.rows, report.left_out, report.rejected) == (3 + damaged, 1, damaged)
    assert report.rows == report.events + report.left_out + report.rejected
    log, report = read(source, tmp_path / "log", where={"context": ["radio"], "kind": [1]})
    assert told(log) == [("u", "a", 5, "up")]
    assert report.left_out == 2


def test_where_is_checked(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "e.csv", ROWS, CONTEXT)
    with pytest.raises(
        IngestError, match=r"e\.csv has no column 'mood'; its columns are 'user_id'.*in where, clock or"
    ):
        read(source, tmp_path / "log", where={"mood": ["glad"]})


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_where_that_keeps_nothing_is_told_with_the_values_that_there_are(tmp_path: Path, kind: str) -> None:
    source = tmp_path / f"e.{kind}"
    if kind == "csv":
        write_csv(source, [*ROWS, ("v", "d", 8)], CONTEXT)  # and a damaged line, of which nobody knows what it is about
    else:
        pq.write_table(pa.table(dict(zip(CONTEXT, zip(*ROWS, strict=True), strict=True))), source)
    with pytest.raises(IngestError) as error:
        read(source, tmp_path / "log", where={"context": ["Radio", "tv"], "kind": [1]})
    assert str(error.value) == (
        f"{source}: none of 3 rows is kept: 'context' is 'Radio' or 'tv' in 0 of them, and it holds 'radio' (2), "
        "'album' (1); 'kind' is '1' in 2 of them, and it holds '1' (2), '0' (1); name values in where that are there"
    )


def test_of_many_values_the_most_frequent_are_told(tmp_path: Path) -> None:
    rows = [("u", f"i{n}", n, "up", f"c{min(n, 11)}") for n in range(20)]
    files = [write_csv(tmp_path / f"{number}.csv", rows, (*HEADER, "context")) for number in range(2)]
    parts = [Part(source=file, where={"context": ["x"]}) for file in files]
    with pytest.raises(
        IngestError, match=r"of 40 rows .* holds 'c11' \(18\), 'c0' \(2\), ('c\d+' \(2\), ){6}\.\.\.; name"
    ):
        ingest(parts, tmp_path / "log", now=NOW)


# Items that go by names

NAMED = ("user_id", "timestamp", "song", "artist_id", "artist", "title")
NAMES = {"columns": {"item_id": "song"}, "item_names": [["artist_id", "artist"], ["title"]], "feedback": "play"}


@pytest.mark.parametrize("kind", ["tsv", "parquet"])
def test_without_an_id_an_item_goes_by_names(tmp_path: Path, kind: str) -> None:
    names = [("s", "a", "X", "T"), ("", "a", "X", "T"), ("", "", "X", "T"), ("", "", "X T", "U"), ("", "", "X", "T U")]
    rows = [("u", str(time), *row) for time, row in enumerate([*names, ("", "", "X", ""), ("", "", "", "T")])]
    source = tmp_path / f"e.{kind}"
    if kind == "tsv":
        source.write_text("\n".join("\t".join(row) for row in [NAMED, *rows]) + "\n")
    else:
        pq.write_table(pa.table(dict(zip(NAMED, zip(*rows, strict=True), strict=True))), source)
    log, report = read(source, tmp_path / "log", text=TextFormat(delimiter="\t"), **NAMES)
    assert [item for _, item, _, _ in told(log)] == ["s", "a\tT", "X\tT", "X T\tU", "X\tT U"]
    assert report.reasons == {"the item id is missing": 2}


def test_columns_of_names_are_looked_for(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "e.csv", [("u", 1, "s", "a", "X")], NAMED[:5])
    with pytest.raises(IngestError, match=r"e\.csv has no column 'title'.*item_names"):
        read(source, tmp_path / "log", **NAMES)


# Time in parts


CLOCK = Clock(day="date", hour="hour", place="place", last_place=20)
CLOCKED = ("user_id", "item_id", "feedback", "date", "hour", "place")
NOON = DAY + 12 * 3600


def clocked(path: Path, *rows: tuple[object, ...]) -> Path:
    return write_csv(path, [("s", f"i{row[-1]}", "up", *row) for row in rows], CLOCKED)


def test_a_clock_puts_time_together_and_keeps_the_order_of_places(tmp_path: Path) -> None:
    rows = [("1970-01-02", 12, 3), ("1970-01-02", 12, 1), ("1970-01-02", 13, 4), ("1970-01-02", 12, 2)]
    log, _ = read(clocked(tmp_path / "e.csv", *rows), tmp_path / "log", clock=CLOCK, now=LATER)
    assert [item for _, item, *_ in told(log)] == ["i1", "i2", "i3", "i4"]
    assert log.timestamp.tolist() == [NOON + 1, NOON + 2, NOON + 3, NOON + 3600 + 4]


def test_an_hour_that_falls_keeps_the_earlier_one(tmp_path: Path) -> None:
    rows = [("1970-01-02", 12, 1), ("1970-01-02", 0, 2), ("1970-01-02", 12, 3), ("1970-01-01", 23, 20)]
    log, _ = read(clocked(tmp_path / "e.csv", *rows), tmp_path / "log", clock=CLOCK, now=LATER)
    assert log.timestamp.tolist() == [NOON + 1, NOON + 2, NOON + 3, NOON + 20]
    assert [item for _, item, *_ in told(log)] == ["i1", "i2", "i3", "i20"]


@in_tmp_path
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 23), st.integers(1, 20)), min_size=1, unique=True))
def test_clock_against_plain_python(tmp_path: Path, rows: list[tuple[int, int, int]]) -> None:
    shown = [(f"s{session}", n, "up", "1970-01-02", hour, place) for n, (session, hour, place) in enumerate(rows)]
    log, _ = read(write_csv(tmp_path / "e.csv", shown, CLOCKED), tmp_path / "log", clock=CLOCK, now=LATER)
    expected = []
    for session in sorted({row[0] for row in rows}):
        # Events of one place are not in order among themselves, so each may count for the others.
        events = [(place, hour) for s, hour, place in rows if s == session]
        expected += sorted(DAY + 3600 * max(h for p, h in events if p <= place) + place for place, _ in events)
    assert log.timestamp.tolist() == expected


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        (("1970-01-02 10:00", 0, 1), "timestamp", "must be a date"),
        (("19700102", 0, 1), "timestamp", "must be a date"),
        (("", 0, 1), "timestamp", "the time is missing"),
        (("1970-01-02", 24, 1), "hour", "whole number from 0 to 23"),
        (("1970-01-02", "", 1), "hour", "whole number from 0 to 23"),
        (("1970-01-02", 0, 21), "place", "whole number from 1 to 20"),
        (("1970-01-02", 0, 1.5), "place", "whole number from 1 to 20"),
        (("2070-01-02", 0, 1), "timestamp", "future"),
    ],
)
def test_rules_of_a_clock(tmp_path: Path, row: tuple[object, ...], column: str, reason: str) -> None:
    source = clocked(tmp_path / "e.csv", ("1970-01-02", 1, 1), row)
    read(source, tmp_path / "log", clock=CLOCK, now=LATER)
    (reject,) = rejects(tmp_path / "log")
    assert (reject["line"], reject["column"]) == ("3", column)
    assert reason in reject["reason"]


def test_a_clock_of_a_parquet_file_and_its_missing_columns(tmp_path: Path) -> None:
    columns = {"user_id": ["s"], "item_id": [1], "feedback": ["up"], "date": [datetime.date(1970, 1, 2)], "hour": [12]}
    pq.write_table(pa.table(columns), tmp_path / "e.parquet")
    with pytest.raises(IngestError, match="no column 'place'"):
        read(tmp_path / "e.parquet", tmp_path / "log", clock=CLOCK)
    pq.write_table(pa.table(columns | {"place": [7]}), tmp_path / "e.parquet")
    log, _ = read(tmp_path / "e.parquet", tmp_path / "log", clock=CLOCK, now=LATER)
    assert log.timestamp.tolist() == [NOON + 7]
    with pytest.raises(ValueError, match="last_place is 3600, but must be from 1 to 3599"):
        Clock("date", "hour", "place", last_place=3600)


# What is taken back


def test_an_undo_reaches_back_within_its_day(tmp_path: Path) -> None:
    rows = [
        ("u", "a", 5, "up"),
        ("u", "a", 9, "undo up"),
        ("u", "a", 12, "up"),  # liked again
        ("u", "b", 5, "down"),
        ("u", "b", 6, "undo up"),  # another feedback
        ("u", "c", DAY - 1, "up"),
        ("u", "c", DAY, "undo up"),  # a change of mind
        ("v", "a", 7, "undo down"),
        ("v", "a", 7, "down"),  # the same second
        ("v", "d", 8, "up"),
    ]
    log, report = read(write_csv(tmp_path / "e.csv", rows), tmp_path / "log", now=LATER)
    assert told(log) == [("u", "b", 5, "down"), ("u", "a", 12, "up"), ("u", "c", DAY - 1, "up"), ("v", "d", 8, "up")]
    assert (report.rows, report.events, report.undone, report.rejected) == (10, 4, 6, 0)
    assert log.item_ids.to_pylist() == ["a", "b", "c", "d"]


def test_an_undo_keeps_to_its_station_and_comes_before_contradictions(tmp_path: Path) -> None:
    rows = [
        ("u", "a", 5, "up", "rock"),
        ("u", "a", 5, "down", "rock"),
        ("u", "a", 6, "undo down", "rock"),
        ("u", "a", 5, "down", "jazz"),
        ("u", "a", 5, "down", ""),
        ("u", "a", 5, "undo down", ""),
    ]
    log, report = read(write_csv(tmp_path / "e.csv", rows, (*HEADER, "station_id")), tmp_path / "log")
    assert told(log) == [("u", "a", 5, "up"), ("u", "a", 5, "down")]
    assert (report.undone, report.contradictions) == (4, 0)


def test_an_undo_takes_back_what_was_said_and_not_what_a_number_tells(tmp_path: Path) -> None:
    rated = write_csv(tmp_path / "rated.csv", [("u", "a", 5, 9), ("u", "b", 5, 9)], (*HEADER[:3], "rating"))
    thumbs = write_csv(
        tmp_path / "thumbs.csv", [("u", "b", 5, "up"), ("u", "a", 6, "undo up"), ("u", "b", 6, "undo up")]
    )
    parts = [Part(source=rated, thresholds=Thresholds("rating", up_from=8, down_to=5)), Part(source=thumbs)]
    report = ingest(parts, tmp_path / "log", now=NOW)
    assert told(load_log(tmp_path / "log")) == [("u", "a", 5, "up"), ("u", "b", 5, "up")]
    assert (report.undone, report.duplicates) == (3, 0)


undoable = st.lists(
    st.tuples(
        st.sampled_from("uv"),
        st.sampled_from("ab"),
        st.integers(0, 5).map(lambda third: third * DAY // 3),
        st.sampled_from(["up", "down", "undo up", "undo down"]),
    ),
    min_size=1,
    max_size=30,
)
ALWAYS = ("w", "z", 0, "up")


def undo_log(folder: Path, events: list[tuple[str, str, int, str]]) -> EventLog:
    return read(write_csv(folder / "e.csv", [ALWAYS, *events]), folder / "log", now=LATER, exclusive=())[0]


@in_tmp_path
@given(undoable)
def test_undo_against_plain_python(tmp_path: Path, events: list[tuple[str, str, int, str]]) -> None:
    def undone(user: str, item: str, time: int, feedback: str) -> bool:
        days = [t for u, i, t, f in events if (u, i, f) == (user, item, f"undo {feedback}") and t // DAY == time // DAY]
        return any(t >= time for t in days)

    expected = {event for event in [ALWAYS, *events] if "undo" not in event[3] and not undone(*event)}
    assert sorted(told(undo_log(tmp_path, events))) == sorted(expected)


@in_tmp_path
@given(undoable, undoable)
def test_no_later_day_changes_an_earlier_one(
    tmp_path: Path, events: list[tuple[str, str, int, str]], others: list[tuple[str, str, int, str]]
) -> None:
    changed = [event for event in events if event[2] < DAY] + [event for event in others if event[2] >= DAY]
    one, two = (told(undo_log(tmp_path, each)) for each in (events, changed))
    assert [event for event in one if event[2] < DAY] == [event for event in two if event[2] < DAY]


def test_only_exclusive_feedback_contradicts(tmp_path: Path) -> None:
    words = ["play", "up", "skip", "play"]
    rows = [("u", "a", 5, word) for word in words] + [("u", "b", 5, word) for word in (*words, "down")]
    source = write_csv(tmp_path / "e.csv", rows)
    log, report = read(source, tmp_path / "log", exclusive=("up", "down"))
    assert [(item, word) for _, item, _, word in told(log)] == [
        *(("a", word) for word in ("play", "up", "skip")),
        *(("b", word) for word in ("play", "skip")),
    ]
    assert (report.contradictions, report.duplicates) == (2, 2)
    log, report = read(source, tmp_path / "log", exclusive=())
    assert (report.events, report.contradictions) == (7, 0)
    with pytest.raises(ValueError, match="feedback is 'love'"):
        read(source, tmp_path / "log", exclusive=("love",))


# Packed files


def zipped(path: Path, **files: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__csv", ".csv"), text)
    return path


def test_a_zip_of_one_file_is_read_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urep_jax.data.ingest.files._BLOCK", 64)
    zipped(tmp_path / "e.csv.zip", data__csv=GOOD, **{"__MACOSX/._data.csv": "\0", "folder/": ""})
    log, report = read(tmp_path, tmp_path / "out" / "log")
    assert (report.rows, report.events, report.rejected) == (20, 20, 0)
    assert [Feedback(code).word for code in set(log.feedback.tolist())] == ["up"]


BAD_ZIPS: dict[str, tuple[Callable[[Path], object], str]] = {
    "several": (lambda path: zipped(path, a__csv=GOOD, b__csv=GOOD), "holds 2 files, but .* must hold one; unpack it"),
    "none": (lambda path: zipped(path), "holds 0 files"),
    "no zip": (lambda path: path.write_text(GOOD), "is not an intact zip file"),
    "cut": (lambda path: zipped(path, a__csv=GOOD).write_bytes(path.read_bytes()[:-30]), "is not an intact zip file"),
    "damaged": (
        lambda path: zipped(path, a__csv=GOOD).write_bytes(path.read_bytes().replace(b"a.csv", b"b.csv", 1)),
        "is not an intact zip file",
    ),
}


@pytest.mark.parametrize("case", BAD_ZIPS)
def test_a_bad_zip_is_told(tmp_path: Path, case: str) -> None:
    spoil, message = BAD_ZIPS[case]
    spoil(tmp_path / "e.csv.zip")
    with pytest.raises(IngestError, match=r"e\.csv\.zip " + message):
        ingest(tmp_path / "e.csv.zip", tmp_path / "log", now=NOW)
