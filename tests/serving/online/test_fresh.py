"""How long vectors take to know of what happened, by several workers."""

import numpy as np
import pytest

from urep_jax.serving.online.fresh import counted, pooled


@pytest.mark.parametrize("seed", range(3))
def test_several_workers_are_one_that_has_measured_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Few are slow, and they are one worker's: a median of medians would be far off.
    workers = [np.exp(rng.normal(-3, 1, 2000)), np.exp(rng.normal(2, 0.5, 90)), np.zeros(0)]
    found = pooled(map(counted, workers))
    assert found is not None
    together = np.sort(np.concatenate(workers))
    assert found.measured == len(together)
    for told, share in ((found.median, 0.5), (found.p99, 0.99)):
        exact = together[int(np.ceil(share * len(together))) - 1]
        assert exact * (1 - 1e-9) <= told <= 1.05 * exact


def test_what_is_counted_is_short_and_whole() -> None:
    assert counted([0.0, -1.0, 0.0005, 0.001]) == {"0": 4}, "clocks differ"
    assert counted([0.00105]) == {"1": 1}
    assert counted([0.00106]) == {"2": 1}
    assert len(counted(np.geomspace(1e-4, 1e5, 10_000))) < 400


def test_nothing_is_told_of_nothing() -> None:
    assert counted([]) == {}
    assert pooled([]) is None
    assert pooled([{}, {}]) is None
