"""Standardisation: scales by group, and what isn't known."""

import numpy as np
import pytest

from urep_jax.data.user_features.groups import Group
from urep_jax.data.user_features.standardisation import fit_standardisation

GROUPS = (
    Group("v", ("v",), 2, "vector"),
    Group("r", ("r",), 2, "real"),
    Group("i", ("i",), 1, "indicator"),
)


def test_each_kind_has_its_scale() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(3, [1, 5], (4_000, 2)), rng.normal(-1, [2, 9], (4_000, 2)), np.ones((4_000, 1))], 1)
    x = x.astype(np.float32)
    x[:1_000, :2] = np.nan
    out = fit_standardisation(x, GROUPS)(x)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out[:1_000, :2], 0)
    np.testing.assert_allclose(out.mean(0), [0, 0, 0, 0, 1], atol=1e-5)
    np.testing.assert_allclose(out[:, 2:4].std(0), 1, rtol=1e-4)
    known = out[1_000:, :2]
    np.testing.assert_allclose(known.var(0).mean(), 1, rtol=1e-4)
    np.testing.assert_allclose(known.std(0)[1] / known.std(0)[0], x[1_000:, 1].std() / x[1_000:, 0].std(), rtol=1e-4)


def test_what_is_constant_or_never_known_stays_finite() -> None:
    x = np.array([[np.nan, 2.0, 5.0, np.nan, 0.0], [np.nan, 2.0, 5.0, np.nan, 1.0]], np.float32)
    out = fit_standardisation(x, GROUPS)(x)
    np.testing.assert_array_equal(out, [[0, 0, 0, 0, 0], [0, 0, 0, 0, 1]])


def test_groups_have_to_add_up() -> None:
    with pytest.raises(ValueError, match="the groups have 5 columns, but there are 4"):
        fit_standardisation(np.zeros((2, 4), np.float32), GROUPS)
