"""A feature space: kept and brought back, and what other logs are to it."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.data.user_features.listeners import NOW, log_of, modalities, tables
from urep_jax.core.spaces import SpaceMismatch
from urep_jax.data.user_features.features import feature_groups, user_features
from urep_jax.data.user_features.groups import FeatureConfig, Group, columns_of
from urep_jax.data.user_features.inputs import read_inputs
from urep_jax.data.user_features.modality import Modality
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


@pytest.mark.parametrize("rich", [True, False])
def test_devices_that_the_training_data_lacked_are_not_read(rich: bool) -> None:
    silent = dataclasses.replace(log_of(0), device=None, device_ids=pa.array([], pa.string()))
    cfg = FeatureConfig(without=("devices",)) if rich else FeatureConfig()
    space = fit_space(log_of(0) if rich else silent, tables(0), modalities(), USERS, TIME, cfg)
    assert "devices" not in [group.name for group in space.groups]
    x, y = (space(space.read(log, tables(0)), USERS, TIME) for log in (log_of(0), silent))
    np.testing.assert_array_equal(x, y)


def test_a_category_that_the_training_data_lacked_is_not_read(space: FeatureSpace) -> None:
    told = tables(0)
    users = told["users"].append_column("device", pa.array(["phone"] * len(told["users"])))
    x, y = (space(space.read(log_of(0), one), USERS, TIME) for one in (told, told | {"users": users}))
    np.testing.assert_array_equal(x, y)


def test_a_log_of_other_features_is_refused(space: FeatureSpace) -> None:
    other = dataclasses.replace(space, groups=space.groups[1:])
    with pytest.raises(ValueError, match=r"log 'listeners' has the features collaborative/7d, .* but the model reads"):
        other.read(log_of(0), tables(0))


def test_a_grown_space_moves_means_by_no_more_than_twice_the_share_of_new_items(space: FeatureSpace) -> None:
    rng = np.random.default_rng(5)

    def unit(vectors: np.ndarray) -> np.ndarray:
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    modalities_ = tuple(dataclasses.replace(one, vectors=unit(one.vectors)) for one in space.modalities)
    was = fit_space(log_of(0), tables(0), modalities_, USERS, TIME, space.cfg)
    new = pa.array(["item 10", "item 11"]), pa.array(["item 0", "item 1", "item 2"])
    drawn = [
        unit(rng.normal(size=(len(ids), m.width))).astype(np.float32) for ids, m in zip(new, modalities_, strict=True)
    ]
    more = [m.grown(ids, v) for m, ids, v in zip(modalities_, new, drawn, strict=True)]
    now = was.grown(more, tables(0)["items"])
    assert now.groups == was.groups
    marks = [
        [
            Modality.trained(m.name, m.item_ids, np.float32(np.arange(len(m.item_ids)) >= len(w.item_ids))[:, None])
            for m, w in zip(of_now, of_was, strict=True)
        ]
        for of_now, of_was in ((now.modalities, was.modalities), (now.artists, was.artists))
    ]
    log = log_of(1)
    x, y = (user_features(one.read(log, tables(1)), USERS, TIME, was.cfg) for one in (was, now))
    marked = read_inputs(log, *marks, tables=tables(1))
    shares = dict(_named(feature_groups(marked, was.cfg), user_features(marked, USERS, TIME, was.cfg)))
    touched = np.zeros(len(USERS), bool)
    for (name, before), (_, after) in zip(_named(was.groups, x), _named(now.groups, y), strict=True):
        has_vectors = any(one.name in name.split("/") for one in was.modalities)
        share_N = np.nan_to_num(shares[name.removesuffix("/known")][:, 0]) if has_vectors else np.zeros(len(USERS))
        touched |= share_N > 0
        moved_N = np.linalg.norm(after - before, axis=1)
        assert not (moved_N > 2 * share_N + 1e-5).any(), name
    picked = {one.name: one for one in now.artists}
    for had in was.artists:
        np.testing.assert_array_equal(picked[had.name].vectors[: len(had.vectors)], had.vectors)
    assert 0 < touched.sum() < len(USERS)
    np.testing.assert_array_equal(x[~touched], y[~touched])


def _named(groups: Sequence[Group], x: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    return ((group.name, x[:, own]) for group, own in zip(groups, columns_of(groups, x.shape[1]), strict=True))


def test_a_space_only_grows(space: FeatureSpace) -> None:
    first, second = space.modalities
    more = first.grown(pa.array(["new"]), np.ones((1, first.width), np.float32))
    assert space.grown([more, second], None).modalities[0].item_ids.to_pylist()[-1] == "new"
    with pytest.raises(ValueError, match="vectors of 'collaborative' that were there have changed or are gone"):
        space.grown([dataclasses.replace(more, vectors=2 * more.vectors), second], None)
    with pytest.raises(ValueError, match="there are vectors of audio, but the features are made of collaborative, aud"):
        space.grown([second], None)
    with pytest.raises(SpaceMismatch, match="can't add vectors of"):
        space.grown([Modality.trained("collaborative", first.item_ids, 2 * first.vectors), second], None)
    with pytest.raises(ValueError, match=r"1 of 1 new items have a vector in collaborative-.* already"):
        first.grown(first.item_ids[:1], first.vectors[:1])
    with pytest.raises(ValueError, match=r"have the shape \(1, 9\), but those of collaborative-.* are 4 wide"):
        first.grown(pa.array(["new"]), np.ones((1, 9), np.float32))
