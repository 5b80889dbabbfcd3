"""Small logs for tests: from rows, at random, and from MovieLens-1M's events."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from urep_jax.core.types import FEEDBACK_WORDS, Feedback
from urep_jax.data.log import EventLog, Granularity


class Row(NamedTuple):
    """One event: sequence, time in seconds, item, feedback word, station (-1 for none)."""

    sequence: int
    time: int
    item: int
    feedback: str
    station: int = -1


def log_of(
    rows: Sequence[Row],
    *,
    granularity: Granularity = "user",
    num_sequences: int | None = None,
    num_items: int | None = None,
    num_stations: int = 0,
) -> EventLog:
    """A log of these events; rows are sorted by sequence and time, ties stay in order."""
    rows = sorted(rows, key=lambda row: (row.sequence, row.time))
    num_sequences = max((row.sequence for row in rows), default=-1) + 1 if num_sequences is None else num_sequences
    num_items = max((row.item for row in rows), default=-1) + 1 if num_items is None else num_items
    lengths = np.bincount([row.sequence for row in rows], minlength=num_sequences) if rows else np.zeros(num_sequences)
    return EventLog(
        name="test",
        granularity=granularity,
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        item=np.array([row.item for row in rows], np.int32),
        timestamp=np.array([row.time for row in rows], np.int64),
        feedback=np.array([Feedback.from_word(row.feedback) for row in rows], np.int8),
        sequence_ids=pa.array([f"s{s}" for s in range(num_sequences)], pa.string()),
        item_ids=pa.array([f"i{i}" for i in range(num_items)], pa.string()),
        station=np.array([row.station for row in rows], np.int32) if num_stations else None,
        station_ids=pa.array([f"c{c}" for c in range(num_stations)], pa.string()),
    )


DAY = 86_400
NUM_ITEMS, NUM_SEQUENCES = 12, 5


def rows(*, stations: bool = False, words: Sequence[str] = FEEDBACK_WORDS) -> st.SearchStrategy[list[Row]]:
    """Up to 120 events of 5 sequences with many equal times, and one event at either end of 6 days."""
    row = st.builds(
        Row,
        sequence=st.integers(0, NUM_SEQUENCES - 1),
        time=st.integers(0, 6 * 8 - 1).map(lambda t: t * DAY // 8),
        item=st.integers(0, NUM_ITEMS - 1),
        feedback=st.sampled_from(list(words)),
        station=st.integers(-1, 1) if stations else st.just(-1),
    )
    ends = [Row(0, 0, 0, "up"), Row(0, 6 * DAY, 0, "up")]
    # Several lists, because hypothesis makes long ones seldom.
    return st.lists(st.lists(row, max_size=30), min_size=4, max_size=4).map(lambda parts: [*ends, *chain(*parts)])


def row_seeds(seed: int, count: int) -> np.ndarray:
    """Seeds of so many rows."""
    return np.random.default_rng(seed).integers(0, 2**64, count, np.uint64)


def movielens_1m(folder: Path) -> EventLog:
    """MovieLens-1M from its events table."""
    table = pq.read_table(folder / "events.parquet", columns=["user_id", "item_id", "timestamp", "feedback"])
    user, sequence = np.unique(table["user_id"].to_numpy(), return_inverse=True)
    item_id, item = np.unique(table["item_id"].to_numpy(), return_inverse=True)
    order = np.lexsort((table["timestamp"].to_numpy(), sequence))
    words, code = np.unique(np.array(table["feedback"].to_pylist()), return_inverse=True)
    codes = np.array([Feedback.from_word(word) for word in words], np.int8)
    return EventLog(
        name="movielens_1m",
        granularity="user",
        offsets=np.searchsorted(sequence[order], np.arange(len(user) + 1)),
        item=item[order].astype(np.int32),
        timestamp=table["timestamp"].to_numpy()[order],
        feedback=codes[code][order],
        sequence_ids=pa.array(user.astype(str)),
        item_ids=pa.array(item_id.astype(str)),
    )
