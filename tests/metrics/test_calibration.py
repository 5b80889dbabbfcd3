"""Calibration: its sums add up, and it sees chances that are off by as much as they are."""

import numpy as np
import pytest

from urep_jax.metrics.calibration import Calibration, equal_mass_edges

RNG = np.random.default_rng(0)
CHANCE = RNG.uniform(0.05, 0.75, 40_000)
HAPPENED = RNG.uniform(size=40_000) < CHANCE
EDGES = equal_mass_edges(CHANCE, 10)


def test_bins_are_of_equal_mass_and_parts_add_up() -> None:
    whole = Calibration.from_batch(CHANCE, HAPPENED, EDGES)
    np.testing.assert_allclose(whole.count, 4_000, atol=1)
    parts = Calibration.empty(10)
    for piece in np.array_split(np.arange(40_000), 7):
        parts = parts.merge(Calibration.from_batch(CHANCE[piece], HAPPENED[piece], EDGES))
    for one, other in zip(vars(whole).values(), vars(parts).values(), strict=True):
        np.testing.assert_allclose(one, other)
    said, was = whole.curve()
    np.testing.assert_allclose(said, was, atol=0.03)


def test_the_error_is_by_how_much_chances_are_off() -> None:
    p = CHANCE.mean()
    # Perfect chances: only as much as so many draws are off by themselves.
    assert Calibration.from_batch(CHANCE, HAPPENED, EDGES).compute() < 2 * np.sqrt(
        2 * 10 * p * (1 - p) / np.pi / 40_000
    )
    off = Calibration.from_batch(CHANCE + 0.2, HAPPENED, equal_mass_edges(CHANCE + 0.2, 10))
    assert abs(off.compute() - 0.2) < 0.01


def test_without_chances_there_is_no_error_and_there_are_no_bins() -> None:
    assert np.isnan(Calibration.empty(3).compute())
    assert np.isnan(Calibration.empty(3).curve()[0]).all()
    with pytest.raises(ValueError, match="bins is 3 of 0 chances"):
        equal_mass_edges(np.zeros(0), 3)
