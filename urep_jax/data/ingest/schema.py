"""What the tables that people bring are made of: the events, and their companions.

Every table may hold further columns. The events' further columns are left behind; a companion's pass through.
"""

import dataclasses

import pyarrow as pa


@dataclasses.dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: the library's name for it.
        type: its type once read. Ids are strings here, whatever they were in the source.
        required: whether a table without it is refused.
        about: what it holds.
    """

    name: str
    type: pa.DataType
    required: bool
    about: str


@dataclasses.dataclass(frozen=True)
class Table:
    """A table by the library's names."""

    name: str
    columns: tuple[Column, ...]

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that a source must have."""
        return tuple(column.name for column in self.columns if column.required)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns that the library knows."""
        return tuple(column.name for column in self.columns)


def _must(name: str, dtype: pa.DataType, about: str) -> Column:
    return Column(name, dtype, True, about)


def _may(name: str, dtype: pa.DataType, about: str) -> Column:
    return Column(name, dtype, False, about)


EVENTS = Table(
    "events",
    (
        _must("user_id", pa.string(), "who listened; the session's id where one sequence is a session"),
        _must("item_id", pa.string(), "the track"),
        _must("timestamp", pa.int64(), "seconds since 1970 in UTC, or a date and time in UTC"),
        _must("feedback", pa.string(), "up, down, skip or play; undo up or undo down takes one back"),
        _may("station_id", pa.string(), "the station that played the track; empty off any station"),
        _may("device", pa.string(), "what it was heard on"),
        _may("played_ratio", pa.float32(), "share of the track that was heard, 0 to 1"),
        _may("utc_offset", pa.int32(), "seconds to add for the listener's local time; empty is taken as 0"),
    ),
)
"""What a listener did with a track, one row each."""

ITEMS = Table(
    "items",
    (
        _must("item_id", pa.string(), "the track"),
        _may("artist_id", pa.string(), "its artist"),
        _may("content_type", pa.string(), "track or show"),
        _may("language", pa.string(), "language of its words"),
        _may("genres", pa.list_(pa.string()), "what kinds it is of"),
    ),
)
"""The catalogue. Audio or content vectors are further columns, lists of floats."""

ARTISTS = Table(
    "artists",
    (
        _must("artist_id", pa.string(), "the artist"),
        _may("country", pa.string(), "where the artist comes from"),
        _may("language", pa.string(), "language the artist sings in"),
    ),
)
"""Who made the tracks."""

USERS = Table(
    "users",
    (
        _must("user_id", pa.string(), "the listener"),
        _may("country", pa.string(), "where the listener lives"),
        _may("age", pa.int32(), "years, or the lower end of an age group"),
        _may("device", pa.string(), "the listener's main device"),
        _may("language", pa.string(), "language of the listener's app"),
        _may("plan", pa.string(), "subscription plan"),
        _may("registered_at", pa.int64(), "seconds since 1970, UTC"),
    ),
)
"""Who listens."""

ONBOARDING = Table(
    "onboarding",
    (
        _must("user_id", pa.string(), "the listener"),
        _must("timestamp", pa.int64(), "when the questions were answered, seconds since 1970, UTC"),
        _may("artists", pa.list_(pa.string()), "artists picked"),
        _may("languages", pa.list_(pa.string()), "languages picked"),
    ),
)
"""What listeners picked when they signed up."""

FOLLOWS = Table(
    "follows",
    (
        _must("user_id", pa.string(), "the listener"),
        _must("artist_id", pa.string(), "the artist followed"),
        _may("timestamp", pa.int64(), "since when, seconds since 1970, UTC"),
    ),
)
"""Which artists listeners follow."""

PLAYLISTS = Table(
    "playlists",
    (
        _must("playlist_id", pa.string(), "the playlist"),
        _must("position", pa.int32(), "place in the playlist, from 0"),
        _must("item_id", pa.string(), "the track at this place"),
    ),
)
"""Tracks of playlists, one row for each place."""

COMPANIONS = {table.name: table for table in (ITEMS, ARTISTS, USERS, ONBOARDING, FOLLOWS, PLAYLISTS)}
"""The optional tables beside the events, by name."""
