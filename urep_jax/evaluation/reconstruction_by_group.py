"""How much of each group of features an autoencoder, or PCA, gives back."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from urep_jax.data.user_features.groups import Group


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
    widths = [group.width for group in groups]
    if sum(widths) != x.shape[1]:
        raise ValueError(f"the groups have {sum(widths)} columns, but there are {x.shape[1]}")
    lost_F = np.square(x.astype(np.float64) - decoded).sum(axis=0)
    all_F = np.square(x - x.mean(axis=0, dtype=np.float64)).sum(axis=0)
    bounds = np.concatenate([[0], np.cumsum(widths)])
    sums = {g.name: (lost_F[a:b].sum(), all_F[a:b].sum()) for g, a, b in zip(groups, bounds, bounds[1:], strict=False)}
    sums["all"] = lost_F.sum(), all_F.sum()
    return {name: float(lost / of) if of > 0 else float("nan") for name, (lost, of) in sums.items()}
