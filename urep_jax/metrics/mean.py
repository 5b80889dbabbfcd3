"""`Mean`: a mean and its interval, as sums."""

import dataclasses
import math
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float, Shaped

Array = np.ndarray | jax.Array

Z_95 = 1.959964
"""97.5 % quantile of the normal distribution."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Mean:
    """The mean of values, kept as sums that add up.

    On the host the sums are float64. Inside `jit` they have the precision of the values.

    Attributes:
        total: sum of the values.
        count: how many there are.
        squares: sum of the squared values.
    """

    total: Float[Array, ""] | float
    count: Float[Array, ""] | float
    squares: Float[Array, ""] | float

    @classmethod
    def empty(cls) -> "Mean":
        """The state of no values."""
        return cls(0.0, 0.0, 0.0)

    @classmethod
    def from_batch(cls, values: Shaped[Array, "*N"], where: Bool[Array, "*N"] | None = None) -> "Mean":
        """The state of one batch.

        Args:
            values: any shape.
            where: which of them count; what lies elsewhere has no influence, not even if it is NaN.
        """
        xp, dtype = _namespace(values)
        where = xp.ones(values.shape, bool) if where is None else where
        kept = xp.where(where, values, 0).astype(dtype)
        return cls(xp.sum(kept), xp.sum(where, dtype=dtype), xp.sum(kept * kept))

    def merge(self, other: "Mean") -> "Mean":
        """The state of both states' values."""
        return Mean(self.total + other.total, self.count + other.count, self.squares + other.squares)

    def compute(self) -> float:
        """`total / count`; NaN if there are no values."""
        return float(self.total) / float(self.count) if self.count else math.nan

    def standard_error(self) -> float:
        """`s / sqrt(count)` with the sample's standard deviation `s`; NaN for fewer than two values."""
        total, count = float(self.total), float(self.count)
        if count < 2:
            return math.nan
        variance = max(0.0, float(self.squares) - total * total / count) / (count - 1)
        return math.sqrt(variance / count)

    def ci95(self) -> float:
        """Half-width of the mean's 95 % interval by the normal approximation; NaN for fewer than two values."""
        return Z_95 * self.standard_error()


def _namespace(values: Any) -> tuple[Any, Any]:
    """The array library of `values`, and the type to sum in."""
    xp = values.__array_namespace__()
    return (np, np.float64) if xp is np else (xp, xp.result_type(values.dtype, xp.float32))
