"""Vectors of users to be compared with z_u: what is simpler, and what the paper compares with."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32

from experiments.user_representation.chain import Chain, Features
from experiments.user_representation.components import Components
from urep_jax.data.moments import Moments
from urep_jax.data.user_features.groups import columns_of

Vectors = dict[str, Float32[np.ndarray, "N _"]]
"""A vector of each user, by the name of the representation."""


def represent(chain: Chain, components: Components, asked: Moments, *, new: bool = False) -> Vectors:
    """`z_u`, `average` and `pca` of users at moments; no `average` without the features that it is made of.

    Args:
        chain: the chain.
        components: of what it learnt from.
        asked: who, and when.
        new: whether they have listened to nothing yet: the average is of the artists that they picked.
    """
    x = chain.features.of(asked)
    average = averages_of_picked(chain.features, x) if new else averages(chain.features, x)
    vectors = {"z_u": chain.z(x), "average": average, "pca": components.of(x)}
    # Without modalities, or windows, there is nothing to be averaged.
    return {name: of_users for name, of_users in vectors.items() if of_users.shape[1]}


def averages(features: Features, x: Float32[np.ndarray, "N F"]) -> Float32[np.ndarray, "N D"]:
    """Average embeddings of what users listened to in the longest window, of each modality (Table 1)."""
    longest = features.space.cfg.longest
    return _vectors(features, x, lambda name: name.endswith(f"/{longest}"))


def averages_of_picked(features: Features, x: Float32[np.ndarray, "N F"]) -> Float32[np.ndarray, "N D"]:
    """Average embeddings of the artists that new users picked, of each modality (Table 2).

    They lie where `averages` lie; where answers are no features, everybody's are nobody's.
    """
    found = _vectors(features, x, lambda name: name.startswith("onboarding/"))
    return found if found.shape[1] else np.zeros_like(averages(features, x))


def curated(features: Features, x: Float32[np.ndarray, "N F"]) -> Float32[np.ndarray, "N D"]:
    """What one would curate for a model of its own (§5.2.2): static, activity and listening history based features.

    The listening history is the average embeddings of the longest window.
    """
    groups = features.space.groups
    kept = [
        x[:, own]
        for group, own in zip(groups, columns_of(groups, x.shape[1]), strict=True)
        if {"static", "activity", "devices"}.intersection(group.tags)
    ]
    return np.concatenate([averages(features, x), *kept], axis=1)


def _vectors(
    features: Features, x: Float32[np.ndarray, "N F"], wanted: Callable[[str], bool]
) -> Float32[np.ndarray, "N D"]:
    """The columns of the vectors among the groups that are wanted; none if they are switched off."""
    groups = features.space.groups
    kept = [
        x[:, own]
        for group, own in zip(groups, columns_of(groups, x.shape[1]), strict=True)
        if group.kind == "vector" and wanted(group.name)
    ]
    return np.concatenate([x[:, :0], *kept], axis=1)
