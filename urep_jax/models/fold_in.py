"""Folding in: a listener's vector, as the logistic regression of what they liked on the items' vectors."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

_STEPS, _GRADIENT_STEPS = 2, 8
_TINY = 1e-12


def fold_in(
    items: Float[Array, "B L D"],
    bias: Float[Array, "B L"],
    liked: Float[Array, "B L"],
    known: Bool[Array, "B L"],
    ridge: Float[Array, ""],
    bias_ridge: Float[Array, ""],
) -> Float[Array, "B D"]:
    r"""What a listener's events say of them, beside what their items' biases say.

    .. math:: \min_{u, c} -\sum_i \bigl[y_i \log p_i + (1 - y_i) \log (1 - p_i)\bigr]
        + \frac{\lambda}{2} |u|^2 + \frac{\mu}{2} c^2, \quad p_i = \sigma(u \cdot e_i + c + b_i)

    c is how easily the listener likes anything: left out, u would have to say it. Two steps from nothing known come so
    near to the minimum that further ones hardly change the order of items: one to the minimum of a parabola that lies
    above, and Newton's. (Two of Newton's go astray where biases say that nearly everything is liked, and the listener
    doesn't.) Each is solved by eight steps of conjugate gradients, because batches of factorisations are slow.

    Args:
        items: e, the vectors of the events' items.
        bias: b, their biases.
        liked: y, 1 where the listener was up for them, 0 where down, between where neither.
        known: where there is an event; the others say nothing.
        ridge: lambda, above 0.
        bias_ridge: mu, above 0.

    Returns:
        u; zeros where nothing is known.

    Source:
        Johnson 2014 (logistic matrix factorisation), with the items' side given.
    """
    # The last regressor is the listener's own bias.
    x_BxLxF = jnp.pad(items, ((0, 0), (0, 0), (0, 1)), constant_values=1.0)
    penalty_F = jnp.append(jnp.full(items.shape[-1], ridge), bias_ridge)

    def step(solved_BxF: Array, is_first: Array) -> tuple[Array, None]:
        score_BxL = jnp.einsum("blf,bf->bl", x_BxLxF, solved_BxF) + bias
        share_BxL = jax.nn.sigmoid(score_BxL)
        residual_BxL = jnp.where(known, liked - share_BxL, 0.0)
        curvature_BxL = jnp.where(is_first, _bounding_curvature(score_BxL), share_BxL * (1 - share_BxL))
        weight_BxL = jnp.where(known, curvature_BxL, 0.0)
        slope_BxF = jnp.einsum("bl,blf->bf", residual_BxL, x_BxLxF) - penalty_F * solved_BxF
        return solved_BxF + _solve(x_BxLxF, weight_BxL, penalty_F, slope_BxF), None

    # Loops that are compiled once: written out, they are most of the time that a model takes to compile.
    is_first = jnp.arange(_STEPS) == 0
    solved_BxF, _ = jax.lax.scan(step, jnp.zeros(x_BxLxF.shape[::2], items.dtype), is_first)
    return solved_BxF[:, :-1]


def _bounding_curvature(score: Float[Array, "B L"]) -> Float[Array, "B L"]:
    r"""The curvature of a parabola that touches :math:`\log(1 + e^s)` and lies above it: :math:`(\sigma(s) - 1/2) / s`.

    Source: Jaakkola and Jordan 2000.
    """
    # Below this the quotient is 1/4 to the last digit.
    size = jnp.maximum(jnp.abs(score), 1e-3)
    return (jax.nn.sigmoid(size) - 0.5) / size


def _solve(
    x_BxLxF: Float[Array, "B L F"],
    weight_BxL: Float[Array, "B L"],
    penalty_F: Float[Array, "F"],
    left_BxF: Float[Array, "B F"],
) -> Float[Array, "B F"]:
    """`(diag(penalty) + sum_l weight x x^T)^-1 left` by conjugate gradients."""

    def step(state: tuple[Array, ...], _: None) -> tuple[tuple[Array, ...], None]:
        solved_BxF, direction_BxF, left_BxF, size_Bx1 = state
        along_BxL = jnp.einsum("blf,bf->bl", x_BxLxF, direction_BxF)
        image_BxF = penalty_F * direction_BxF + jnp.einsum("bl,blf->bf", weight_BxL * along_BxL, x_BxLxF)
        # Where nothing is left there is nothing to divide by, either.
        step_Bx1 = size_Bx1 / jnp.maximum(jnp.sum(direction_BxF * image_BxF, axis=1, keepdims=True), _TINY)
        solved_BxF = solved_BxF + step_Bx1 * direction_BxF
        left_BxF = left_BxF - step_Bx1 * image_BxF
        next_size_Bx1 = jnp.sum(left_BxF**2, axis=1, keepdims=True)
        direction_BxF = left_BxF + next_size_Bx1 / jnp.maximum(size_Bx1, _TINY) * direction_BxF
        return (solved_BxF, direction_BxF, left_BxF, next_size_Bx1), None

    size_Bx1 = jnp.sum(left_BxF**2, axis=1, keepdims=True)
    state = (jnp.zeros_like(left_BxF), left_BxF, left_BxF, size_Bx1)
    (solved_BxF, *_), _ = jax.lax.scan(step, state, length=_GRADIENT_STEPS)
    return solved_BxF
