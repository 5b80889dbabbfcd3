"""`GroupMean`: one mean for each group, such as each user, as sums."""

import dataclasses

import jax
import numpy as np
from jaxtyping import Bool, Float64, Int, Shaped


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class GroupMean:
    """The means of G groups, kept as sums that add up.

    Attributes:
        total: sum of each group's values.
        count: how many each group has.
    """

    total: Float64[np.ndarray, "G"]
    count: Float64[np.ndarray, "G"]

    @classmethod
    def empty(cls, num_groups: int) -> "GroupMean":
        """The state of no values."""
        return cls(np.zeros(num_groups), np.zeros(num_groups))

    @classmethod
    def from_batch(
        cls,
        values: Shaped[np.ndarray, "N"],
        group: Int[np.ndarray, "N"],
        num_groups: int,
        where: Bool[np.ndarray, "N"] | None = None,
    ) -> "GroupMean":
        """The state of one batch.

        Args:
            values: one number each.
            group: which group each counts towards, 0 to `num_groups - 1`.
            num_groups: how many groups there are.
            where: which of the values count.
        """
        if where is not None:
            values, group = values[where], group[where]
        return cls(_sums(values, group, num_groups), _sums(np.ones(len(group)), group, num_groups))

    def merge(self, other: "GroupMean") -> "GroupMean":
        """The state of both states' values."""
        return GroupMean(self.total + other.total, self.count + other.count)

    def regroup(self, group: Int[np.ndarray, "G"], num_groups: int) -> "GroupMean":
        """The state of larger groups; `group` says which one each group goes into."""
        return GroupMean(_sums(self.total, group, num_groups), _sums(self.count, group, num_groups))

    def compute(self) -> Float64[np.ndarray, "G"]:
        """`total / count` of each group; NaN for a group without values."""
        mean_G = np.full(len(self.total), np.nan)
        np.divide(self.total, self.count, out=mean_G, where=self.count > 0)
        return mean_G


def _sums(values: np.ndarray, group: np.ndarray, num_groups: int) -> np.ndarray:
    # Of no values at all, bincount returns integers.
    return np.bincount(group, weights=values, minlength=num_groups).astype(np.float64, copy=False)
