"""How much of each group of features an autoencoder, or PCA, gives back."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from urep_jax.data.user_features.groups import Group, columns_of


def unexplained(
    x: Float[np.ndarray, "N F"], decoded: Float[np.ndarray, "N F"], groups: Sequence[Group]
) -> Mapping[str, float]:
    r"""The share of each group's variance over users that is lost, and of all features' as `all`.

    .. math:: \frac{\sum_{u, f \in g} (x_{uf} - \hat{x}_{uf})^2}{\sum_{u, f \in g} (x_{uf} - \bar{x}_f)^2}

    0 is perfect, 1 no better than everybody's mean; NaN for a group that doesn't vary.

    Args:
        x: standardised features.
        decoded: what came back.
        groups: what the columns are.

    Raises:
        ValueError: if the groups don't add up to the columns.
    """
    columns = columns_of(groups, x.shape[1])
    lost_F = np.square(x.astype(np.float64) - decoded).sum(axis=0)
    all_F = np.square(x - x.mean(axis=0, dtype=np.float64)).sum(axis=0)
    sums = {group.name: (lost_F[own].sum(), all_F[own].sum()) for group, own in zip(groups, columns, strict=True)}
    sums["all"] = lost_F.sum(), all_F.sum()
    return {name: float(lost / of) if of > 0 else float("nan") for name, (lost, of) in sums.items()}
