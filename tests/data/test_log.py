"""Logs on disk: whole or not at all, the same whichever way they are written."""

from pathlib import Path

import jaxtyping
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from urep_jax.data.draft import draft_folder
from urep_jax.data.ingest.repeats import find_repeats
from urep_jax.data.log import ID_COLUMNS, EventLog, load_log, save_log
from urep_jax.data.log_writer import LogWriter


def small_log() -> EventLog:
    return EventLog(
        name="small",
        granularity="session",
        offsets=np.array([0, 2, 2, 5]),
        item=np.array([1, 0, 2, 2, 1], np.int32),
        timestamp=np.array([10, 20, 5, 6, 7]),
        feedback=np.array([1, 2, 3, 4, 1], np.int8),
        sequence_ids=pa.array(["a", "b", "c"]),
        item_ids=pa.array(["x", "y", "z", "never heard"]),
        station=np.array([0, -1, 0, 0, -1], np.int32),
        station_ids=pa.array(["rock"]),
        affinity=np.array([0.5, -1.0, 2.0, 0.0, np.nan], np.float32),
    )


def assert_same(log: EventLog, other: EventLog) -> None:
    assert (log.name, log.granularity) == (other.name, other.granularity)
    np.testing.assert_array_equal(log.offsets, other.offsets)
    assert [name for name, _ in log.columns()] == [name for name, _ in other.columns()]
    for (name, column), (_, same) in zip(log.columns(), other.columns(), strict=True):
        np.testing.assert_array_equal(column, same, err_msg=name)
        assert column.dtype == same.dtype
    for name in ID_COLUMNS:
        assert getattr(log, name).equals(getattr(other, name)), name


def test_a_saved_log_comes_back_memory_mapped(tmp_path: Path) -> None:
    save_log(small_log(), tmp_path / "log")
    back = load_log(tmp_path / "log")
    assert_same(back, small_log())
    assert isinstance(back.item, np.memmap)
    assert (back.num_sequences, back.num_events, back.num_items, back.num_stations) == (3, 5, 4, 1)


def test_saving_replaces_the_whole_folder(tmp_path: Path) -> None:
    save_log(small_log(), tmp_path / "log")
    (tmp_path / "log" / "device.npy").write_bytes(b"left over")
    save_log(small_log(), tmp_path / "log")
    assert_same(load_log(tmp_path / "log"), small_log())
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_loading_what_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no event log"):
        load_log(tmp_path)
    save_log(small_log(), tmp_path / "log")
    (tmp_path / "log" / "log.json").write_text('{"format": 0}')
    with pytest.raises(ValueError, match="is an event log of format 0"):
        load_log(tmp_path / "log")


def test_a_log_checks_its_columns_for_those_who_do_not_check_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    columns = {"item": np.zeros(2, np.int32), "timestamp": np.zeros(2, np.int64), "feedback": np.zeros(1, np.int8)}
    with pytest.raises(ValueError, match="column 'feedback' has 1 events"):
        EventLog("x", "user", np.array([0, 2]), **columns, sequence_ids=pa.array(["a"]), item_ids=pa.array(["x"]))


def test_a_draft_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    def fail() -> None:
        with draft_folder(tmp_path / "out") as draft:
            (draft / "half").write_text("written")
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        fail()
    assert list(tmp_path.iterdir()) == []
    with draft_folder(tmp_path / "out") as draft:
        (draft / "whole").touch()
    with pytest.raises(RuntimeError, match="midway"):
        fail()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["whole"]


def write_in_pieces(log: EventLog, folder: Path, cuts: list[int], *, drop_unused: bool) -> EventLog:
    sequence = np.repeat(np.arange(log.num_sequences), np.diff(log.offsets))
    columns = dict(log.columns())
    with LogWriter(folder, optional=[name for name in columns if name in ("station", "affinity")]) as writer:
        for start, stop in zip([0, *cuts], [*cuts, log.num_events], strict=True):
            writer.append(sequence[start:stop], {name: column[start:stop] for name, column in columns.items()})
        ids = {name: getattr(log, name) for name in ID_COLUMNS}
        return writer.finish(name=log.name, granularity=log.granularity, ids=ids, drop_unused=drop_unused)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 5), max_size=4).map(sorted))
def test_written_in_pieces_or_at_once_is_the_same(tmp_path: Path, cuts: list[int]) -> None:
    assert_same(write_in_pieces(small_log(), tmp_path, cuts, drop_unused=False), small_log())
    # NumPy itself reads the columns back, so their headers are sound.
    assert np.load(tmp_path / "item.npy").tolist() == [1, 0, 2, 2, 1]


def test_ids_without_events_can_leave_the_log(tmp_path: Path) -> None:
    log = small_log()
    numbers = {"item": np.array([1, 1, 3, 3, 1], np.int32), "station": np.array([-1, 0, 0, -1, -1], np.int32)}
    log = EventLog(**(vars(log) | numbers))
    kept = write_in_pieces(log, tmp_path, [3], drop_unused=True)
    assert kept.sequence_ids.to_pylist() == ["a", "c"]
    assert kept.offsets.tolist() == [0, 2, 5]
    assert kept.item_ids.to_pylist() == ["y", "never heard"]
    assert kept.item.tolist() == [0, 0, 1, 1, 0]
    assert kept.station is not None
    assert kept.station.tolist() == [-1, 0, 0, -1, -1]


def test_the_writer_refuses_sequences_out_of_order(tmp_path: Path) -> None:
    columns = {name: np.zeros(2, np.int32) for name in ("item", "timestamp", "feedback")}
    with LogWriter(tmp_path, optional=()) as writer:
        writer.append(np.array([3, 4]), columns)
        with pytest.raises(ValueError, match="sort the events"):
            writer.append(np.array([3, 4]), columns)


def test_unknown_values_equal_each_other_when_events_are_compared() -> None:
    events = {
        "sequence": np.zeros(3, np.int32),
        "timestamp": np.zeros(3, np.int64),
        "item": np.zeros(3, np.int32),
        "feedback": np.ones(3, np.int8),
        "played_ratio": np.array([np.nan, 0.5, np.nan], np.float32),
    }
    duplicate, contradicted = find_repeats(events)
    assert duplicate.tolist() == [False, False, True]
    assert not contradicted.any()
