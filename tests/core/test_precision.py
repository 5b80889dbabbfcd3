"""Products of rounded operands, against NumPy in float64 on operands that it rounded itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Array, Float

from urep_jax.core.precision import Compute, product, transposed_product

SIZES = st.integers(1, 9)


def operands(lead: tuple[int, ...], m: int, k: int, n: int) -> tuple[Array, Array, Array]:
    """x, y and what comes back from above."""
    keys = jax.random.split(jax.random.key(m * 100 + k * 10 + n), 3)
    shapes = ((*lead, m, k), (*lead, k, n), (*lead, m, n))
    x, y, above = (jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True))
    return x, y, above


def rounded(x: Float[Array, "..."]) -> Float[np.ndarray, "..."]:
    """To the nearest of the numbers that keep 8 bits; by NumPy, in float64."""
    bits = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    to_even = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return to_even.astype(np.uint32).view(np.float32).astype(np.float64)


@settings(max_examples=20)
@given(lead=st.sampled_from([(), (2,), (2, 3)]), m=SIZES, k=SIZES, n=SIZES)
def test_operands_are_rounded_and_sums_are_not(lead: tuple[int, ...], m: int, k: int, n: int) -> None:
    """Forwards and backwards, whatever the shapes: a vector, a single number, one operand narrower than the other."""
    x, y, above = operands(lead, m, k, n)
    value, backwards = jax.vjp(jax.jit(lambda x, y: product(x, y, "bfloat16")), x, y)
    x_grad, y_grad = backwards(above)
    kept_x, kept_y, kept_above = rounded(x), rounded(y), rounded(above)
    for found, expected in (
        (value, kept_x @ kept_y),
        (x_grad, kept_above @ np.swapaxes(kept_y, -1, -2)),
        (y_grad, np.swapaxes(kept_x, -1, -2) @ kept_above),
        (jax.jit(transposed_product, static_argnums=2)(x, above, "bfloat16"), np.swapaxes(kept_x, -1, -2) @ kept_above),
    ):
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_float32_is_a_plain_product() -> None:
    x, y, above = operands((2,), 3, 4, 5)
    value, backwards = jax.vjp(product, x, y)
    plain, plainly = jax.vjp(jnp.matmul, x, y)
    for found, expected in zip((value, *backwards(above)), (plain, *plainly(above)), strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(transposed_product(x, above), jnp.matrix_transpose(x) @ above)


@pytest.mark.parametrize(("compute", "bits"), [("float32", 1), ("bfloat16", 0)])
def test_a_long_sum_loses_nothing(compute: Compute, bits: int) -> None:
    """In bfloat16 a sum of ones would stop at 256; and 1 + 2^-9 is what rounding, and nothing but it, takes away."""
    ones = jnp.ones((1, 4096))
    assert product(ones, ones.T, compute) == 4096
    assert product(ones + 2**-9, ones.T, compute) == 4096 + 8 * bits


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="it is what XLA does on a CPU")
@pytest.mark.parametrize(("k", "n"), [(8, 24), (24, 8)])
def test_no_product_is_widened(k: int, n: int) -> None:
    """A product that XLA widens stays a `dot` of its own, outside the fusions that multiply in bfloat16."""

    def both(x: Array, y: Array, above: Array) -> tuple[Array, tuple[Array, Array]]:
        value, backwards = jax.vjp(lambda x, y: product(x, y, "bfloat16"), x, y)
        return value, backwards(above)

    program = jax.jit(both).lower(*operands((), 40, k, n)).compile().as_text()
    main = program[program.index("ENTRY") :]
    assert " dot(" not in main
