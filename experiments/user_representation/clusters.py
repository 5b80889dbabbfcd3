"""Whether users who have something in common lie close (§5.2.3, Table 4)."""

import numpy as np
import pyarrow.compute as pc
from scipy.sparse import csr_array

from experiments.user_representation.representations import Vectors
from experiments.user_representation.sources import Sources
from experiments.user_representation.tasks import Results, Trained
from urep_jax.baselines.play_counts import play_counts
from urep_jax.core.types import SECONDS_PER_DAY
from urep_jax.data.moments import Moments
from urep_jax.data.ragged import lists_as_matrix, offsets_of, ranges
from urep_jax.data.user_features.profiles import NOT_KNOWN
from urep_jax.evaluation.similar_users import similar_users

FAVOURITES = 3
"""Artists, or genres, of a user that are favourites: those listened to most."""


def clusters(trained: Trained) -> Results:
    """`clusters/<favourite_artists|artist_country|favourite_genres|onboarding>/<r>`: nDCG of each user's nearest.

    Where users have several things in common, the worth of a neighbour is the share that both have of what either has.
    What the data doesn't tell isn't asked: artists, their countries, or an onboarding.
    """
    people, settings, established = trained.people, trained.settings, trained.people.established
    found: Results = {}
    vectors = trained.represented(established)
    for name, shared in favourites(trained.sources, established).items():
        found |= _near(name, vectors, shared, established)
    # The answers play a role for some time; those who gave some within it have listened to something since.
    since = people.now - settings.features.onboarding_days * SECONDS_PER_DAY
    recent = people.new.where((people.new.time >= since) & (people.new.time < people.now))
    recent = Moments(recent.user, np.full(len(recent), people.now, np.int64))
    picked = _picked(trained.sources, recent)
    if picked.nnz:
        vectors = trained.represented(recent)
        found |= _near("onboarding", vectors, picked, recent)
    return found


def favourites(sources: Sources, asked: Moments) -> dict[str, csr_array]:
    """What users listened to most until a moment, N x M of 0 and 1 each: what the data tells of.

    `favourite_artists` and `favourite_genres` are up to three of each user, `artist_country` is the one country.
    """
    plays = play_counts(sources.log, asked.user, asked.time)
    found = {}
    if len(sources.profiles.artist_ids):
        by_artist = csr_array(plays @ _artists(sources))
        found["favourite_artists"] = _most_played(by_artist, FAVOURITES)
        country_A = _countries(sources)
        if country_A is not None:
            found["artist_country"] = _most_played(csr_array(by_artist @ country_A), 1)
    genres = _genres(sources)
    if genres is not None:
        found["favourite_genres"] = _most_played(csr_array(plays @ genres), FAVOURITES)
    return found


def _near(name: str, vectors: Vectors, shared: csr_array, asked: Moments) -> Results:
    return {
        f"clusters/{name}/{r}": {"ndcg@50": similar_users(of_users, shared, asked.user, k=50)}
        for r, of_users in vectors.items()
    }


def _artists(sources: Sources) -> csr_array:
    """Whose each item is: V x A of 0 and 1."""
    profiles = sources.profiles
    has_V = np.flatnonzero(profiles.item_artist != NOT_KNOWN)
    shape = (len(profiles.item_artist), len(profiles.artist_ids))
    return csr_array((np.ones(len(has_V), np.float32), (has_V, profiles.item_artist[has_V])), shape=shape)


def _genres(sources: Sources) -> csr_array | None:
    """What kinds each item is of, V x G of 0 and 1; None if nobody knows."""
    items, ids = sources.tables.get("items"), sources.log.item_ids
    if items is None or "genres" not in items.column_names:
        return None
    lists = items["genres"].combine_chunks().take(pc.index_in(ids, value_set=items["item_id"].combine_chunks()))
    item, words = pc.list_parent_indices(lists).to_numpy(), pc.list_flatten(lists).dictionary_encode()
    of_item = csr_array(
        (np.ones(len(item), np.float32), (item, words.indices.to_numpy())), shape=(len(ids), len(words.dictionary))
    )
    return of_item if of_item.nnz else None


def _countries(sources: Sources) -> csr_array | None:
    """Which country each artist is of, A x W of 0 and 1; None if nobody knows."""
    artists, ids = sources.tables.get("artists"), sources.profiles.artist_ids
    if artists is None or "country" not in artists.column_names:
        return None
    row = pc.index_in(ids, value_set=artists["artist_id"].combine_chunks())
    encoded = artists["country"].combine_chunks().take(row).dictionary_encode()
    code_A = pc.fill_null(encoded.indices, NOT_KNOWN).to_numpy(zero_copy_only=False)
    has_A = np.flatnonzero(code_A != NOT_KNOWN)
    shape = (len(ids), len(encoded.dictionary))
    return csr_array((np.ones(len(has_A), np.float32), (has_A, code_A[has_A])), shape=shape)


def _most_played(plays: csr_array, most: int) -> csr_array:
    """The columns that each row has most of, as 0 and 1; among equals the first."""
    plays.sort_indices()
    length_N = np.diff(plays.indptr)
    row_P = np.repeat(np.arange(plays.shape[0]), length_N)
    order = np.lexsort((plays.indices, -plays.data, row_P))
    kept = order[ranges(plays.indptr[:-1], plays.indptr[:-1] + np.minimum(length_N, most))]
    offsets = offsets_of(np.minimum(length_N, most))
    return csr_array((np.ones(len(kept), np.float32), plays.indices[kept], offsets), shape=plays.shape)


def _picked(sources: Sources, asked: Moments) -> csr_array:
    """Which artists users picked, N x A of 0 and 1."""
    profiles = sources.profiles
    picked = lists_as_matrix(profiles.artist_offsets, profiles.artists, asked.user, len(profiles.artist_ids))
    picked.sum_duplicates()
    picked.data[:] = 1.0
    return picked
