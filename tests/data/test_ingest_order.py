"""Ingest against plain Python and NumPy: order, duplicates, contradictions."""

import random
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.ingested import HEADER, Event, read, told, write_csv
from urep_jax.core.types import FEEDBACK_WORDS, Feedback
from urep_jax.data.ingest import ingest
from urep_jax.data.ingest.files import IngestError
from urep_jax.data.log import NO_STATION, load_log, save_log

events_strategy = st.lists(
    st.tuples(
        st.sampled_from(["u1", "u2", "u10"]),
        st.sampled_from(["a", "b", "é"]),
        st.integers(0, 3),
        st.sampled_from(FEEDBACK_WORDS),
        st.sampled_from([None, "rock", "jazz"]),
    ),
    min_size=1,
    max_size=30,
)
in_tmp_path = settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])


def reference(events: list[Event]) -> tuple[list[tuple[str, str, int, str]], int, int]:
    """Sort, duplicates and contradictions as plain Python says them: events, duplicates, contradictions."""
    feedbacks = defaultdict(set)
    for user, item, time, feedback, station in events:
        feedbacks[user, item, time, station].add(feedback)
    kept = []
    seen = set()
    duplicates = contradictions = 0
    for event in events:
        user, item, time, feedback, station = event
        if len(feedbacks[user, item, time, station]) > 1:
            contradictions += 1
        elif event in seen:
            duplicates += 1
        else:
            seen.add(event)
            kept.append((user, item, time, feedback))
    return sorted(kept, key=lambda event: (len(event[0]), event[0], event[2])), duplicates, contradictions


@in_tmp_path
@given(events=events_strategy)
def test_against_plain_python(tmp_path: Path, events: list[Event]) -> None:
    expected, duplicates, contradictions = reference(events)
    source = write_csv(tmp_path / "e.csv", events, (*HEADER, "station_id"))
    if not expected:
        with pytest.raises(IngestError, match="none of its"):
            read(source, tmp_path / "log")
        return
    log, report = read(source, tmp_path / "log")
    assert told(log) == expected
    assert (report.duplicates, report.contradictions) == (duplicates, contradictions)
    assert report.rows == report.events + report.duplicates + report.rejected == len(events)


@in_tmp_path
@given(events=events_strategy, seed=st.randoms())
def test_the_order_of_rows_matters_only_within_a_moment(
    tmp_path: Path, events: list[Event], seed: random.Random
) -> None:
    if not reference(events)[0]:
        return
    log, report = read(write_csv(tmp_path / "e.csv", events, (*HEADER, "station_id")), tmp_path / "log")
    seed.shuffle(events)
    again, same = read(write_csv(tmp_path / "f.csv", events, (*HEADER, "station_id")), tmp_path / "again")
    assert sorted(told(log)) == sorted(told(again))
    assert report == same
    np.testing.assert_array_equal(log.timestamp, again.timestamp)
    np.testing.assert_array_equal(log.offsets, again.offsets)
    assert log.item_ids.equals(again.item_ids)


@in_tmp_path
@given(events=events_strategy)
def test_a_log_written_as_a_table_comes_back(tmp_path: Path, events: list[Event]) -> None:
    if not reference(events)[0]:
        return
    log, _ = read(write_csv(tmp_path / "e.csv", events, (*HEADER, "station_id")), tmp_path / "log")
    assert log.station is not None
    users, items, times, words = zip(*told(log), strict=True)
    stations = [None if s == NO_STATION else log.station_ids[s].as_py() for s in log.station.tolist()]
    columns = {"user_id": users, "item_id": items, "timestamp": times, "feedback": words, "station_id": stations}
    pq.write_table(pa.table(columns), tmp_path / "e.parquet")
    back, report = read(tmp_path / "e.parquet", tmp_path / "back")
    assert report.rejected == report.duplicates == 0
    for (name, column), (_, other) in zip(log.columns(), back.columns(), strict=True):
        np.testing.assert_array_equal(column, other, err_msg=name)
    save_log(back, tmp_path / "saved")
    assert (tmp_path / "saved" / "item.npy").read_bytes() == (tmp_path / "back" / "item.npy").read_bytes()


def test_many_events_in_one_moment_across_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urep_jax.data.ingest.order._CHUNK", 64)
    monkeypatch.setattr("urep_jax.data.ingest.files._BLOCK", 128)
    rows = [(f"u{n % 2}", f"i{n % 50}", 5 + n // 900, "up") for n in range(1000)]
    log, report = read(write_csv(tmp_path / "e.csv", rows), tmp_path / "log")
    expected, duplicates, _ = reference([(*row, None) for row in rows])
    assert told(log) == expected
    assert report.duplicates == duplicates


def test_movielens_1m(data_folder: Callable[[str], Path], tmp_path: Path) -> None:
    source = data_folder("movielens-1m") / "events.parquet"
    report = ingest(source, tmp_path / "log")
    assert (report.events, report.sequences, report.items) == (998_121, 6_040, 3_416)
    log = load_log(tmp_path / "log")
    # NumPy's own stable sort of the same columns.
    table = pq.read_table(source, columns=list(HEADER))
    user, item, time = (table[name].to_numpy() for name in HEADER[:3])
    order = np.lexsort([time, user])
    np.testing.assert_array_equal(log.timestamp, time[order])
    np.testing.assert_array_equal(np.array(log.item_ids.to_pylist(), int)[log.item], item[order])
    is_up = np.array(table["feedback"].to_pylist())[order] == "up"
    np.testing.assert_array_equal(log.feedback == Feedback.UP, is_up)
