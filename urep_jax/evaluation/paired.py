"""The difference of two results on the same users."""

import dataclasses

import numpy as np

from urep_jax.evaluation.by_user import ByUser
from urep_jax.metrics.mean import Mean


@dataclasses.dataclass(frozen=True)
class PairedDifference:
    """How much greater one result is than another, user by user.

    Attributes:
        mean: mean difference over the users that both have.
        standard_error: of that mean.
        ci95: half-width of its 95 % interval.
        num_users: how many users both have.
    """

    mean: float
    standard_error: float
    ci95: float
    num_users: int


def paired_difference(a: ByUser, b: ByUser) -> PairedDifference:
    """`a - b` over their common users.

    Raises:
        ValueError: if they have no user in common.
    """
    common, in_a, in_b = np.intersect1d(a.user, b.user, assume_unique=True, return_indices=True)
    if not len(common):
        raise ValueError(
            f"the results have no user in common ({len(a.user)} and {len(b.user)} users); compare results on one split"
        )
    mean = Mean.from_batch(a.values[in_a] - b.values[in_b])
    return PairedDifference(mean.compute(), mean.standard_error(), mean.ci95(), len(common))
