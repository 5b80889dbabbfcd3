"""How far what an autoencoder gives back is from what it was given."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def reconstruction(
    x: Float[Array, "*N F"],
    decoded: Float[Array, "*N F"],
    *,
    weights: Float[Array, "F"] | None = None,
    squared: bool = False,
) -> Float[Array, "*N"]:
    r"""The norm of the difference, or its square.

    .. math:: \|x_u - f_{dec}(f_{enc}(x_u))\|, \quad \|y\|^2 = \sum_f w_f y_f^2

    Args:
        x: what was given.
        decoded: what came back.
        weights: w of each feature, at least 0; 1 if left out.
        squared: whether it is the norm's square.

    Source:
        Generalized User Representations, Eq. 2; its norm is not squared.
    """
    difference = x - decoded
    square = difference**2 if weights is None else weights * difference**2
    total = jnp.sum(square, axis=-1)
    if squared:
        return total
    # A norm has no gradient at 0; there it is taken as 0.
    is_there = total > 0
    return jnp.where(is_there, jnp.sqrt(jnp.where(is_there, total, 1.0)), 0.0)
