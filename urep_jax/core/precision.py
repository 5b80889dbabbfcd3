"""Matrix products whose operands are rounded to half as many bits, and whose sums are not."""

from typing import Literal

import jax
import jax.numpy as jnp
from jax.experimental.layout import Layout, with_layout_constraint
from jaxtyping import Array, Float

Compute = Literal["float32", "bfloat16"]
"""What operands of a matrix product are rounded to; its sums, and all that lies between products, stay float32."""


def product(
    x: Float[Array, "*B M K"], y: Float[Array, "*B K N"], compute: Compute = "float32"
) -> Float[Array, "*B M N"]:
    """`x @ y`, summed in float32, and its gradient likewise: what comes back from above is rounded as the operands are.

    Args:
        x: first operand, float32.
        y: second operand, with the same leading axes, float32.
        compute: with `bfloat16` the operands keep 8 bits of their fractions, which accelerators, and processors that
            have instructions for it, multiply at twice the rate or more.

    Example:
        >>> x = jnp.full((1, 1), 1.001)
        >>> [f"{float(product(x, jnp.ones((1, 1)), compute)[0, 0]):.4f}" for compute in ("float32", "bfloat16")]
        ['1.0010', '1.0000']
    """
    return x @ y if compute == "float32" else _rounded_product(x, y)


def transposed_product(
    x: Float[Array, "*B M K"], y: Float[Array, "*B M N"], compute: Compute = "float32"
) -> Float[Array, "*B K N"]:
    """`x.T @ y`, summed in float32. It has no gradient of its own in bfloat16: it is what gradients are made of.

    Args:
        x: first operand, float32.
        y: second operand, with the same leading axes, float32.
        compute: as in `product`.
    """
    if compute == "float32":
        return jnp.matrix_transpose(x) @ y
    return _transposed_product(_rounded(x), _rounded(y))


@jax.custom_vjp
def _rounded_product(x: Array, y: Array) -> Array:
    return _multiply(_rounded(x), _rounded(y))


def _rounded_product_forward(x: Array, y: Array) -> tuple[Array, tuple[Array, Array]]:
    kept = _rounded(x), _rounded(y)
    return _multiply(*kept), kept


def _rounded_product_backward(kept: tuple[Array, Array], above: Array) -> tuple[Array, Array]:
    x, y = kept
    above = _rounded(above)
    return _multiply(above, jnp.matrix_transpose(y)), _transposed_product(x, above)


_rounded_product.defvjp(_rounded_product_forward, _rounded_product_backward)


def _rounded(x: Array) -> Array:
    return x.astype(jnp.bfloat16)


def _multiply(x: Array, y: Array) -> Array:
    return jnp.matmul(x, y, preferred_element_type=jnp.float32)


def _transposed_product(x: Array, y: Array) -> Array:
    # The narrower one is turned, which is less to write.
    if x.shape[-1] <= y.shape[-1]:
        return _in_rows(_multiply(_in_rows(jnp.matrix_transpose(x)), y))
    return _in_rows(jnp.matrix_transpose(_in_rows(_multiply(_in_rows(jnp.matrix_transpose(y)), x))))


def _in_rows(x: Array) -> Array:
    """Laid in memory row by row, where XLA would rather note that it is to be read across.

    It has no product in bfloat16 on a CPU whose first operand is read across its rows: it would widen both, and take as
    long as with float32. It makes such a product, too, of one whose result is turned.
    """
    rows = Layout(major_to_minor=tuple(range(x.ndim)))
    return jax.lax.platform_dependent(x, cpu=lambda x: with_layout_constraint(x, rows), default=lambda x: x)
