"""The preference classifier: its formula, and that it learns what it is for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from urep_jax.models import preference
from urep_jax.models.preference import PreferenceConfig

CFG = PreferenceConfig(user_width=6, item_width=5, width=4, hidden=3)


def test_it_is_the_formula() -> None:
    params = preference.init(jax.random.key(0), CFG)
    rng = np.random.default_rng(0)
    user, item = rng.normal(size=(9, 6)).astype(np.float32), rng.normal(size=(9, 5)).astype(np.float32)

    def dense(name: str, x: np.ndarray) -> np.ndarray:
        return x @ np.asarray(params[name]["kernel"]) + np.asarray(params[name]["bias"])

    u, v = dense("user", user), dense("item", item)
    agreed = u * v / 2
    hidden = dense("hidden", np.concatenate([u, v, agreed], axis=1))
    hidden = 1.0507009873554805 * np.where(hidden > 0, hidden, 1.6732632423543772 * np.expm1(np.minimum(hidden, 0)))
    expected = dense("odds", hidden)[:, 0] + agreed.sum(1)
    found = preference.log_odds(params, jnp.asarray(user), jnp.asarray(item), CFG)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "value"), [("user_width", 0), ("width", 0), ("hidden", 0), ("dropout", 1.0)])
def test_sizes_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} is {value}, but must be"):
        PreferenceConfig(**({"user_width": 2, "item_width": 2} | {name: value}))  # type: ignore[arg-type]
