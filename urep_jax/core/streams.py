"""Random streams by name and step.

Every draw comes from `(seed, name, step)`. Adding a stream never disturbs another, and a run that is continued at step
`n` draws what the run that was never stopped draws there.
"""

import zlib
from typing import overload

import jax
import numpy as np


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


def _code(name: str) -> int:
    return zlib.crc32(name.encode())
