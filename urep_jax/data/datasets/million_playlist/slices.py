"""The publisher's slices: JSON files of a thousand playlists each, read one at a time."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from urep_jax.data.ingest.fields import literal
from urep_jax.data.ingest.files import IngestError

_MEMORY = "768MB"
_PLACES = pa.schema({"playlist_id": pa.string(), "position": pa.int32(), "item_id": pa.string()})
_TRACKS = pa.schema(
    {"item_id": pa.string(), "artist_id": pa.string(), "artist_name": pa.string(), "track_name": pa.string()}
)


def find_slices(folder: Path) -> list[Path]:
    """The slices of a folder, in the order of their playlists; none if it holds none."""
    found = [(re.fullmatch(r"mpd\.slice\.(\d+)-\d+\.json", path.name), path) for path in folder.glob("mpd.slice.*")]
    return [path for _, path in sorted((int(match[1]), path) for match, path in found if match)]


def write_slices(slices: Sequence[Path], playlists_file: Path, items_file: Path) -> None:
    """Write what slices tell: the playlists table, and the items in the order in which they are met.

    Args:
        slices: the publisher's files.
        playlists_file: the Parquet file of playlists to write.
        items_file: that of items. Of a track that is told differently, what is told first counts.

    Raises:
        IngestError: naming the file, and the playlist in it, that can't be read.
    """
    with duckdb.connect(items_file.with_suffix(".duckdb")) as db, pq.ParquetWriter(playlists_file, _PLACES) as writer:
        for setting, value in {"memory_limit": _MEMORY, "temp_directory": str(items_file.parent)}.items():
            db.execute(f"SET {setting} = {literal(value)}")
        db.execute("CREATE TABLE met (slice INTEGER, place BIGINT, track STRUCT(" + _struct() + "))")
        for number, path in enumerate(slices):
            places, tracks = _read(path)
            writer.write_table(places)
            db.register("told", tracks)
            first = "SELECT min(place), arg_min(track, place) FROM (SELECT row_number() OVER () AS place, told AS track"
            db.execute(f"INSERT INTO met SELECT {number}, * FROM ({first} FROM told) GROUP BY track.item_id)")
            db.unregister("told")
        first = "SELECT arg_min(track, (slice, place)) AS track, min((slice, place)) AS place FROM met"
        ordered = f"SELECT track.* FROM ({first} GROUP BY track.item_id) ORDER BY place"
        db.execute(f"COPY ({ordered}) TO {literal(str(items_file))} (FORMAT parquet)")


def _struct() -> str:
    return ", ".join(f"{name} VARCHAR" for name in _TRACKS.names)


def _read(path: Path) -> tuple[pa.Table, pa.Table]:
    """A slice's places, and the track at each."""
    try:
        with path.open("rb") as file:
            told = json.load(file)
    except ValueError as error:
        raise IngestError(f"{path} can't be read as JSON, it may be cut short: {error}", "copy it again") from error
    places: dict[str, list[Any]] = {name: [] for name in _PLACES.names}
    tracks: dict[str, list[Any]] = {name: [] for name in _TRACKS.names}
    for playlist in _playlists(path, told):
        pid = playlist.get("pid")
        try:
            for track in playlist["tracks"]:
                item = _last(track["track_uri"])
                row = (item, _last(track["artist_uri"]), track["artist_name"], track["track_name"])
                for name, value in zip(_TRACKS.names, row, strict=True):
                    tracks[name].append(value)
                for name, value in zip(_PLACES.names, (str(playlist["pid"]), track["pos"], item), strict=True):
                    places[name].append(value)
        except KeyError as error:
            raise IngestError(f"{path}: playlist {pid} has no {error}", "copy the file again") from error
    return pa.table(places, _PLACES), pa.table(tracks, _TRACKS)


def _playlists(path: Path, told: Any) -> Iterator[Any]:
    if not isinstance(told, dict) or not isinstance(told.get("playlists"), list):
        raise IngestError(f"{path} holds no list of playlists", "copy it again, or leave it out")
    yield from told["playlists"]


def _last(uri: str) -> str:
    """`spotify:track:5Wj1rJ` is 5Wj1rJ."""
    return uri.rpartition(":")[2]
