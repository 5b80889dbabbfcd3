"""A feature space: kept and brought back, and what other logs are to it."""

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.data.user_features.listeners import NOW, log_of, modalities, tables
from urep_jax.data.user_features.groups import FeatureConfig
from urep_jax.data.user_features.space import FeatureSpace, fit_space, load_space, save_space

USERS = np.arange(24)
TIME = np.full(24, NOW)


@pytest.fixture(scope="module")
def space() -> FeatureSpace:
    return fit_space(log_of(0), tables(0), modalities(), USERS, TIME, FeatureConfig(onboarding_days=400))


def test_it_is_kept_and_brought_back(space: FeatureSpace, tmp_path: Path) -> None:
    save_space(space, tmp_path / "space")
    again = load_space(tmp_path / "space")
    assert (again.cfg, again.categories, again.groups) == (space.cfg, space.categories, space.groups)
    log, told = log_of(1), tables(1)
    x, y = (one(one.read(log, told), USERS, TIME) for one in (space, again))
    assert x.shape == (24, space.width)
    np.testing.assert_array_equal(x, y)
    assert np.isfinite(x).all()
    with pytest.raises(FileNotFoundError, match="holds no features"):
        load_space(tmp_path)


def test_those_who_trained_are_on_one_scale(space: FeatureSpace) -> None:
    x = space(space.read(log_of(0), tables(0)), USERS, TIME)
    start = 0
    for group in space.groups:
        own, start = x[:, start : start + group.width], start + group.width
        if group.kind == "indicator":
            assert own.min() >= 0
            assert own.max() <= 1
        else:
            assert abs(own.mean()) < 1e-5


def test_a_log_without_companions_and_devices_is_read_as_one_of_which_nothing_is_known(space: FeatureSpace) -> None:
    x = space(space.read(log_of(0, rich=False)), USERS, TIME)
    columns = np.repeat([group.name for group in space.groups], [group.width for group in space.groups])
    for name in ("devices", "country", "plan", "age/known", "tenure/known", "onboarding/languages"):
        assert not x[:, columns == name].any()
    assert x[:, columns == "collaborative/182d"].any()


def test_a_category_that_the_training_data_lacked_is_not_read(space: FeatureSpace) -> None:
    told = tables(0)
    users = told["users"].append_column("device", pa.array(["phone"] * len(told["users"])))
    x, y = (space(space.read(log_of(0), one), USERS, TIME) for one in (told, told | {"users": users}))
    np.testing.assert_array_equal(x, y)


def test_a_log_of_other_features_is_refused(space: FeatureSpace) -> None:
    other = dataclasses.replace(space, groups=space.groups[1:])
    with pytest.raises(ValueError, match=r"log 'listeners' has the features collaborative/7d, .* but the model reads"):
        other.read(log_of(0), tables(0))
