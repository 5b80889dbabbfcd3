"""How long vectors take to know of what happened, counted so that what several workers have counted adds up."""

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from urep_jax.serving.http.answers import Freshness

_LEAST, _GROWTH = 0.001, 1.05
"""Waits are told by the least of 1 ms, 1.05 ms, 1.05² ms, ... that is no shorter: at most a twentieth too long."""


def counted(seconds: Iterable[float]) -> dict[str, int]:
    """How many waits there are of each length: JSON has the exponent of the length as text."""
    waits = np.maximum(np.fromiter(seconds, np.float64), _LEAST)
    # A power's own logarithm may come out a bit above its exponent.
    exponents = np.ceil(np.round(np.log(waits / _LEAST) / np.log(_GROWTH), 6)).astype(int)
    found, counts = np.unique(exponents, return_counts=True)
    return {str(exponent): int(count) for exponent, count in zip(found, counts, strict=True)}


def pooled(workers: Iterable[Mapping[str, int]]) -> Freshness | None:
    """The median and the 99th percentile of all that workers have counted; None if that is nothing."""
    together: Counter[int] = Counter()
    for counts in workers:
        together.update({int(exponent): count for exponent, count in counts.items()})
    if not together:
        return None
    exponents = sorted(together)
    reached = np.cumsum([together[exponent] for exponent in exponents])
    median, p99 = (
        _LEAST * _GROWTH ** exponents[int(np.searchsorted(reached, share * reached[-1]))] for share in (0.5, 0.99)
    )
    return Freshness(median, p99, int(reached[-1]))
