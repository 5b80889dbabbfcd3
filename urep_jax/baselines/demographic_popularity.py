"""What is popular among users of the same demographic: what to play to somebody of whom nothing else is known."""

import numpy as np
from jaxtyping import Float64, Int
from scipy.sparse import csr_array


def demographic_popularity(
    counts: csr_array,
    group: Int[np.ndarray, "N"],
    asked_group: Int[np.ndarray, "Q"],
    asked_item: Int[np.ndarray, "Q"],
    *,
    prior: float = 100.0,
) -> Float64[np.ndarray, "Q"]:
    r"""Log of an item's share of the plays of a group, drawn towards its share of everybody's.

    .. math:: \log \frac{c_{gv} + m\, s_v}{c_g + m}, \quad s_v = \frac{c_v + 1}{c + V}

    Args:
        counts: N x V plays, from `play_counts`.
        group: the demographic of each of its users, from 0; negative for those that count for no group.
        asked_group: whose taste is asked for; negative asks for everybody's.
        asked_item: of which item.
        prior: m, plays of everybody's that each group is given, above 0.

    Raises:
        ValueError: if `prior` is not above 0.
    """
    if not prior > 0:
        raise ValueError(f"prior is {prior}, but must be above 0")
    V = counts.shape[1]
    counts = counts.astype(np.float64)
    total_V = counts.sum(axis=0)
    share_V = (total_V + 1) / (total_V.sum() + V)
    num_groups = int(max(group.max(initial=-1), asked_group.max(initial=-1))) + 1
    member = group >= 0
    ones = np.ones(member.sum(), np.float32)
    membership = csr_array((ones, (group[member], np.flatnonzero(member))), shape=(num_groups, len(group)))
    by_group = csr_array(membership @ counts)
    of_group_G = by_group.sum(axis=1)
    known_Q = asked_group >= 0
    row_Q = np.maximum(asked_group, 0)
    plays_Q = np.where(known_Q, by_group[row_Q, asked_item] if num_groups else 0.0, 0.0)
    all_plays_Q = np.where(known_Q, of_group_G[row_Q] if num_groups else 0.0, 0.0)
    return np.log((plays_Q + prior * share_V[asked_item]) / (all_plays_Q + prior))
