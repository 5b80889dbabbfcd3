"""The items table: whose each track is, as most lines that tell of it say."""

import tempfile
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from urep_jax.data.datasets.lastfm_1k.layout import ARTIST, COLUMNS, LISTENS, TRACK_NAMES
from urep_jax.data.ingest.fields import literal, text_fields
from urep_jax.data.ingest.files import read_lines
from urep_jax.data.ingest.names import joined

_MEMORY = "768MB"


def write_items(listens: Path, item_ids: pa.StringArray, out_file: Path) -> None:
    """Write the items table of a log: `item_id, artist_id, artist_name, track_name`, in the log's order.

    Args:
        listens: the publisher's file of listens.
        item_ids: the log's items.
        out_file: the Parquet file to write.
    """
    fields = text_fields(COLUMNS, {column: column for column in COLUMNS}, LISTENS)
    told = (
        f"SELECT coalesce(track_mbid, {joined(TRACK_NAMES)}) AS item_id, {joined([ARTIST])} AS artist_id, artist_name, "
        f"track_name, count(*) AS lines FROM ({fields}) WHERE damage IS NULL GROUP BY ALL"
    )
    with (
        tempfile.TemporaryDirectory(dir=out_file.parent) as scratch,
        duckdb.connect(Path(scratch) / "items.duckdb") as db,
    ):
        for setting, value in {"memory_limit": _MEMORY, "temp_directory": scratch}.items():
            db.execute(f"SET {setting} = {literal(value)}")
        for number, lines in enumerate(read_lines(listens, LISTENS.encoding)):
            db.register("lines", lines)
            db.execute(f"CREATE TABLE told AS {told}" if number == 0 else f"INSERT INTO told {told}")
        db.unregister("lines")
        known = pa.table({"item_id": item_ids, "place": np.arange(len(item_ids))})
        db.register("known", known)
        # Of what is told equally often, the first by the alphabet, so that the same file gives the same table.
        first = "PARTITION BY item_id ORDER BY sum(lines) DESC, artist_id, artist_name, track_name"
        one = (
            "SELECT item_id, artist_id, artist_name, track_name FROM told "
            f"GROUP BY 1, 2, 3, 4 QUALIFY row_number() OVER ({first}) = 1"
        )
        ordered = f"SELECT one.* FROM ({one}) one JOIN known USING (item_id) ORDER BY place"
        db.execute(f"COPY ({ordered}) TO {literal(str(out_file))} (FORMAT parquet)")
