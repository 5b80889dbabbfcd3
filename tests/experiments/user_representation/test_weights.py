"""What features weigh in the loss, and principal components that weigh them alike."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from experiments.user_representation.chain import weights_of
from experiments.user_representation.components import principal_components
from urep_jax.data.user_features.groups import FeatureConfig, Group

GROUPS = (
    Group("sound/7d", ("sound", "7d"), 2, "vector"),
    Group("sound/30d", ("sound", "30d"), 1, "vector"),
    Group("age", ("age", "static"), 1, "real"),
)


def test_weights_of_a_group_multiply() -> None:
    cfg = FeatureConfig((7, 30))
    np.testing.assert_array_equal(weights_of(GROUPS, {"longest": 3, "sound": 2}, cfg), [2, 2, 6, 1])
    np.testing.assert_array_equal(weights_of(GROUPS, {}, cfg), np.ones(4))


def test_the_longest_window_is_that_which_is_left() -> None:
    assert FeatureConfig((7, 30), without=("30d",)).longest == "7d"
    assert FeatureConfig((7, 30), without=("30d", "7d")).longest is None
    left = (GROUPS[0], GROUPS[2])
    cfg = FeatureConfig((7, 30), without=("30d",))
    np.testing.assert_array_equal(weights_of(left, {"longest": 3, "30d": 9}, cfg), [3, 3, 1])


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ({"plan": 1.0}, "train.group_weights names 'plan', but must be some of longest, 30d, 7d, age, sound, static"),
        ({"age": -1.0}, "train.group_weights gives 'age' -1.0, but must be at least 0"),
    ],
)
def test_weights_that_mean_nothing_are_refused(weights: dict[str, float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        weights_of(GROUPS, weights, FeatureConfig((7, 30)))


def test_components_lose_least_of_what_weighs() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6)).astype(np.float32)
    weights = np.array([9.0, 1.0, 4.0, 0.0, 1.0, 1.0])

    def lost(back: np.ndarray) -> float:
        return float(np.sum(weights * (x - back) ** 2))

    found = principal_components(x, weights, 3, seed=0)
    plain = PCA(3, random_state=0).fit(x)
    assert found.of(x).shape == (200, 3)
    assert lost(found.back(x)) < 0.9 * lost(plain.inverse_transform(plain.transform(x)))
    # What weighs nothing can't come back.
    np.testing.assert_array_equal(found.back(x)[:, 3], 0)


def test_with_equal_weights_components_are_pca() -> None:
    x = np.random.default_rng(1).normal(size=(50, 5)).astype(np.float32)
    found, plain = principal_components(x, np.ones(5), 2, seed=0), PCA(2, random_state=0).fit(x)
    np.testing.assert_allclose(found.of(x), plain.transform(x), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.back(x), plain.inverse_transform(plain.transform(x)), rtol=1e-4, atol=1e-5)
