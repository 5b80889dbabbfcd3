"""How far vectors are apart, and whether one distance goes with another over users."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64
from scipy.sparse import csr_array
from scipy.stats import rankdata

from urep_jax.metrics.mean import Z_95


class Correlation(NamedTuple):
    """A correlation over users.

    Attributes:
        value: from -1 to 1; NaN where nothing varies.
        ci95: half the width of its 95 % interval, which isn't symmetric; NaN for fewer than four users.
    """

    value: float
    ci95: float


def cosine_distance(
    a: Float[np.ndarray, "N D"] | csr_array, b: Float[np.ndarray, "N D"] | csr_array
) -> Float64[np.ndarray, "N"]:
    r"""How far each row of `a` is from the same row of `b`, from 0 to 2; NaN where a row is of zeros.

    .. math:: 1 - \frac{a \cdot b}{\lVert a \rVert \lVert b \rVert}

    Args:
        a: vectors, dense or sparse.
        b: as many of the same kind.
    """
    a_NxD, b_NxD = a.astype(np.float64), b.astype(np.float64)
    product_N, lengths_N = _dots(a_NxD, b_NxD), np.sqrt(_dots(a_NxD, a_NxD) * _dots(b_NxD, b_NxD))
    with np.errstate(invalid="ignore"):
        # Of equal vectors rounding may make a little more than 1.
        return 1.0 - np.clip(product_N / lengths_N, -1.0, 1.0)


def rank_correlation(x: Float[np.ndarray, "U"], y: Float[np.ndarray, "U"]) -> Correlation:
    r"""Spearman's correlation of two values of each user; equal values share their mean rank.

    The interval is symmetric in Fisher's z, with the standard error of Bonett and Wright:

    .. math:: \tanh\left(\operatorname{artanh} \rho \pm 1.96 \sqrt{\frac{1 + \rho^2 / 2}{U - 3}}\right)

    Args:
        x: a number for each user.
        y: another.

    Source:
        Bonett and Wright 2000, Sample size requirements for estimating Pearson, Kendall and Spearman correlations.
    """
    centred_2xU = np.array([rankdata(x), rankdata(y)]) - (len(x) + 1) / 2
    spread = math.sqrt(float((centred_2xU[0] ** 2).sum() * (centred_2xU[1] ** 2).sum()))
    if not spread:
        return Correlation(math.nan, math.nan)
    rho = min(1.0, max(-1.0, float(centred_2xU[0] @ centred_2xU[1]) / spread))
    if len(x) < 4:
        return Correlation(rho, math.nan)
    half = Z_95 * math.sqrt((1 + rho**2 / 2) / (len(x) - 3))
    z = math.atanh(rho) if abs(rho) < 1 else math.copysign(math.inf, rho)
    return Correlation(rho, (math.tanh(z + half) - math.tanh(z - half)) / 2)


def _dots(a_NxD: np.ndarray | csr_array, b_NxD: np.ndarray | csr_array) -> Float64[np.ndarray, "N"]:
    return np.asarray((a_NxD * b_NxD).sum(axis=1), np.float64)
