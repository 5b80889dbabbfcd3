"""Which items belong together: those of one playlist, of one artist, or of one user's history."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from urep_jax.core.streams import numpy_stream
from urep_jax.core.types import LISTENED
from urep_jax.data.log import EventLog
from urep_jax.data.moments import Moments
from urep_jax.data.playlists import playlist_log, read_playlists
from urep_jax.data.ragged import ranges
from urep_jax.data.user_features.windows import events_before

Together = Literal["playlists", "artists", "histories"]


def histories(log: EventLog, asked: Moments) -> pa.Table:
    """What users listened to before a moment, as playlists: one place for each item, where it was first heard."""
    start_N, stop_N = log.offsets[asked.user], events_before(log, asked.user, asked.time)
    event_E = ranges(start_N, stop_N)
    row_E, item_E = np.repeat(np.arange(len(asked)), stop_N - start_N), np.asarray(log.item[event_E])
    heard = np.flatnonzero(np.isin(log.feedback[event_E], LISTENED))
    _, first = np.unique(row_E[heard] * log.num_items + item_E[heard], return_index=True)
    kept = heard[np.sort(first)]
    return pa.table(
        {
            "playlist_id": log.sequence_ids.take(asked.user[row_E[kept]]),
            "position": np.arange(len(kept), dtype=np.int64),
            "item_id": log.item_ids.take(item_E[kept]),
        }
    )


def sets_of_items(
    kinds: Sequence[Together],
    tables: Mapping[str, pa.Table],
    most: int | None,
    seed: int,
    only: pa.StringArray | None = None,
) -> EventLog:
    """Sets of items that belong together, as a log of playlists.

    Args:
        kinds: whose items belong together.
        tables: `playlists`, `items` and `histories`.
        most: sets at most, drawn at random; None: all.
        seed: of that choice.
        only: items that there are no others of.

    Raises:
        ValueError: if a table that is asked for isn't there, or nothing is left.
    """
    parts = [_table(kind, tables) for kind in kinds]
    every = pa.concat_tables(parts)
    if only is not None:
        every = every.filter(pc.is_in(every["item_id"], value_set=only))
    if most is not None:
        names = every["playlist_id"].unique()
        drawn = numpy_stream(seed, "sets_of_items").permutation(len(names))[:most]
        every = every.filter(pc.is_in(every["playlist_id"], value_set=names.take(np.sort(drawn))))
    if not len(every):
        raise ValueError(f"together is {', '.join(kinds)}, but no items belong together so")
    return playlist_log(read_playlists(every), "_".join(kinds))


def _table(kind: Together, tables: Mapping[str, pa.Table]) -> pa.Table:
    """One kind of sets; their ids tell the kind, so that no two kinds have a set in common."""
    if kind == "artists":
        table = tables.get("items")
        if table is not None and "artist_id" in table.column_names:
            known = table.filter(pc.is_valid(table["artist_id"]))
            table = pa.table(
                {
                    "playlist_id": known["artist_id"],
                    "position": np.arange(len(known), dtype=np.int64),
                    "item_id": known["item_id"],
                }
            )
        else:
            table = None
    elif kind in ("playlists", "histories"):
        table = tables.get(kind)
    else:
        raise ValueError(f"together names {kind!r}, but must be of playlists, artists, histories")
    if table is None:
        raise ValueError(
            f"together names {kind}, but the data tells of none; take another of playlists, artists, histories"
        )
    return pa.table(
        {
            "playlist_id": pc.binary_join_element_wise(kind, pc.cast(table["playlist_id"], pa.string()), " "),
            "position": pc.cast(table["position"], pa.int64()),
            "item_id": pc.cast(table["item_id"], pa.string()),
        }
    )
