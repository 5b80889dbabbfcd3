"""The autoencoder: SELU keeps what it should, dropout too, and the full size is known without being made."""

import dataclasses
from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from urep_jax.models import autoencoder
from urep_jax.models.autoencoder import AutoencoderConfig
from urep_jax.models.layers import alpha_dropout

CFG = AutoencoderConfig(num_features=30, width=5, hidden=(24, 16), dropout=0.1)


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    """Of what SELU lets through: mean 0 and variance 1, to three standard errors."""
    x = jax.random.normal(jax.random.key(0), (400, 500))
    for rate in (0.02, 0.3):
        out = np.asarray(alpha_dropout(x, rate, jax.random.key(1), jnp.arange(400)))
        least = -1.0507009873554805 * 1.6732632423543772
        keep = 1 - rate
        a = (keep + least**2 * keep * rate) ** -0.5
        dropped = np.isclose(out, a * (least - rate * least), atol=1e-6)
        assert abs(dropped.mean() - rate) < 3 * np.sqrt(rate * keep / x.size)
        np.testing.assert_allclose(out[~dropped], a * (np.asarray(x)[~dropped] - rate * least), rtol=1e-5, atol=1e-5)
        assert abs(out.mean()) < 3 / np.sqrt(x.size)
        assert abs(out.var() - 1) < 3 * np.sqrt(3 / x.size)


def test_alpha_dropout_is_named_by_its_row_and_off_without_a_key() -> None:
    x = jnp.ones((6, 40))
    key = jax.random.key(0)
    whole = alpha_dropout(x, 0.5, key, jnp.arange(6))
    np.testing.assert_array_equal(alpha_dropout(x[3:], 0.5, key, jnp.arange(3, 6)), whole[3:])
    assert not np.array_equal(whole[0], whole[1])
    np.testing.assert_array_equal(alpha_dropout(x, 0.5, None, jnp.arange(6)), x)
    np.testing.assert_array_equal(alpha_dropout(x, 0.0, key, jnp.arange(6)), x)


def test_a_deep_network_keeps_its_activations_at_one_scale() -> None:
    """The point of SELU: with its initialisation, ten layers of 256 leave mean and variance about where they were."""
    deep = AutoencoderConfig(num_features=256, width=256, hidden=(256,) * 10, dropout=0.0)
    params = autoencoder.init(jax.random.key(0), deep)
    z = np.asarray(autoencoder.encode(params, jax.random.normal(jax.random.key(1), (500, 256)), deep))
    assert abs(z.mean()) < 0.1
    assert 0.7 < z.std() < 1.4


def test_encoding_is_the_formula() -> None:
    params = autoencoder.init(jax.random.key(0), CFG)
    x = np.random.default_rng(0).normal(size=(7, 30)).astype(np.float32)

    def selu(x: np.ndarray) -> np.ndarray:
        return 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0)))

    def network(part: str, x: np.ndarray) -> np.ndarray:
        layers = [params[part][f"dense_{i}"] for i in range(3)]
        for layer in layers[:-1]:
            x = selu(x @ np.asarray(layer["kernel"]) + np.asarray(layer["bias"]))
        return x @ np.asarray(layers[-1]["kernel"]) + np.asarray(layers[-1]["bias"])

    z = network("encoder", x)
    np.testing.assert_allclose(autoencoder.encode(params, jnp.asarray(x), CFG), z, rtol=1e-4, atol=1e-5)
    decoded = autoencoder.decode(params, jnp.asarray(z), CFG)
    np.testing.assert_allclose(decoded, network("decoder", z), rtol=1e-4, atol=1e-5)
    assert z.shape == (7, 5)
    assert decoded.shape == x.shape


def test_a_user_is_encoded_alike_alone_and_among_others() -> None:
    params = autoencoder.init(jax.random.key(0), CFG)
    x = jax.random.normal(jax.random.key(1), (8, 30))
    whole = autoencoder.encode(params, x, CFG, row=jnp.arange(8), key=jax.random.key(2))
    part = autoencoder.encode(params, x[5:], CFG, row=jnp.arange(5, 8), key=jax.random.key(2))
    np.testing.assert_allclose(part, whole[5:], rtol=1e-5, atol=1e-6)
    assert not np.allclose(whole, autoencoder.encode(params, x, CFG))


def test_the_papers_size() -> None:
    """2,000 features to 120 numbers, by shapes alone."""
    full = AutoencoderConfig(num_features=2_000, width=120, hidden=(1_024, 512))
    params = jax.eval_shape(partial(autoencoder.init, cfg=full), jax.random.key(0))
    x = jax.ShapeDtypeStruct((4_096, 2_000), jnp.float32)
    z = jax.eval_shape(partial(autoencoder.encode, cfg=full), params, x)
    assert z.shape == (4_096, 120)
    assert jax.eval_shape(partial(autoencoder.decode, cfg=full), params, z).shape == x.shape
    sizes = (2_000, 1_024, 512, 120)
    one_way, back = (sum(a * b + b for a, b in pairwise(way)) for way in (sizes, sizes[::-1]))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == one_way + back


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"num_features": 0}, "num_features is 0, but must be at least 1"),
        ({"width": 0}, "width is 0, but must be at least 1"),
        ({"hidden": (4, 0)}, r"hidden is \(4, 0\), but must hold widths of at least 1"),
        ({"dropout": 1.0}, "dropout is 1.0, but must be from 0 up to, but not, 1"),
    ],
)
def test_sizes_out_of_range_are_refused(change: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        dataclasses.replace(CFG, **change)
