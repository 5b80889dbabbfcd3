"""`ByUser`: one number for each user. What every protocol returns."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64, Int

from urep_jax.metrics.group_mean import GroupMean
from urep_jax.metrics.mean import Mean


@dataclasses.dataclass(frozen=True, eq=False)
class ByUser:
    """A result: each user's value, whose mean over users is the number to report.

    Attributes:
        user: sequence number of each user that has a value, ascending.
        values: the values.
    """

    user: Int[np.ndarray, "U"]
    values: Float64[np.ndarray, "U"]

    @property
    def mean(self) -> Mean:
        """The state of the mean over users."""
        return Mean.from_batch(self.values)

    @property
    def value(self) -> float:
        """The mean over users; NaN if there are none."""
        return self.mean.compute()

    @property
    def ci95(self) -> float:
        """Half-width of its 95 % interval, by users."""
        return self.mean.ci95()

    def among(self, users: Int[np.ndarray, "_"]) -> "ByUser":
        """The same for those of `users`, sequence numbers, that have a value."""
        here = np.isin(self.user, users)
        return ByUser(self.user[here], self.values[here])

    @classmethod
    def from_cases(cls, by_case: GroupMean, sequence: Int[np.ndarray, "C"]) -> "ByUser":
        """Pool cases by user. Users without a value are left out."""
        user, group = np.unique(sequence, return_inverse=True)
        by_user = by_case.regroup(group, len(user))
        has_value = by_user.count > 0
        return cls(user[has_value], by_user.compute()[has_value])


def flat(results: Mapping[str, ByUser]) -> dict[str, float]:
    """Results as numbers: `X`, and as `X_ci95` the half-width of its interval."""
    return {
        name: number
        for result_name, result in results.items()
        for name, number in ((result_name, result.value), (f"{result_name}_ci95", result.ci95))
    }
