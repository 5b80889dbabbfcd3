"""`Playlists`: tracks by playlist and place as ragged columns, read from the companion table of that name."""

import dataclasses
import os

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Int32, Int64

from urep_jax.core.types import Feedback
from urep_jax.data.ingest.schema import PLAYLISTS
from urep_jax.data.log import EventLog
from urep_jax.data.ragged import offsets_of, ranges


@dataclasses.dataclass(frozen=True, eq=False)
class Playlists:
    """P playlists of N places in all. A track may be at several places of a playlist.

    Attributes:
        offsets: where each playlist starts; the last entry is N.
        item: dense item number at each place, an index into `item_ids`.
        playlist_ids: the source's playlist ids, in the order of their first rows.
        item_ids: the source's item ids, likewise.

    Raises:
        ValueError: if the columns don't fit each other.
    """

    offsets: Int64[np.ndarray, "_"]
    item: Int32[np.ndarray, "N"]
    playlist_ids: pa.StringArray
    item_ids: pa.StringArray

    def __post_init__(self) -> None:
        if len(self.offsets) != len(self.playlist_ids) + 1 or self.offsets[0] != 0 or (np.diff(self.offsets) < 0).any():
            raise ValueError(
                f"offsets has {len(self.offsets)} entries for {len(self.playlist_ids)} playlists; it must rise from 0 "
                "and have one entry more than there are playlists"
            )
        if len(self.item) != self.offsets[-1]:
            raise ValueError(
                f"item has {len(self.item)} places, but offsets end at {self.offsets[-1]}; there must be one for each"
            )
        if len(self.item) and not 0 <= self.item.min() <= self.item.max() < len(self.item_ids):
            raise ValueError(
                f"item runs from {self.item.min()} to {self.item.max()}, but must be from 0 to "
                f"{len(self.item_ids) - 1}, an index into item_ids"
            )

    def __len__(self) -> int:
        return len(self.playlist_ids)


def read_playlists(source: pa.Table | str | os.PathLike[str]) -> Playlists:
    """Read a table of `playlist_id, position, item_id`, its rows in any order.

    Positions say what comes before what; gaps between them say nothing. Other layouts and column names are for
    `ingest.companions.write_companion("playlists", ...)`, whose Parquet file is read here.

    Args:
        source: the table, or a Parquet file of it. Further columns are left out.

    Raises:
        ValueError: if a column or a value is missing, a position is no whole number from 0 on, or two tracks of a
            playlist are at one position.
    """
    table = source if isinstance(source, pa.Table) else pq.read_table(source)
    where = "the table" if isinstance(source, pa.Table) else str(source)
    for name in PLAYLISTS.required:
        if name not in table.column_names:
            raise ValueError(
                f"{where} has no column {name!r}, only {', '.join(table.column_names)}, but a table of playlists needs "
                f"{', '.join(PLAYLISTS.required)}; rename its columns"
            )
        if table[name].null_count:
            row = pc.index(pc.is_null(table[name]), pa.scalar(True)).as_py()
            raise ValueError(f"{name} is missing in row {row} of {where}, but every row must have one; mend the row")
    playlist_ids, playlist_N = _numbered(table["playlist_id"])
    item_ids, item_N = _numbered(table["item_id"])
    position_N = _positions(table["position"], where)
    order = np.lexsort((position_N, playlist_N))
    again = np.flatnonzero((np.diff(playlist_N[order]) == 0) & (np.diff(position_N[order]) == 0))
    if len(again):
        one, other = sorted(order[again[0] : again[0] + 2])
        raise ValueError(
            f"position is {position_N[one]} in rows {one} and {other} of {where}, both of playlist "
            f"{playlist_ids[playlist_N[one]].as_py()!r}, but a playlist has one track at a position; mend one of them"
        )
    offsets = offsets_of(np.bincount(playlist_N, minlength=len(playlist_ids)))
    return Playlists(offsets, item_N[order], playlist_ids, item_ids)


def playlist_log(playlists: Playlists, name: str = "playlists") -> EventLog:
    """The same as a log: each playlist a sequence, each place an up, whose place in the playlist is its time.

    Splits, baselines and protocols that read logs read playlists so. Of a track's places in a playlist only the first
    is kept: once it is in, it can't be added.
    """
    P, N = len(playlists), len(playlists.item)
    playlist_N = np.repeat(np.arange(P), np.diff(playlists.offsets))
    _, first = np.unique(playlist_N * len(playlists.item_ids) + playlists.item, return_index=True)
    kept_N = np.zeros(N, bool)
    kept_N[first] = True
    offsets = offsets_of(np.bincount(playlist_N[kept_N], minlength=P))
    return EventLog(
        name=name,
        granularity="session",
        offsets=offsets,
        item=playlists.item[kept_N],
        timestamp=ranges(np.zeros(P, np.int64), np.diff(offsets)),
        feedback=np.full(offsets[-1], Feedback.UP, np.int8),
        sequence_ids=playlists.playlist_ids,
        item_ids=playlists.item_ids,
    )


def _numbered(ids: pa.ChunkedArray) -> tuple[pa.StringArray, Int32[np.ndarray, "N"]]:
    """The distinct ids as strings, by first row, and the number of each row's."""
    encoded = pc.dictionary_encode(pc.cast(ids, pa.string())).unify_dictionaries().combine_chunks()
    return encoded.dictionary, encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32)


def _positions(column: pa.ChunkedArray, where: str) -> Int64[np.ndarray, "N"]:
    try:
        position_N = pc.cast(column, pa.int64()).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ValueError(f"a position of {where} is no whole number ({error}); mend it") from error
    if (position_N < 0).any():
        row = int(np.flatnonzero(position_N < 0)[0])
        raise ValueError(f"position is {position_N[row]} in row {row} of {where}, but must be at least 0; mend the row")
    return position_N
