"""`Vectors`: what an encoder made of users or items, with the space that it lies in."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Int

from urep_jax.core.spaces import Space, refuse_mixed


@dataclasses.dataclass(frozen=True, eq=False)
class Vectors:
    """Vectors of one space. Between two of them, what mixes spaces is refused; `values` are the bare numbers.

    Attributes:
        ids: whose they are.
        values: one row for each.
        space: that they lie in.

    Raises:
        ValueError: if there are not as many rows as ids.

    Example:
        >>> one = Vectors(pa.array(["ann"]), np.ones((1, 2), np.float32), Space("users-aa"))
        >>> one.cosine(one).round(3).tolist()
        [[1.0]]
    """

    ids: pa.StringArray
    values: Float32[np.ndarray, "N D"]
    space: Space

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or len(self.values) != len(self.ids):
            raise ValueError(
                f"values have the shape {self.values.shape} for {len(self.ids)} ids; there must be one row for each"
            )

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Int[np.ndarray, "M"]) -> "Vectors":
        """Some of the rows."""
        return Vectors(self.ids.take(pa.array(rows)), self.values[rows], self.space)

    def cosine(self, other: "Vectors") -> Float32[np.ndarray, "N M"]:
        """The cosine of each of these with each of the others; 0 for a vector of length 0.

        Raises:
            SpaceMismatch: if they lie in another space.
        """
        refuse_mixed("compare", self.space, other.space)
        return _unit(self.values) @ _unit(other.values).T

    def mean(self) -> Float32[np.ndarray, "D"]:
        """Their average; of one space, whatever they were joined from."""
        return self.values.mean(axis=0)


def join(parts: Sequence[Vectors]) -> Vectors:
    """The rows of several, one after the other: what averages, indices and trainings are made of.

    Args:
        parts: at least one.

    Raises:
        SpaceMismatch: if they don't all lie in one space.
    """
    refuse_mixed("join", *(part.space for part in parts))
    ids = pa.concat_arrays([part.ids for part in parts])
    return Vectors(ids, np.concatenate([part.values for part in parts]), parts[0].space)


def _unit(values: Float32[np.ndarray, "N D"]) -> Float32[np.ndarray, "N D"]:
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.divide(values, length, out=np.zeros_like(values), where=length > 0)
