"""`Profiles`: what is known of users beside what they listened to."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float32, Int32, Int64

from urep_jax.data.ragged import offsets_of

NOT_KNOWN = -1
"""Code of a category that isn't known."""

NEVER = np.iinfo(np.int64).max
"""Time of what never happened."""

CATEGORIES = ("country", "device", "language", "plan")
"""Columns of the users table that are categories, where nobody names others."""


@dataclasses.dataclass(frozen=True, eq=False)
class Profiles:
    """Everybody's profile, by the log's numbers of users and items.

    Attributes:
        category: code of each user in each category that is known of anybody, `NOT_KNOWN` where it isn't.
        values: the words that the codes stand for.
        age: in years, NaN where unknown.
        registered: seconds since 1970, UTC; `NEVER` where unknown.
        answered: when the questions of the onboarding were answered; `NEVER` if they weren't.
        artist_offsets: where each user's picked artists start; the last entry is their number.
        artists: the picked artists, indices into `artist_ids`.
        artist_ids: the source's ids of artists.
        item_artist: artist of each item, `NOT_KNOWN` where unknown.
        language_offsets: where each user's picked languages start; the last entry is their number.
        languages: the picked languages, indices into `language_ids`.
        language_ids: the words.
    """

    category: Mapping[str, Int32[np.ndarray, "S"]]
    values: Mapping[str, pa.StringArray]
    age: Float32[np.ndarray, "S"]
    registered: Int64[np.ndarray, "S"]
    answered: Int64[np.ndarray, "S"]
    artist_offsets: Int64[np.ndarray, "S+1"]
    artists: Int32[np.ndarray, "_"]
    artist_ids: pa.StringArray
    item_artist: Int32[np.ndarray, "V"]
    language_offsets: Int64[np.ndarray, "S+1"]
    languages: Int32[np.ndarray, "_"]
    language_ids: pa.StringArray

    @property
    def completed(self) -> Bool[np.ndarray, "S"]:
        """Who completed the onboarding: picked artists, and languages."""
        return (np.diff(self.artist_offsets) > 0) & (np.diff(self.language_offsets) > 0)


def read_profiles(
    user_ids: pa.StringArray,
    item_ids: pa.StringArray,
    *,
    users: pa.Table | None = None,
    items: pa.Table | None = None,
    onboarding: pa.Table | None = None,
    categories: Sequence[str] = CATEGORIES,
    values: Mapping[str, pa.StringArray] | None = None,
) -> Profiles:
    """Put companion tables in the order of a log.

    Users that a table doesn't tell of have nothing known; those that the log doesn't have are left out. Of several
    answers of a user to the onboarding the earliest counts.

    Args:
        user_ids: the log's users.
        item_ids: the log's items.
        users: columns as in `ingest.schema.USERS`.
        items: as in `ingest.schema.ITEMS`; its `artist_id` tells whose the items are.
        onboarding: as in `ingest.schema.ONBOARDING`.
        categories: columns of `users` that hold categories.
        values: the words of the categories and of `language_ids`, if they are a trained model's: others are unknown
            then. None takes those that are there, sorted.
    """
    nothing = pa.array([], pa.string())
    row_S = _rows_of(users, "user_id", user_ids)
    category, words = {}, {}
    for name in categories:
        column = _column(users, name, row_S, pa.string())
        words[name] = _sorted_words(column) if values is None else values.get(name, nothing)
        if len(words[name]):
            category[name] = _codes(column, words[name])
    words = {name: word for name, word in words.items() if name in category}
    age = _column(users, "age", row_S, pa.float32()).to_numpy(zero_copy_only=False)
    registered = pc.fill_null(_column(users, "registered_at", row_S, pa.int64()), int(NEVER))

    artist_column = _column(items, "artist_id", _rows_of(items, "item_id", item_ids), pa.string())
    answers = None if onboarding is None else onboarding.sort_by("timestamp")
    answer_S = _rows_of(answers, "user_id", user_ids)
    answered = pc.fill_null(_column(answers, "timestamp", answer_S, pa.int64()), int(NEVER))
    picked_artists = _column(answers, "artists", answer_S, pa.list_(pa.string()))
    picked_languages = _column(answers, "languages", answer_S, pa.list_(pa.string()))
    artist_ids = _sorted_words(pa.concat_arrays([artist_column, pc.list_flatten(picked_artists)]))
    all_languages = pc.list_flatten(picked_languages)
    language_ids = _sorted_words(all_languages) if values is None else values.get("language_ids", nothing)
    artist_offsets, artists = _ragged(picked_artists, artist_ids)
    language_offsets, languages = _ragged(picked_languages, language_ids)
    return Profiles(
        category=category,
        values=words,
        age=np.asarray(age, np.float32),
        registered=registered.to_numpy(),
        answered=answered.to_numpy(),
        artist_offsets=artist_offsets,
        artists=artists,
        artist_ids=artist_ids,
        item_artist=_codes(artist_column, artist_ids),
        language_offsets=language_offsets,
        languages=languages,
        language_ids=language_ids,
    )


def _rows_of(table: pa.Table | None, key: str, ids: pa.StringArray) -> pa.Int64Array:
    """The first row of a table for each id; null where there is none."""
    if table is None:
        return pa.nulls(len(ids), pa.int64())
    return pc.cast(pc.index_in(ids, value_set=table[key].combine_chunks()), pa.int64())


def _column(table: pa.Table | None, name: str, rows: pa.Int64Array, dtype: pa.DataType) -> pa.Array:
    """A column by user or item; null where the table doesn't tell."""
    if table is None or name not in table.column_names:
        return pa.nulls(len(rows), dtype)
    column = table[name].combine_chunks().take(rows)
    return column if column.type == dtype else column.cast(dtype)


def _sorted_words(column: pa.StringArray) -> pa.StringArray:
    words = column.unique().drop_null()
    return words.take(pc.sort_indices(words))


def _codes(column: pa.StringArray, words: pa.StringArray) -> Int32[np.ndarray, "N"]:
    found = pc.fill_null(pc.index_in(column, value_set=words, skip_nulls=True), NOT_KNOWN)
    return found.to_numpy(zero_copy_only=False).astype(np.int32)


def _ragged(lists: pa.ListArray, words: pa.StringArray) -> tuple[np.ndarray, np.ndarray]:
    """Lists of words as offsets and codes; words that there are none of are left out."""
    owner = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    codes = _codes(pc.list_flatten(lists), words)
    known = codes != NOT_KNOWN
    lengths = np.bincount(owner[known], minlength=len(lists))
    return offsets_of(lengths), codes[known]
