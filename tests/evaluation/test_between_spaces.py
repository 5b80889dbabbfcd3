"""What two spaces of the same users have in common."""

import numpy as np
import pytest
from scipy.stats import ortho_group

from urep_jax.evaluation.between_spaces import aligned, kept_neighbours

RNG = np.random.default_rng(0)
OLD = RNG.normal(size=(60, 5)).astype(np.float32)
EVERY = np.ones(60, bool)


def units(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_rotation_and_lengths_are_taken_back() -> None:
    turn = ortho_group.rvs(5, random_state=1)
    new = (OLD @ turn * RNG.uniform(1, 9, (60, 1))).astype(np.float32)
    np.testing.assert_allclose(aligned(OLD, new, np.arange(60) < 30), units(OLD), atol=1e-5)
    np.testing.assert_array_equal(kept_neighbours(OLD, new, 7), 1.0)


def test_only_those_who_are_fitted_decide() -> None:
    new = OLD.copy()
    new[40:] = RNG.normal(size=(20, 5))
    fitted = np.arange(60) < 40
    np.testing.assert_allclose(aligned(OLD, new, fitted)[:40], units(OLD)[:40], atol=1e-5)


def test_unrelated_spaces_share_neighbours_by_chance() -> None:
    found = kept_neighbours(OLD, RNG.normal(size=(60, 3)), 12)
    assert found.mean() == pytest.approx(12 / 59, abs=0.05)


def test_neighbours_are_counted_one_by_one() -> None:
    angle = np.deg2rad([0.0, 10, 30, 180])
    line = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    angle = np.deg2rad([0.0, 100, 30, 50])
    other = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    # Of 0: 1 then 3; of 1 (10 degrees): 0 then 2; of 2: 1 then 3; of 3: 2 then 2.
    np.testing.assert_array_equal(kept_neighbours(line, other, 1), [0, 0, 0, 1])
    np.testing.assert_array_equal(kept_neighbours(line, other, 9), 1.0)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="both must be the same"):
        aligned(OLD, OLD[:, :3], EVERY)
    with pytest.raises(ValueError, match="k is 0 and there are 60 users"):
        kept_neighbours(OLD, OLD, 0)
    with pytest.raises(ValueError, match="there are 1 users"):
        kept_neighbours(OLD[:1], OLD[:1], 3)
