"""Whether users who have something in common lie close (§5.2.3, Table 4)."""

import numpy as np
from scipy.sparse import csr_array

from experiments.user_representation.item_groups import favourites
from experiments.user_representation.representations import Vectors
from experiments.user_representation.tasks import Answer, Results, Trained
from urep_jax.core.types import SECONDS_PER_DAY
from urep_jax.data.moments import Moments
from urep_jax.data.ragged import lists_as_matrix
from urep_jax.evaluation.similar_users import similar_users


def clusters(trained: Trained) -> Answer:
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
    picked = _picked(trained, recent)
    if picked.nnz:
        vectors = trained.represented(recent)
        found |= _near("onboarding", vectors, picked, recent)
    return Answer(found)


def _near(name: str, vectors: Vectors, shared: csr_array, asked: Moments) -> Results:
    return {
        f"clusters/{name}/{r}": {"ndcg@50": similar_users(of_users, shared, asked.user, k=50)}
        for r, of_users in vectors.items()
    }


def _picked(trained: Trained, asked: Moments) -> csr_array:
    """Which artists users picked, N x A of 0 and 1."""
    profiles = trained.sources.profiles
    picked = lists_as_matrix(profiles.artist_offsets, profiles.artists, asked.user, len(profiles.artist_ids))
    picked.sum_duplicates()
    picked.data[:] = 1.0
    return picked
