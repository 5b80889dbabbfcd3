"""What may be offered, seen, or be the case: spaces, with gymnax's names.

Each has a `shape` and a `dtype`; `sample(key)` draws from it, and `contains(x)` says whether something is of its shape
and kind and lies in it. Both may be part of a program.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from urep_jax.simulation.ranges import require


@dataclasses.dataclass(frozen=True)
class Discrete:
    """The whole numbers 0 to `n - 1`.

    Raises:
        ValueError: if there are none.
    """

    n: int
    dtype: Any = jnp.int32
    shape: tuple[int, ...] = dataclasses.field(default=(), init=False)

    def __post_init__(self) -> None:
        require(self.n >= 1, f"n is {self.n}, but must be at least 1, or there is nothing to draw; set it so")

    def sample(self, key: jax.Array) -> jax.Array:
        """Any, each as likely as another."""
        return jax.random.randint(key, (), 0, self.n, self.dtype)

    def contains(self, x: Any) -> jax.Array:
        """Whether it is one of them."""
        return _is_within(x, (), self.dtype, 0, self.n - 1)


@dataclasses.dataclass(frozen=True)
class Slate:
    """So many different ones, in any order, of the whole numbers 0 to `n - 1`.

    Raises:
        ValueError: if a slate is empty or there aren't as many numbers.
    """

    n: int
    size: int
    dtype: Any = jnp.int32

    def __post_init__(self) -> None:
        require(1 <= self.size <= self.n, f"size is {self.size}, but must lie between 1 and {self.n}; set it within")

    @property
    def shape(self) -> tuple[int, ...]:
        """That of a slate."""
        return (self.size,)

    def sample(self, key: jax.Array) -> jax.Array:
        """Any, each as likely as another."""
        return jax.random.permutation(key, self.n)[: self.size].astype(self.dtype)

    def contains(self, x: Any) -> jax.Array:
        """Whether all of them are such numbers, and no two the same."""
        is_within = _is_within(x, self.shape, self.dtype, 0, self.n - 1)
        return is_within & (jnp.diff(jnp.sort(jnp.ravel(jnp.asarray(x)))) > 0).all()


@dataclasses.dataclass(frozen=True)
class Box:
    """Arrays of numbers from `low` to `high`, both among them."""

    low: float
    high: float
    shape: tuple[int, ...] = ()
    dtype: Any = jnp.float32

    def sample(self, key: jax.Array) -> jax.Array:
        """Evenly between bounds, exponentially away from a single one, normally where there is none."""
        if jnp.issubdtype(self.dtype, jnp.integer):
            return jax.random.randint(key, self.shape, int(self.low), int(self.high) + 1, self.dtype)
        if math.isfinite(self.low) and math.isfinite(self.high):
            return jax.random.uniform(key, self.shape, self.dtype, self.low, self.high)
        if math.isfinite(self.low):
            return self.low + jax.random.exponential(key, self.shape, self.dtype)
        if math.isfinite(self.high):
            return self.high - jax.random.exponential(key, self.shape, self.dtype)
        return jax.random.normal(key, self.shape, self.dtype)

    def contains(self, x: Any) -> jax.Array:
        """Whether all its numbers lie between the bounds."""
        return _is_within(x, self.shape, self.dtype, self.low, self.high)


@dataclasses.dataclass(frozen=True)
class Record:
    """Named tuples of which each field has a space of its own.

    Attributes:
        of: the type of the tuples.
        parts: the spaces of its fields, in their order.

    Raises:
        ValueError: if there aren't as many spaces as fields.
    """

    of: Any
    parts: tuple[Any, ...]

    def __post_init__(self) -> None:
        names, found = len(self.of._fields), len(self.parts)
        require(names == found, f"{self.of.__name__} has {names} fields, but {found} spaces; give one for each")

    @property
    def spaces(self) -> dict[str, Any]:
        """The space of each field."""
        return dict(zip(self.of._fields, self.parts, strict=True))

    @property
    def shape(self) -> dict[str, Any]:
        """The shape of each field."""
        return {name: space.shape for name, space in self.spaces.items()}

    @property
    def dtype(self) -> dict[str, Any]:
        """The type of each field."""
        return {name: space.dtype for name, space in self.spaces.items()}

    def sample(self, key: jax.Array) -> Any:
        """Each field drawn from its space."""
        make: Callable[..., Any] = self.of
        keys = jax.random.split(key, len(self.parts))
        return make(*(space.sample(one) for space, one in zip(self.parts, keys, strict=True)))

    def contains(self, x: Any) -> jax.Array:
        """Whether each field lies in its space."""
        found = [space.contains(getattr(x, name)) for name, space in self.spaces.items()]
        return jnp.stack(found).all()


def _is_within(x: Any, shape: tuple[int, ...], dtype: Any, low: float, high: float) -> jax.Array:
    x = jnp.asarray(x)
    kind = jnp.integer if jnp.issubdtype(dtype, jnp.integer) else jnp.floating
    if x.shape != shape or not jnp.issubdtype(x.dtype, kind):
        return jnp.bool_(False)
    return ((x >= low) & (x <= high)).all()
