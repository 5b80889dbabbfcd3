"""`Standardisation`: features on one scale, and something in place of what isn't known."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from urep_jax.data.user_features.groups import Group, columns_of

_LEAST_SPREAD = 1e-6
"""Columns that spread less are constant."""


class Standardisation(NamedTuple):
    """Means and spreads of features, fitted once and kept with the model.

    Attributes:
        mean: of each column; 0 for indicators.
        scale: by which each column is divided; 1 for indicators, and for what is constant.
    """

    mean: Float32[np.ndarray, "F"]
    scale: Float32[np.ndarray, "F"]

    def __call__(self, features: Float[np.ndarray, "N F"]) -> Float32[np.ndarray, "N F"]:
        """`(x - mean) / scale`; what isn't known is the mean, 0."""
        x_NxF = (features - self.mean) / self.scale
        return np.nan_to_num(x_NxF, copy=False, nan=0.0).astype(np.float32)


def fit_standardisation(features: Float[np.ndarray, "N F"], groups: Sequence[Group]) -> Standardisation:
    """Fit it to users who train.

    Real numbers are scaled one by one to a standard deviation of 1. A vector's coordinates are scaled alike, so that
    angles stay what they are, to a mean variance of 1.

    Args:
        features: from `user_features`, NaN where nothing is known.
        groups: what its columns are.

    Raises:
        ValueError: if the groups don't add up to the columns.
    """
    columns = columns_of(groups, features.shape[1])
    mean_F, variance_F = _moments(features)
    is_indicator_F = np.zeros(len(mean_F), bool)
    for group, own in zip(groups, columns, strict=True):
        is_indicator_F[own] = group.kind == "indicator"
        if group.kind == "vector":
            variance_F[own] = variance_F[own].mean()
    scale_F = np.where(variance_F > _LEAST_SPREAD**2, np.sqrt(variance_F), 1.0)
    return Standardisation(
        np.where(is_indicator_F, 0.0, mean_F).astype(np.float32),
        np.where(is_indicator_F, 1.0, scale_F).astype(np.float32),
    )


def _moments(features: Float[np.ndarray, "N F"]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of what is known in each column; 0 where nothing is."""
    known_NxF = ~np.isnan(features)
    number_F = np.maximum(known_NxF.sum(axis=0), 1)
    mean_F = np.where(known_NxF, features, 0.0).sum(axis=0, dtype=np.float64) / number_F
    variance_F = (np.where(known_NxF, features - mean_F, 0.0) ** 2).sum(axis=0, dtype=np.float64) / number_F
    return mean_F, variance_F
