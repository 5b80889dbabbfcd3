"""Random streams by name and step.

Every draw comes from `(seed, name, step)`, and what is drawn for a row from a seed of its own and a name. Adding a
stream never disturbs another, and a run that is continued at step `n` draws what the run that was never stopped draws
there.
"""

import zlib
from typing import overload

import jax
import numpy as np
from jaxtyping import Float64, UInt64


def stream(seed: int, name: str, step: int | jax.Array = 0) -> jax.Array:
    """The JAX key of the stream `name` at `step`.

    Args:
        seed: the run's seed, at least 0.
        name: the stream's name, such as `"dropout"`.
        step: which draw of the stream; may be traced.

    Returns:
        A typed key, to be consumed once.

    Example:
        >>> bool((stream(0, "init") == stream(0, "dropout")).all())
        False
    """
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), _code(name)), step)


@overload
def name_key(key: jax.Array, name: str) -> jax.Array: ...
@overload
def name_key(key: None, name: str) -> None: ...
def name_key(key: jax.Array | None, name: str) -> jax.Array | None:
    """The key of the stream `name` below `key`; no key stays no key."""
    return None if key is None else jax.random.fold_in(key, _code(name))


def numpy_stream(seed: int, name: str, step: int = 0) -> np.random.Generator:
    """The NumPy generator of the stream `name` at `step`, for what is drawn on the host.

    Philox is counter-based, so the generator of any step is made at once, without those before it.
    """
    key = np.array([seed, _code(name)], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, step]))


def row_uniform(seed: UInt64[np.ndarray, "B"], name: str, columns: int) -> Float64[np.ndarray, "B {columns}"]:
    """Numbers uniform in [0, 1) from the stream `name` of each row.

    A row's numbers hang on its seed and on the distance from the last column: whatever rows are drawn for beside it,
    and however much longer they are, its last columns hold the same. So a process draws for its own rows only.

    The generator is SplitMix64 (Steele, Lea and Flood 2014: Fast Splittable Pseudorandom Number Generators) with the
    constants of Stafford's variant 13, as Java has it; it finds each number by its place.

    Args:
        seed: of each row, drawn at random.
        name: the stream's name, such as `"tasks"`.
        columns: W.
    """
    base_Bx1 = _mixed(seed + np.uint64(_code(name)))[:, None]
    place_W = np.arange(columns, 0, -1, dtype=np.uint64)
    bits_BxW = _mixed(base_Bx1 + place_W * np.uint64(0x9E3779B97F4A7C15))
    # The 53 bits that a float64 holds.
    return (bits_BxW >> np.uint64(11)) * 2.0**-53


def _mixed(bits: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser: a bijection that spreads each bit over all."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        bits = (bits ^ (bits >> np.uint64(shift))) * np.uint64(factor)
    return bits ^ (bits >> np.uint64(31))


def _code(name: str) -> int:
    return zlib.crc32(name.encode())
