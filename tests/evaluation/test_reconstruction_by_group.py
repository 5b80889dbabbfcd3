"""What is lost of each group, by hand and by PCA's own account."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from urep_jax.data.user_features.groups import Group
from urep_jax.evaluation.reconstruction_by_group import unexplained

GROUPS = (Group("a", ("a",), 2, "vector"), Group("b", ("b",), 1, "real"), Group("c", ("c",), 1, "indicator"))


def test_shares_by_hand() -> None:
    x = np.array([[1.0, 0.0, 2.0, 1.0], [-1.0, 0.0, -2.0, 1.0]])
    decoded = np.array([[0.0, 0.0, 2.0, 0.0], [0.0, 0.0, -2.0, 1.0]])
    found = dict(unexplained(x, decoded, GROUPS))
    assert np.isnan(found.pop("c")), "it doesn't vary"
    assert found == {"a": 1.0, "b": 0.0, "all": 3 / 10}


def test_all_is_what_pca_leaves() -> None:
    x = np.random.default_rng(0).normal(size=(200, 4)) @ np.diag([3.0, 2.0, 1.0, 0.5])
    pca = PCA(2).fit(x)
    found = unexplained(x, pca.inverse_transform(pca.transform(x)), GROUPS)
    assert found["all"] == pytest.approx(1 - pca.explained_variance_ratio_.sum())
    assert unexplained(x, np.broadcast_to(x.mean(0), x.shape), GROUPS)["b"] == pytest.approx(1.0)
    with pytest.raises(ValueError, match="the groups have 4 columns, but there are 3"):
        unexplained(x[:, :3], x[:, :3], GROUPS)
