"""The Million Playlist Dataset: slices and tables by hand, and seven thousand real playlists."""

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from urep_jax.data.datasets.million_playlist import Builder, MillionPlaylistConfig
from urep_jax.data.datasets.million_playlist.songs import FEATURES
from urep_jax.data.ingest import IngestError
from urep_jax.data.playlists import read_playlists
from urep_jax.data.prepare import prepare

ARTIST = {"t1": "x", "t2": "y", "t3": "x", "t4": "z"}
PLAYLISTS = {1000: ["t1", "t2", "t1"], 7: ["t3", "t2"], 999: ["t4"]}
SONGS = "track_id,track_name,playlist_genre,playlist_subgenre," + ",".join(FEATURES) + "\n"


def playlist(pid: int) -> dict[str, Any]:
    """A playlist as it is published."""
    tracks = [
        {
            "pos": place,
            "artist_name": f"Artist {ARTIST[track]}",
            "track_uri": f"spotify:track:{track}",
            "artist_uri": f"spotify:artist:{ARTIST[track]}",
            "track_name": f"Track {track}",
            "album_uri": "spotify:album:a",
            "duration_ms": 226863,
            "album_name": "Album",
        }
        for place, track in enumerate(PLAYLISTS[pid])
    ]
    return {"name": "Throwbacks", "collaborative": "false", "pid": pid, "num_followers": 1, "tracks": tracks}


def publish(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for first, pids in ((0, (7, 999)), (1000, (1000,)), (10000, ())):
        told = {"info": {"version": "v1"}, "playlists": [playlist(pid) for pid in pids]}
        (folder / f"mpd.slice.{first}-{first + 999}.json").write_text(json.dumps(told), encoding="utf-8")
    (folder / "mpd.slice.notes.txt").write_text("no slice")
    return folder


def song(track: str, genre: str, subgenre: str, tempo: object = 120.5) -> str:
    numbers = [tempo if feature == "tempo" else 0.5 for feature in FEATURES]
    return ",".join(map(str, [track, f'"Song ""{track}"", live"', genre, subgenre, *numbers])) + "\n"


def tables(config: MillionPlaylistConfig, workspace: Path) -> tuple[list[str], list[dict[str, Any]]]:
    """What the playlists table, sorted, and the items table tell."""
    log = prepare(config, workspace)
    assert (log.name, log.granularity, log.num_events, log.num_sequences) == ("million_playlist", "user", 0, 0)
    builder = config.builder(workspace / "datasets")
    playlists, items = builder.companion("playlists"), builder.companion("items")
    assert playlists is not None
    assert items is not None
    assert items["item_id"].to_pylist() == log.item_ids.to_pylist()
    found = read_playlists(playlists)
    ids = found.item_ids.to_pylist()
    lists = [
        f"{name}: {' '.join(ids[i] for i in found.item[found.offsets[p] : found.offsets[p + 1]])}"
        for p, name in enumerate(found.playlist_ids.to_pylist())
    ]
    return lists, items.to_pylist()


def item(track: str, artist: str) -> dict[str, str]:
    return {
        "item_id": track,
        "artist_id": artist,
        "artist_name": f"Artist {ARTIST[track]}",
        "track_name": f"Track {track}",
    }


@pytest.mark.parametrize("place", ["", "data"])
def test_slices_as_published(tmp_path: Path, place: str) -> None:
    publish(tmp_path / "mpd" / place)
    lists, items = tables(MillionPlaylistConfig(path=tmp_path / "mpd"), tmp_path / "workspace")
    assert lists == ["7: t3 t2", "999: t4", "1000: t1 t2 t1"]
    assert items == [item("t3", "x"), item("t2", "y"), item("t4", "z"), item("t1", "x")]
    # Again, and without what was cached.
    (cache,) = (tmp_path / "workspace" / "cache").glob("million_playlist-*")
    (cache / "log.json").unlink()
    assert tables(MillionPlaylistConfig(path=tmp_path / "mpd"), tmp_path / "workspace") == (lists, items)


def write_tables(folder: Path, rows: Sequence[int] = (2, 1, 3, 0, 1, 0)) -> Path:
    folder.mkdir()
    places = {"playlist": [7, 7, 999, 1000, 1000, 1000], "position": [0, 1, 0, 0, 1, 2], "track": list(rows)}
    pq.write_table(pa.table(places), folder / "playlist_tracks.parquet")
    names = {"artist_name": [f"Artist {a}" for a in ARTIST.values()], "track_name": [f"Track {t}" for t in ARTIST]}
    columns = {"track_id": list(ARTIST), **names}
    # As pandas writes them.
    tracks = {name: pa.array(values, pa.large_string()) for name, values in columns.items()}
    pq.write_table(pa.table(tracks), folder / "tracks.parquet")
    return folder


def test_tables_that_refer_to_each_other(tmp_path: Path) -> None:
    config = MillionPlaylistConfig(path=write_tables(tmp_path / "tables"))
    lists, items = tables(config, tmp_path / "workspace")
    assert lists == ["7: t3 t2", "999: t4", "1000: t1 t2 t1"]
    assert items == [item(track, f"Artist {artist}") for track, artist in ARTIST.items()]


@pytest.mark.parametrize("packed", [False, True])
def test_songs_tell_of_sound_and_genre(tmp_path: Path, packed: bool) -> None:
    rows = [
        *(song("t2", "pop", "dance pop"), song("t2", "rock", "hard rock"), song("t2", "rock", "album rock")),
        *(song("t4", "edm", "big room", tempo=""), song("t9", "rap", "trap")),
    ]
    (tmp_path / "songs").mkdir()
    with (gzip.open if packed else open)(tmp_path / "songs" / ("a.csv" + ".gz" * packed), "wt") as file:
        file.write(SONGS + "".join(rows))
    config = MillionPlaylistConfig(path=write_tables(tmp_path / "tables"), songs=tmp_path / "songs")
    lists, items = tables(config, tmp_path / "workspace")
    assert len(lists) == 3
    told = {row["item_id"]: (row["acoustic"], row["genre"], row["subgenre"]) for row in items}
    numbers = [120.5 if feature == "tempo" else 0.5 for feature in FEATURES]
    assert told == {
        "t1": (None, None, None),
        "t2": (numbers, "rock", "album rock"),
        "t3": (None, None, None),
        "t4": (None, "edm", "big room"),
    }


def test_songs_that_do_not_fit_are_told(tmp_path: Path) -> None:
    path = write_tables(tmp_path / "tables")
    for number, (text, message) in enumerate(
        [
            (SONGS + song("t9", "rap", "trap"), "tells of none of the playlists' tracks; give songs another file"),
            (SONGS.replace("tempo", "speed") + song("t1", "rap", "trap"), "has no column 'tempo'; its columns are"),
            (SONGS + "t1,X\n", r"line 2: the line should have 16 fields"),
        ]
    ):
        (tmp_path / f"{number}.csv").write_text(text)
        with pytest.raises(IngestError, match=message):
            prepare(MillionPlaylistConfig(path=path, songs=tmp_path / f"{number}.csv"), tmp_path / "workspace")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text[:-30], r"mpd\.slice\.0-999\.json can't be read as JSON, it may be cut short"),
        (
            lambda text: text.replace('"track_uri"', '"uri"'),
            r"0-999\.json: playlist 7 has no 'track_uri'; copy",
        ),
        (lambda text: text.replace('"pid"', '"id"'), r"0-999\.json: playlist None has no 'pid'"),
        (lambda text: text.replace('"playlists"', '"lists"'), r"0-999\.json holds no list of playlists"),
        (lambda text: "[]", r"0-999\.json holds no list of playlists"),
    ],
)
def test_a_bad_slice_is_told(tmp_path: Path, spoil: Callable[[str], str], message: str) -> None:
    file = publish(tmp_path / "mpd") / "mpd.slice.0-999.json"
    file.write_text(spoil(file.read_text()))
    with pytest.raises(IngestError, match=message):
        prepare(MillionPlaylistConfig(path=tmp_path / "mpd"), tmp_path / "workspace")


def test_bad_tables_are_told(tmp_path: Path) -> None:
    path = write_tables(tmp_path / "tables", rows=(2, 1, 3, 0, 1, 4))
    with pytest.raises(IngestError, match=r"track runs from 0 to 4, but must be the number of one of 4 rows of tracks"):
        prepare(MillionPlaylistConfig(path=path), tmp_path / "workspace")
    table = pq.read_table(path / "tracks.parquet")
    pq.write_table(table.drop_columns(["artist_name"]), path / "tracks.parquet")
    with pytest.raises(IngestError, match=r"tracks\.parquet has no column 'artist_name'; its columns are track_id"):
        prepare(MillionPlaylistConfig(path=path), tmp_path / "workspace")


def test_a_missing_file_is_told_with_where_to_get_it(tmp_path: Path) -> None:
    where = r"holds no mpd\.slice\.\*\.json, nor playlist_tracks\.parquet and tracks\.parquet; .* https://www\.aicrowd"
    with pytest.raises(FileNotFoundError, match=where):
        prepare(MillionPlaylistConfig(path=tmp_path), tmp_path / "workspace")


def test_the_builder_is_laid_out_as_tfds_does() -> None:
    metadata = Builder.get_metadata()
    assert "non-commercial research" in metadata.description
    assert "chen2018recsys" in metadata.citation


def test_for_real(data_folder: Callable[[str], Path], tmp_path: Path) -> None:
    config = MillionPlaylistConfig(path=data_folder("million-playlist"), songs=data_folder("spotify-songs"))
    log = prepare(config, tmp_path)
    assert log.num_items == 201_730
    builder = config.builder(tmp_path / "datasets")
    playlists, items = builder.companion("playlists"), builder.companion("items")
    assert playlists is not None
    assert items is not None
    found = read_playlists(playlists)
    assert (len(found), len(found.item)) == (7_071, 696_957)
    assert len(items["artist_id"].unique()) == 42_743
    assert items["acoustic"].is_valid().to_numpy().sum() == items["genre"].is_valid().to_numpy().sum() == 5_821
    assert {len(numbers) for numbers in items["acoustic"].drop_null().to_pylist()} == {12}
