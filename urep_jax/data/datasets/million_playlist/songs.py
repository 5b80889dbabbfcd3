"""Tracks with Spotify's audio features and a genre, joined to the items."""

import os
from pathlib import Path

import duckdb

from urep_jax.data.ingest.companions import write_companion
from urep_jax.data.ingest.fields import literal, name
from urep_jax.data.ingest.files import IngestError

FEATURES = (
    *("danceability", "energy", "key", "loudness", "mode", "speechiness"),
    *("acousticness", "instrumentalness", "liveness", "valence", "tempo", "duration_ms"),
)
"""The numbers of `acoustic`, in their order."""

_GENRES = {"genre": "playlist_genre", "subgenre": "playlist_subgenre"}


def join_songs(songs: str | os.PathLike[str], items_file: Path) -> None:
    """Give the items `acoustic`, `genre` and `subgenre`, where songs tell of them.

    Args:
        songs: CSV files, as `find_files` finds them.
        items_file: the Parquet file of items, which is written anew.

    Raises:
        FileNotFoundError: if there are no such files.
        IngestError: if a line can't be read, a column is missing, or no song is among the items.
    """
    told_file, joined_file = items_file.with_name("songs.parquet"), items_file.with_name("joined.parquet")
    write_companion("items", songs, told_file, columns={"item_id": "track_id"})
    with duckdb.connect() as db:
        db.execute(f"CREATE VIEW items AS SELECT *, row_number() OVER () AS place FROM {literal(str(items_file))}")
        db.execute(f"CREATE TABLE told AS SELECT * FROM {literal(str(told_file))} SEMI JOIN items USING (item_id)")
        there = [row[0] for row in db.execute("DESCRIBE told").fetchall()]
        missing = [column for column in (*FEATURES, *_GENRES.values()) if column not in there]
        if missing:
            raise IngestError(
                f"{songs} has no column {', '.join(map(repr, missing))}; its columns are {', '.join(map(repr, there))}",
                "give songs another file, or leave it out",
            )
        if db.execute("SELECT 1 FROM told LIMIT 1").fetchone() is None:
            raise IngestError(f"{songs} tells of none of the playlists' tracks", "give songs another file")
        numbers = ", ".join(f"TRY_CAST(any_value({name(column)}) AS FLOAT)" for column in FEATURES)
        genres = ", ".join(f"({_most(column)}) AS {genre}" for genre, column in _GENRES.items())
        known = f"SELECT item_id, list_value({numbers}) AS acoustic, {genres} FROM told AS song GROUP BY item_id"
        # What isn't known of every feature can't be read as a row of numbers.
        whole = "CASE WHEN len(list_filter(acoustic, lambda x: x IS NULL)) = 0 THEN acoustic END AS acoustic"
        query = (
            f"SELECT items.* EXCLUDE place, {whole}, genre, subgenre FROM items LEFT JOIN ({known}) USING (item_id) "
            "ORDER BY place"
        )
        db.execute(f"COPY ({query}) TO {literal(str(joined_file))} (FORMAT parquet)")
    told_file.unlink()
    joined_file.replace(items_file)


def _most(column: str) -> str:
    """SQL: the most frequent of a song's values, of equals the first by the alphabet."""
    return (
        f"SELECT {name(column)} FROM told WHERE told.item_id = song.item_id AND {name(column)} IS NOT NULL "
        f"GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
    )
