"""What people bring: read like a log where it is right, refused with a clear message where it is not."""

import datetime
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.test_sequences import whole
from tests.logs import Row, log_of, rows
from urep_jax.core.types import Feedback
from urep_jax.data.log import EventLog
from urep_jax.data.sequences import SequenceConfig, Sequences
from urep_jax.data.vocabulary import Vocabulary, build_vocabulary
from urep_jax.serving.events import as_ids, events_of, read_events
from urep_jax.serving.questions import question_log, questions


def full_log(events: list[Row], seed: int) -> EventLog:
    """A log with every column that a model can read."""
    log, rng = log_of(events, num_stations=2, num_items=12), np.random.default_rng(seed)
    return EventLog(
        **{name: getattr(log, name) for name in ("name", "granularity", "offsets", "item", "timestamp", "feedback")},
        **{name: getattr(log, name) for name in ("sequence_ids", "item_ids", "station", "station_ids")},
        device=rng.integers(-1, 2, log.num_events).astype(np.int16),
        device_ids=pa.array(["phone", "car"]),
        utc_offset=rng.choice([0, 3600, -7200], log.num_events).astype(np.int32),
    )


@given(rows(stations=True), st.integers(0, 99), st.integers(2, 12))
def test_a_question_is_the_one_that_evaluation_asks(events: list[Row], seed: int, max_length: int) -> None:
    log = full_log(events, seed)
    every = build_vocabulary(log, whole(log))
    some = Vocabulary(every.item_ids[::2], every.station_ids[1:], every.device_ids[1:])
    cfg = SequenceConfig(max_length=max_length)
    S, rng = log.num_sequences, np.random.default_rng(seed)
    stop_S = rng.integers(log.offsets[:-1], log.offsets[1:] + 1)
    tables = [events_of(log, start, stop) for start, stop in zip(log.offsets, stop_S, strict=False)]
    station_S = rng.integers(-1, 2, S).astype(np.int32)
    stations = [None if station < 0 else log.station_ids[station].as_py() for station in station_S]

    _, cases = question_log([read_events(table) for table in tables], pa.array(stations, pa.string()))
    evaluated = cases.__class__(**{**vars(cases), "start": log.offsets[:-1], "stop": stop_S, "station": station_S})
    expected = Sequences(log, some, cfg).question_batch(evaluated, np.arange(S))
    asked = questions(tables, stations, some, cfg)
    for name, values in expected._asdict().items():
        np.testing.assert_array_equal(getattr(asked.batch, name)[:S], values, err_msg=name)


def test_ids_are_read_as_ingest_reads_them() -> None:
    for ids in (
        [7, 8],
        ["7", "8"],
        np.array([7, 8], np.uint16),
        np.array([7.0, 8.0]),
        pa.chunked_array([["7"], ["8"]]),
    ):
        assert as_ids("ids", ids).to_pylist() == ["7", "8"]
    assert as_ids("ids", pa.array(["a", "b", "a"]).dictionary_encode()).to_pylist() == ["a", "b", "a"]
    assert as_ids("ids", np.array([7.0, np.nan])).to_pylist() == ["7", None]
    assert as_ids("ids", ["", None]).to_pylist() == [None, None]
    assert as_ids("ids", []).to_pylist() == []


def test_events_are_sorted_by_time_and_ties_stay() -> None:
    events = {"item_id": list("abcd"), "feedback": ["up", "down", "skip", "play"], "timestamp": [9, 5, 9, 5]}
    read = read_events(events)
    assert read["item_id"].to_pylist() == list("bdac")
    assert read["feedback"].to_pylist() == [Feedback.DOWN, Feedback.PLAY, Feedback.UP, Feedback.SKIP]
    del events["timestamp"]
    assert read_events(events)["item_id"].to_pylist() == list("abcd")


def test_times_may_be_dates_in_any_zone() -> None:
    zone = datetime.timezone(datetime.timedelta(hours=2))
    moment = datetime.datetime(1970, 1, 2, 1, tzinfo=zone)
    for times in ([moment], np.array(["1970-01-01T23:00"], "datetime64[ns]"), [82_800], [82_800.0]):
        assert read_events({"item_id": [1], "feedback": ["up"], "timestamp": times})["timestamp"].to_pylist() == [82800]


class Frame:
    """Stands for a pandas frame, which is no Mapping."""

    def __init__(self, columns: dict[str, list]) -> None:
        self.columns = columns

    def keys(self) -> Any:
        return self.columns.keys()

    def __getitem__(self, name: str) -> list:
        return self.columns[name]


@pytest.mark.parametrize("kind", [dict, Frame, pa.table])
def test_any_table_will_do(kind: Any) -> None:
    columns = {"item_id": [3], "feedback": ["down"], "user_id": ["u"], "played_ratio": [0.5], "device": ["car"]}
    assert read_events(kind(columns)).select(["item_id", "device"]).to_pylist() == [{"item_id": "3", "device": "car"}]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"feedback": ["up", "like"]}, "the events' column 'feedback' holds 'like', but must hold the words up, down"),
        ({"feedback": ["up", "none"]}, "holds 'none', but must hold the words"),
        ({"feedback": [1, 2]}, "holds 1, but must hold the words"),
        ({"feedback": ["up", None]}, "'feedback' has no value at 1 (counted from 0); fill it in, or leave the row out"),
        ({"feedback": ["up"]}, "different lengths (item_id: 2, feedback: 1); give one value for each event"),
        ({"item_id": ["a", ""]}, "'item_id' has no value at 1"),
        ({"item_id": [1.5, 2]}, "'item_id' must hold whole numbers (Float value 1.5"),
        ({"item_id": [True, False]}, "holds bool values such as True, but ids must be text or whole numbers"),
        ({"item_id": ["a", 1]}, "'item_id' can't be read"),
        ({"item_id": 3}, "'item_id' can't be read"),
        ({"item_id": "ab"}, "'item_id' is 'ab', a str, but must be a list or an array; put a single value in brackets"),
        ({"timestamp": [0, None]}, "'timestamp' has no value at 1"),
        ({"timestamp": ["1", "2"]}, "'timestamp' must hold whole numbers (they are text)"),
        ({"utc_offset": [0.5, 0]}, "'utc_offset' must hold whole numbers"),
        ({"station": [1, 2]}, "the events have 'station'; their columns must be item_id and feedback, and may be user"),
        ({"user_id": [1, 2]}, "the events are of 2 users, 1 and 2 among them, but must be of one"),
    ],
)
def test_wrong_events_are_refused(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        read_events({"item_id": ["a", "b"], "feedback": ["up", "down"], **changed})


def test_missing_columns_are_named() -> None:
    with pytest.raises(ValueError, match="the events lack 'feedback' and have 'rating'; their columns must be"):
        read_events({"item_id": ["a"], "rating": [4]})


@pytest.mark.parametrize("rows", [[{"item_id": "a", "feedback": "up"}], [], None, "a"])
@pytest.mark.usefixtures("unchecked")
def test_rows_are_refused(rows: Any) -> None:
    told = f"the events are a {type(rows).__name__}, {rows!r}, but must be columns by name, such as {{'item_id': [...]"
    with pytest.raises(ValueError, match=re.escape(told) + r".*pyarrow\.Table\.from_pylist\(rows\)"):
        read_events(rows)
