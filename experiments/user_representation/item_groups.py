"""What items have in common: their artists, these artists' countries, and genres."""

from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc
from scipy.sparse import csr_array

from experiments.user_representation.sources import Sources
from urep_jax.baselines.play_counts import play_counts
from urep_jax.data.moments import Moments
from urep_jax.data.ragged import offsets_of, ranges
from urep_jax.data.user_features.profiles import NOT_KNOWN

FAVOURITES = 3
"""Artists, or genres, of a user that are favourites: those listened to most."""


class Groups(NamedTuple):
    """Groups with names.

    Attributes:
        members: N x G of 0 and 1, to which groups each row belongs.
        names: of the groups.
    """

    members: csr_array
    names: list[str]


def favourites(sources: Sources, asked: Moments) -> dict[str, csr_array]:
    """What users listened to most until a moment, N x M of 0 and 1 each: what the data tells of.

    `favourite_artists` and `favourite_genres` are up to three of each user, `artist_country` is the one country.
    """
    plays = play_counts(sources.log, asked.user, asked.time)
    found = {}
    if len(sources.profiles.artist_ids):
        by_artist = csr_array(plays @ artists_of(sources))
        found["favourite_artists"] = most_played(by_artist, FAVOURITES)
        countries = countries_of(sources)
        if countries is not None:
            found["artist_country"] = most_played(csr_array(by_artist @ countries.members), 1)
    genres = genres_of(sources)
    if genres is not None:
        found["favourite_genres"] = most_played(csr_array(plays @ genres.members), FAVOURITES)
    return found


def artists_of(sources: Sources) -> csr_array:
    """Whose each item is: V x A of 0 and 1."""
    profiles = sources.profiles
    has_V = np.flatnonzero(profiles.item_artist != NOT_KNOWN)
    shape = (len(profiles.item_artist), len(profiles.artist_ids))
    return csr_array((np.ones(len(has_V), np.float32), (has_V, profiles.item_artist[has_V])), shape=shape)


def genres_of(sources: Sources) -> Groups | None:
    """What kinds each item is of, V x G; None if nobody knows."""
    items, ids = sources.tables.get("items"), sources.log.item_ids
    if items is None or "genres" not in items.column_names:
        return None
    lists = items["genres"].combine_chunks().take(pc.index_in(ids, value_set=items["item_id"].combine_chunks()))
    item, words = pc.list_parent_indices(lists).to_numpy(), pc.list_flatten(lists).dictionary_encode()
    of_item = csr_array(
        (np.ones(len(item), np.float32), (item, words.indices.to_numpy())), shape=(len(ids), len(words.dictionary))
    )
    return Groups(of_item, words.dictionary.to_pylist()) if of_item.nnz else None


def countries_of(sources: Sources) -> Groups | None:
    """Which country each artist is of, A x W; None if nobody knows."""
    artists, ids = sources.tables.get("artists"), sources.profiles.artist_ids
    if artists is None or "country" not in artists.column_names:
        return None
    row = pc.index_in(ids, value_set=artists["artist_id"].combine_chunks())
    encoded = artists["country"].combine_chunks().take(row).dictionary_encode()
    code_A = pc.fill_null(encoded.indices, NOT_KNOWN).to_numpy(zero_copy_only=False)
    has_A = np.flatnonzero(code_A != NOT_KNOWN)
    shape = (len(ids), len(encoded.dictionary))
    members = csr_array((np.ones(len(has_A), np.float32), (has_A, code_A[has_A])), shape=shape)
    return Groups(members, encoded.dictionary.to_pylist())


def most_played(plays: csr_array, most: int) -> csr_array:
    """The columns that each row has most of, as 0 and 1; among equals the first."""
    plays.sort_indices()
    length_N = np.diff(plays.indptr)
    row_P = np.repeat(np.arange(plays.shape[0]), length_N)
    order = np.lexsort((plays.indices, -plays.data, row_P))
    kept = order[ranges(plays.indptr[:-1], plays.indptr[:-1] + np.minimum(length_N, most))]
    offsets = offsets_of(np.minimum(length_N, most))
    return csr_array((np.ones(len(kept), np.float32), plays.indices[kept], offsets), shape=plays.shape)
