"""Means as sums: batches, padding and shards change nothing."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from urep_jax.metrics.group_mean import GroupMean
from urep_jax.metrics.mean import Mean

values = hnp.arrays(np.float64, st.integers(2, 40), elements=st.floats(-100, 100))
cuts = st.lists(st.integers(0, 40), max_size=4).map(sorted)


@given(values, cuts)
def test_mean_of_batches_is_the_mean_of_all(values, cuts):
    state = Mean.empty()
    for batch in np.split(values, cuts):
        padded = np.append(batch, [np.nan, 1e9])
        state = state.merge(Mean.from_batch(padded, where=np.arange(len(padded)) < len(batch)))
    assert state.compute() == pytest.approx(np.mean(values), abs=1e-9)
    standard_error = np.std(values, ddof=1) / np.sqrt(len(values))
    assert state.standard_error() == pytest.approx(standard_error, rel=1e-6, abs=1e-5)
    assert state.ci95() == pytest.approx(1.959964 * standard_error, rel=1e-6, abs=1e-5)


def test_too_few_values_give_nan():
    assert math.isnan(Mean.empty().compute())
    assert math.isnan(Mean.from_batch(np.array([3.0])).ci95())
    assert Mean.from_batch(np.array([3.0])).compute() == 3.0


def test_host_sums_are_float64():
    """A float32 sum of ten million ones and halves stops growing at 2^24."""
    state = Mean.empty()
    for _ in range(20):
        state = state.merge(Mean.from_batch(np.full(1_000_000, 1.5, np.float32)))
    assert state.compute() == 1.5
    assert float(state.count) == 20_000_000


def test_mean_inside_jit():
    values_BxL = jnp.arange(6.0).reshape(2, 3)
    state = jax.jit(Mean.from_batch)(values_BxL, values_BxL > 1)
    assert state.compute() == np.mean([2, 3, 4, 5])
    assert state.merge(Mean.empty()).ci95() == pytest.approx(1.959964 * np.std([2, 3, 4, 5], ddof=1) / 2, rel=1e-6)


@given(values, st.data(), cuts)
def test_group_mean_of_batches(values, data, cuts):
    group = data.draw(hnp.arrays(np.int64, len(values), elements=st.integers(0, 4)))
    where = data.draw(hnp.arrays(bool, len(values)))
    state = GroupMean.empty(6)
    for v, g, w in zip(np.split(values, cuts), np.split(group, cuts), np.split(where, cuts), strict=True):
        state = state.merge(GroupMean.from_batch(v, g, 6, w))
    for g, mean in enumerate(state.compute()):
        chosen = values[(group == g) & where]
        assert mean == pytest.approx(chosen.mean(), abs=1e-9) if len(chosen) else math.isnan(mean)
    whole = state.regroup(np.zeros(6, np.int64), 1).compute()[0]
    assert whole == pytest.approx(values[where].mean(), abs=1e-9) if where.any() else math.isnan(whole)
