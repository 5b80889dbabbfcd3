"""The Million Playlist Dataset: playlists and their tracks, and nobody who listens."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from urep_jax.data.datasets.base import EventsBuilder, EventsConfig
from urep_jax.data.datasets.million_playlist.slices import find_slices, write_slices
from urep_jax.data.datasets.million_playlist.songs import join_songs
from urep_jax.data.ingest.files import IngestError, find_files
from urep_jax.data.log import EventLog

HOME = "https://www.aicrowd.com/challenges/spotify-million-playlist-dataset-challenge"

_TABLES = ("playlist_tracks.parquet", "tracks.parquet")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MillionPlaylistConfig(EventsConfig):
    """The Million Playlist Dataset, or a part of it.

    Attributes:
        path: folder of the publisher's `mpd.slice.*.json`, or one that has them in `data/`, or of
            `playlist_tracks.parquet` and `tracks.parquet`.
        songs: CSV file or folder of tracks with audio features and a genre; None leaves these out.
    """

    path: str | os.PathLike[str]
    songs: str | os.PathLike[str] | None = None

    def builder(self, data_dir: str | os.PathLike[str]) -> "Builder":
        """The builder of the playlists."""
        return Builder(self, data_dir=data_dir)

    def playlists(self) -> list[Path]:
        """The slices, or else the two tables.

        Raises:
            FileNotFoundError: if there are neither; the message says where to get them.
        """
        path = Path(self.path)
        slices = next((found for place in (path, path / "data") if (found := find_slices(place))), [])
        tables = [path / name for name in _TABLES]
        if not slices and not all(table.is_file() for table in tables):
            raise FileNotFoundError(
                f"{path} holds no mpd.slice.*.json, nor {' and '.join(_TABLES)}; get the data set at {HOME} (it needs "
                "a login), and unpack it there"
            )
        return slices or tables

    def sources(self) -> list[Path]:
        """Every file of playlists and of songs."""
        return self.playlists() + ([] if self.songs is None else find_files(self.songs))


class Builder(EventsBuilder[MillionPlaylistConfig]):
    """Builds tables of playlists and items beside a log without events."""

    def _read(self, folder: Path) -> EventLog:
        files = self.settings.playlists()
        playlists_file, items_file = folder / "playlists.parquet", folder / "items.parquet"
        if files[0].suffix == ".json":
            write_slices(files, playlists_file, items_file)
        else:
            places, tracks = files
            _write_tables(places, tracks, playlists_file, items_file)
        if self.settings.songs is not None:
            join_songs(self.settings.songs, items_file)
        item_ids = pq.read_table(items_file, columns=["item_id"])["item_id"].combine_chunks()
        return EventLog(
            name=self.name,
            granularity=self.granularity,
            offsets=np.zeros(1, np.int64),
            item=np.empty(0, np.int32),
            timestamp=np.empty(0, np.int64),
            feedback=np.empty(0, np.int8),
            sequence_ids=pa.array([], pa.string()),
            item_ids=pc.cast(item_ids, pa.string()),
        )


def _write_tables(places: Path, tracks: Path, playlists_file: Path, items_file: Path) -> None:
    """Two tables that refer to each other by rows, under the library's names."""
    told, place = (_columns(path, names) for path, names in ((tracks, _TRACKS), (places, _PLACES)))
    row = place["track"].to_numpy()
    if len(row) and not 0 <= row.min() <= row.max() < told.num_rows:
        raise IngestError(
            f"{places}: track runs from {row.min()} to {row.max()}, but must be the number of one of {told.num_rows} "
            f"rows of {tracks.name}",
            "copy both again",
        )
    columns = [pc.cast(told[name], pa.string()) for name in ("track_id", "artist_name", "artist_name", "track_name")]
    items = pa.table(columns, names=["item_id", "artist_id", "artist_name", "track_name"])
    pq.write_table(items, items_file)
    playlists = {
        "playlist_id": pc.cast(place["playlist"], pa.string()),
        "position": pc.cast(place["position"], pa.int32()),
        "item_id": items["item_id"].combine_chunks().take(pa.array(row)),
    }
    pq.write_table(pa.table(playlists), playlists_file)


_PLACES = ("playlist", "position", "track")
_TRACKS = ("track_id", "artist_name", "track_name")


def _columns(path: Path, names: tuple[str, ...]) -> pa.Table:
    there = pq.read_schema(path).names
    for name in names:
        if name not in there:
            raise IngestError(f"{path} has no column {name!r}; its columns are {', '.join(there)}", "copy it again")
    return pq.read_table(path, columns=list(names))
