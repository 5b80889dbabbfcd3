"""Binary cross-entropy of a liked song against negatives, plain and generalised."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def bce(
    positive: Float[Array, "*N"],
    negative: Float[Array, "*N"],
    *,
    where: Bool[Array, "*N"] | None = None,
    where_positive: Bool[Array, "*N"] | None = None,
) -> Float[Array, "*N"]:
    r"""Binary cross-entropy with one negative.

    .. math:: -\log\sigma(s^+) - \log(1 - \sigma(s^-))

    Args:
        positive: score of the target.
        negative: score of its negative.
        where: which examples have a negative; the others have the first term alone.
        where_positive: which examples have a target; the others have the second term alone.

    Source:
        Kang and McAuley 2018, §3.5; Negative Feedback for Music Personalization, §3.
    """
    for_it, against = jax.nn.softplus(-positive), jax.nn.softplus(negative)
    if where is not None:
        against = jnp.where(where, against, 0.0)
    if where_positive is not None:
        for_it = jnp.where(where_positive, for_it, 0.0)
    return for_it + against


def gbce(
    positive: Float[Array, "*N"],
    negatives: Float[Array, "*N K"],
    beta: float | Array,
    *,
    where: Bool[Array, "*N K"] | None = None,
    hard: Float[Array, "*N"] | None = None,
) -> Float[Array, "*N"]:
    r"""Generalised binary cross-entropy: the positive's likelihood is raised to the power `beta`.

    .. math:: -\beta\log\sigma(s^+) - \sum_k \log(1 - \sigma(s^-_k))

    Args:
        positive: score of the target.
        negatives: scores of its K negatives.
        beta: from `gbce_beta`; 1 gives plain binary cross-entropy with K negatives.
        where: which negatives count.
        hard: score of a hard negative that is one more term of the sum, minus infinity where there is none.

    Source:
        Petrov and Macdonald 2023 (gSASRec), Eq. 12.
    """
    against = jax.nn.softplus(negatives)
    if where is not None:
        against = jnp.where(where, against, 0.0)
    loss = beta * jax.nn.softplus(-positive) + jnp.sum(against, axis=-1)
    return loss if hard is None else loss + jax.nn.softplus(hard)


def gbce_beta(k: int, num_items: int, calibration: float = 0.75) -> float:
    r"""The power that undoes the overconfidence of sampling `k` of `num_items - 1` negatives.

    .. math:: \beta = \alpha\,(t\,(1 - 1/\alpha) + 1/\alpha), \quad \alpha = k / (|V| - 1)

    Args:
        k: negatives for each target.
        num_items: items of the catalogue.
        calibration: the paper's t, from 0 (plain) to 1 (calibrated).

    Raises:
        ValueError: if `calibration` is out of range.

    Example:
        >>> gbce_beta(k=1, num_items=101, calibration=0.0)
        1.0

    Source:
        Petrov and Macdonald 2023 (gSASRec), Eq. 16.
    """
    if not 0 <= calibration <= 1:
        raise ValueError(f"calibration is {calibration}, but must be between 0 and 1")
    alpha = min(1.0, k / (num_items - 1))
    return alpha * calibration * (1 - 1 / alpha) + 1.0
