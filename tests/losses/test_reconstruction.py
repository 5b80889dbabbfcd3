"""The reconstruction loss by its formula, and at 0 too."""

import jax
import jax.numpy as jnp
import numpy as np

from urep_jax.losses.reconstruction import reconstruction


def test_it_is_the_norm_or_its_square() -> None:
    x, decoded = jnp.array([[1.0, 2.0], [0.0, 0.0]]), jnp.array([[1.0, -1.0], [3.0, 4.0]])
    weights = jnp.array([4.0, 1.0])
    np.testing.assert_allclose(reconstruction(x, decoded), [3.0, 5.0])
    np.testing.assert_allclose(reconstruction(x, decoded, squared=True), [9.0, 25.0])
    np.testing.assert_allclose(reconstruction(x, decoded, weights=weights), [3.0, np.sqrt(4 * 9 + 16)], rtol=1e-6)
    np.testing.assert_allclose(reconstruction(x, decoded, weights=weights, squared=True), [9.0, 52.0])


def test_its_gradient_is_a_unit_vector_and_0_at_0() -> None:
    def total(decoded: jax.Array) -> jax.Array:
        return reconstruction(jnp.zeros((2, 2)), decoded).sum()

    np.testing.assert_allclose(
        jax.grad(total)(jnp.array([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [0.0, 0.0]], rtol=1e-6
    )
