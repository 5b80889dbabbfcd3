"""Playlists: read whatever the order of their rows, refused with a word that helps, and as a log."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from urep_jax.core.types import Feedback
from urep_jax.data.ingest.companions import write_companion
from urep_jax.data.playlists import Playlists, playlist_log, read_playlists

ROWS = [("b", 0, "x"), ("a", 5, "y"), ("a", 2, "x"), ("b", 1, "z"), ("a", 9, "y")]


def table_of(rows: list[tuple], **types: pa.DataType) -> pa.Table:
    names = ("playlist_id", "position", "item_id")
    columns = {name: pa.array([row[i] for row in rows], types.get(name)) for i, name in enumerate(names)}
    return pa.table(columns)


def told(playlists: Playlists) -> dict[str, list[str]]:
    """Each playlist's tracks, by the source's ids."""
    items = playlists.item_ids.take(playlists.item).to_pylist()
    return {
        name: items[a:b]
        for name, a, b in zip(
            playlists.playlist_ids.to_pylist(), playlists.offsets, playlists.offsets[1:], strict=False
        )
    }


@given(st.permutations(ROWS))
def test_rows_may_come_in_any_order(rows) -> None:
    playlists = read_playlists(table_of(rows))
    assert told(playlists) == {"a": ["x", "y", "y"], "b": ["x", "z"]}
    assert playlists.playlist_ids.to_pylist() == list(dict.fromkeys(row[0] for row in rows))


def test_a_file_is_read_as_its_table_is(tmp_path: Path) -> None:
    pq.write_table(table_of(ROWS).append_column("added_by", pa.array(["me"] * 5)), tmp_path / "playlists.parquet")
    assert told(read_playlists(tmp_path / "playlists.parquet")) == told(read_playlists(table_of(ROWS)))


def test_other_layouts_go_through_ingest(tmp_path: Path) -> None:
    lines = "\n".join(f"{p},{n},{i}" for p, n, i in ROWS)
    (tmp_path / "lists.csv").write_text(f"list,place,track\n{lines}\n")
    columns = {"playlist_id": "list", "position": "place", "item_id": "track"}
    write_companion("playlists", tmp_path / "lists.csv", tmp_path / "playlists.parquet", columns=columns)
    assert told(read_playlists(tmp_path / "playlists.parquet")) == told(read_playlists(table_of(ROWS)))


def test_whole_numbers_are_ids_too() -> None:
    playlists = read_playlists(table_of([(7, 0, 30), (7, 1, 4)]))
    assert told(playlists) == {"7": ["30", "4"]}


def test_parts_of_a_table_share_their_ids() -> None:
    parts = pa.concat_tables([table_of(ROWS[:2]), table_of(ROWS[2:])])
    assert parts["item_id"].num_chunks == 2
    assert told(read_playlists(parts)) == told(read_playlists(table_of(ROWS)))


def test_no_rows_are_no_playlists() -> None:
    empty = table_of([], playlist_id=pa.string(), position=pa.int32(), item_id=pa.string())
    assert told(read_playlists(empty)) == {}
    assert playlist_log(read_playlists(empty)).num_events == 0


def test_a_log_has_each_track_of_a_playlist_once_at_its_first_place() -> None:
    rows = [("a", place, track) for place, track in enumerate("xyxzy")] + [("b", 0, "y"), ("b", 1, "x")]
    log = playlist_log(read_playlists(table_of(rows)))
    assert [log.item_ids[i].as_py() for i in log.item] == list("xyzyx")
    assert log.offsets.tolist() == [0, 3, 5]
    assert log.timestamp.tolist() == [0, 1, 2, 0, 1]
    assert set(log.feedback) == {Feedback.UP}
    assert log.sequence_ids.to_pylist() == ["a", "b"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (table_of(ROWS).drop_columns("position"), "has no column 'position', only playlist_id, item_id.*rename"),
        (table_of([*ROWS, ("a", 3, None)]), "item_id is missing in row 5 of the table"),
        (table_of([("a", -1, "x")]), "position is -1 in row 0 of the table, but must be at least 0"),
        (table_of([("a", 0.5, "x")]), "a position of the table is no whole number"),
        (table_of([("a", "first", "x")]), "a position of the table is no whole number"),
        (table_of([*ROWS, ("a", 5, "z")]), "position is 5 in rows 1 and 5 of the table, both of playlist 'a'"),
    ],
    ids=["column", "missing", "negative", "half", "word", "twice"],
)
def test_what_cannot_be_read_is_told(table: pa.Table, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_playlists(table)


def test_columns_that_do_not_fit_are_refused() -> None:
    ids = pa.array(["a"])
    item = np.zeros(2, np.int32)
    with pytest.raises(ValueError, match="offsets has 3 entries for 1 playlists"):
        Playlists(np.array([0, 1, 2]), item, ids, ids)
    with pytest.raises(ValueError, match="item has 2 places, but offsets end at 3"):
        Playlists(np.array([0, 3]), item, ids, ids)
    with pytest.raises(ValueError, match="item runs from 0 to 1, but must be from 0 to 0"):
        Playlists(np.array([0, 2]), np.array([0, 1], np.int32), ids, ids)
