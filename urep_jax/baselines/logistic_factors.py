"""Logistic matrix factorisation of (user, item, up or down), where new users are folded in."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int
from scipy.sparse import csr_array

from urep_jax.baselines.histories import Signs, histories, latest_events, signs_of, training_histories
from urep_jax.core.streams import numpy_stream
from urep_jax.core.types import SECONDS_PER_DAY, Feedback
from urep_jax.data.cases import Cases, Split
from urep_jax.data.log import EventLog
from urep_jax.data.ragged import ranges
from urep_jax.evaluation.scorer import Scorer, ScorerFactory, catalogue_scorer

_PLACES = 1 << 17
"""Events, with their padding, of the regressions that are solved at a time."""
_HALF_TRUSTED = 10.0
"""Events of an item that counts half as much as one with very many, where content is asked about items."""
_NEWTON_STEPS = 6
_STEP_LENGTHS = (1.0, 0.5, 0.25, 0.125, 1 / 16, 1 / 32, 0.0)
"""As shares of Newton's step: far from the minimum a whole one may lead further away."""


class ItemFactors(NamedTuple):
    """What is known of the items, and how a user is folded in."""

    items: Float32[np.ndarray, "V F"]
    """Each item's D factors, and its bias last."""
    prior: float
    """Log-odds of an up anywhere."""
    penalty: Float32[np.ndarray, "F"]
    signs: Signs


def fit_factors(
    log: EventLog,
    split: Split,
    *,
    width: int = 16,
    ridge: float = 8.0,
    bias_ridge: float = 1.0,
    sweeps: int = 10,
    skips: bool = False,
    content: Float32[np.ndarray, "V K"] | None = None,
    days: float | None = None,
    seed: int = 0,
) -> ItemFactors:
    r"""Find factors by which the log-odds that a user is up for an item, rather than down, are a product.

    .. math:: P(\text{up}) = \sigma(b + b_u + b_v + p_u \cdot q_v)

    With all items fixed, each user is a logistic regression with a ridge penalty, and the other way round: they are
    solved in turn, by Newton's method. Where it is known what items are, the penalty draws an item's numbers not to 0
    but to :math:`W^T c_v`, and W is the ridge regression of all items' numbers on their content, anew in each turn but
    the first; an item of n events counts n / (n + 10) in it.

    Args:
        log: the log.
        split: whose training events count.
        width: D of the factors, at least 1.
        ridge: penalty on factors, above 0.
        bias_ridge: penalty on the biases, above 0.
        sweeps: times that users and items are solved.
        skips: whether skips count, as half an up and half a down; of several events of an item the latest counts, be
            it a skip. Where training holds no down they are the downs.
        content: c, what is known of each item besides, such as a 1 for each of its genres; and a 1 for all of them.
        days: how fast what was said grows old: an event weighs :math:`e^{-age / days}`, by its age when training ends,
            as a multiple of what all weigh in the mean. None: all weigh the same.
        seed: of the factors' start.

    Source: Hu, Koren and Volinsky 2008 for the alternation, Johnson 2014 for the logistic model; here on ups
        and downs.

    Raises:
        ValueError: if a value is out of range, or training doesn't hold both ups and downs or skips.
    """
    for name, value, least in (("width", width, 1), ("sweeps", sweeps, 1)):
        if value < least:
            raise ValueError(f"{name} is {value}, but must be at least {least}")
    for name, number in (("ridge", ridge), ("bias_ridge", bias_ridge), ("days", days)):
        if number is not None and not number > 0:
            raise ValueError(f"{name} is {number}, but must be above 0")
    if content is not None and sweeps < 2:
        raise ValueError(f"sweeps is {sweeps}, but content has a say from the second on; set sweeps to 2 or more")
    if content is not None and len(content) != log.num_items:
        raise ValueError(f"content is of {len(content):,} items, but {log.name!r} has {log.num_items:,}; give one each")
    signs = signs_of(log, split)
    if skips:
        signs = {Feedback.SKIP: 0.0, **signs}
    by_user = training_histories(log, split, signs)
    if not (by_user.data > 0).any() or not (by_user.data < 0).any():
        raise ValueError(f"training holds not both ups and downs or skips of log {log.name!r}; there is no odds to fit")
    weights = None if days is None else _weights(log, split, signs, days)
    by_item = csr_array(by_user.T)
    of_item = None if weights is None else _as_transposed(by_user, weights)
    ups = float((1 + by_user.data).mean() / 2)
    prior = float(np.log(ups / (1 - ups)))
    penalty_F = np.array([*[ridge] * width, bias_ridge], np.float32)
    # The last column is the bias: each side's regressors are the other's factors and a 1.
    rng = numpy_stream(seed, "factors")
    items_VxF = np.append(0.1 * rng.normal(size=(log.num_items, width)), np.zeros((log.num_items, 1)), 1)
    items_VxF = items_VxF.astype(np.float32)
    centres_VxF = np.zeros_like(items_VxF)
    for sweep in range(sweeps):
        if content is not None and sweep:
            centres_VxF = _told_by(content, items_VxF, np.diff(by_item.indptr))
        users_UxF = regress(by_user, items_VxF, prior, penalty_F, weights=weights)
        items_VxF = regress(by_item, users_UxF, prior, penalty_F, weights=of_item, centres=centres_VxF)

    return ItemFactors(items_VxF, prior, penalty_F, signs)


def _weights(log: EventLog, split: Split, signs: Signs, days: float) -> Float32[np.ndarray, "N"]:
    """What each entry of the training histories weighs: 1 in the mean."""
    latest = latest_events(log, split.start[split.train], split.stop[split.train], signs).data
    age_days = (log.timestamp[latest].max() - log.timestamp[latest]) / SECONDS_PER_DAY
    weights = np.exp(-age_days / days)
    return np.asarray(weights / weights.mean(), np.float32)


def _as_transposed(matrix: csr_array, values: Float32[np.ndarray, "N"]) -> Float32[np.ndarray, "N"]:
    """Values of the entries of a matrix, in the order in which the transposed matrix has them."""
    place = csr_array((1 + np.arange(matrix.nnz), matrix.indices, matrix.indptr), shape=matrix.shape)
    return values[csr_array(place.T).data - 1]


def _told_by(
    content: Float32[np.ndarray, "V K"], items: Float32[np.ndarray, "V F"], events: Int[np.ndarray, "V"]
) -> Float32[np.ndarray, "V F"]:
    """What content says of the items' numbers: their regression on it, in which items of few events count less."""
    trust_Vx1 = (events / (events + _HALF_TRUSTED))[:, None]
    moment_KxK = content.T @ (trust_Vx1 * content) + np.eye(content.shape[1])
    return np.asarray(content @ np.linalg.solve(moment_KxK, content.T @ (trust_Vx1 * items)), np.float32)


def logistic_factors(log: EventLog, split: Split, **settings: Any) -> ScorerFactory:
    """Score an item by the odds that the user is up for it rather than down.

    What is known of a user who is asked about is folded in by the regression that finds the users of the training.

    Args:
        log: the log.
        split: whose training events count.
        settings: of `fit_factors`.
    """
    factors = fit_factors(log, split, **settings)

    def bind(log: EventLog, cases: Cases) -> Scorer:
        return factors_scorer(factors, histories(log, cases.start, cases.stop, factors.signs))

    return bind


def factors_scorer(factors: ItemFactors, labels: csr_array, weights: Float32[np.ndarray, "N"] | None = None) -> Scorer:
    """Scores of the catalogue for users of whom something is known: the log-odds of an up.

    Args:
        factors: of the items.
        labels: what is known, a row for each case, as `histories` has it.
        weights: how often each entry counts, as in `regress`.
    """
    items_VxF, prior, penalty_F, _ = factors
    users_CxF = regress(labels, items_VxF, prior, penalty_F, weights=weights)

    def catalogue(rows_B: np.ndarray, items: slice) -> np.ndarray:
        users_BxF, items_CxF = users_CxF[rows_B], items_VxF[items]
        return np.asarray(users_BxF[:, :-1] @ items_CxF[:, :-1].T + items_CxF[:, -1] + users_BxF[:, -1:] + prior)

    return catalogue_scorer(catalogue)


def regress(
    labels: csr_array,
    others: Float32[np.ndarray, "V F"],
    prior: float,
    penalty: Float32[np.ndarray, "F"],
    *,
    weights: Float32[np.ndarray, "N"] | None = None,
    centres: Float32[np.ndarray, "U F"] | None = None,
) -> Float32[np.ndarray, "U F"]:
    """The logistic regression of each row of `labels` on the vectors of the columns in which it says something.

    Args:
        labels: U x V, from -1 for a down to 1 for an up; 0 is halfway, and what has no entry says nothing.
        others: the columns' vectors, their bias last.
        prior: log-odds that all share.
        penalty: of how far each of a row's numbers lies from its centre.
        weights: how often each entry of `labels` counts, in their order; once by default.
        centres: what the rows are without anything said; zeros by default.

    Returns:
        Each row's vector, its bias last; its centre for a row that says nothing.
    """
    lengths_U = np.diff(labels.indptr)
    if weights is None:
        weights = np.ones(len(labels.data), np.float32)
    if centres is None:
        centres = np.zeros((len(lengths_U), others.shape[1]), np.float32)
    solved_UxF = centres.copy()
    order = np.argsort(lengths_U, kind="stable")
    order = order[lengths_U[order] > 0]
    widths = 1 << np.ceil(np.log2(np.maximum(lengths_U[order], 8))).astype(int)
    for M in np.unique(widths):
        alike = order[widths == M]
        rows = min(max(1, _PLACES // M), 1 << int(len(alike) - 1).bit_length())
        for first in range(0, len(alike), rows):
            row = alike[first : first + rows]
            flat = ranges(labels.indptr[row], labels.indptr[row + 1])
            place = (np.repeat(np.arange(len(row)), lengths_U[row]), ranges(0 * row, lengths_U[row]))
            column_BxM = np.zeros((rows, M), np.int32)
            liked_BxM, weight_BxM = np.zeros((2, rows, M), np.float32)
            column_BxM[place], liked_BxM[place] = labels.indices[flat], (1 + labels.data[flat]) / 2
            weight_BxM[place] = weights[flat]
            centre_BxF = np.zeros((rows, others.shape[1]), np.float32)
            centre_BxF[: len(row)] = centres[row]
            solved_BxF = _newton(column_BxM, liked_BxM, weight_BxM, centre_BxF, others, prior, penalty)
            solved_UxF[row] = solved_BxF[: len(row)]
    return solved_UxF


@jax.jit
def _newton(
    column: Int[Array, "B M"],
    liked: Float[Array, "B M"],
    weight: Float[Array, "B M"],
    centre: Float[Array, "B F"],
    others: Float[Array, "V F"],
    prior: Float[Array, ""],
    penalty: Float[Array, "F"],
) -> Float[Array, "B F"]:
    r"""Newton's steps towards the minimum of each row, each of the best of a few lengths.

    .. math:: -\sum_m a_m \bigl[y_m \log p_m + (1 - y_m) \log (1 - p_m)\bigr]
        + \frac12 \sum_f \lambda_f (w_f - c_f)^2

    Args:
        column: rows of `others` that each row says something of.
        liked: y, from 0 for a down to 1 for an up.
        weight: a, how often it counts; 0 for padding.
        centre: c, where each row begins.
        others: see `regress`.
        prior: see `regress`.
        penalty: see `regress`.
    """
    own_BxMxF = others[column]
    x_BxMxF = own_BxMxF.at[..., -1].set(1.0)
    offset_BxM = prior + own_BxMxF[..., -1] + jnp.einsum("bmf,bf->bm", x_BxMxF, centre)

    def solve(x_MxF: Array, offset_M: Array, liked_M: Array, weight_M: Array) -> Array:
        def step(_: Array, solved_F: Array) -> Array:
            score_M = x_MxF @ solved_F + offset_M
            p_M = jax.nn.sigmoid(score_M)
            slope_F = x_MxF.T @ (weight_M * (p_M - liked_M)) + penalty * solved_F
            curve_FxF = (x_MxF.T * (weight_M * p_M * (1 - p_M))) @ x_MxF + jnp.diag(penalty)
            direction_F = -jax.scipy.linalg.solve(curve_FxF, slope_F, assume_a="pos")
            direction_M = x_MxF @ direction_F

            def cost(length: Array) -> Array:
                there_M, there_F = score_M + length * direction_M, solved_F + length * direction_F
                misfit_M = weight_M * (jax.nn.softplus(there_M) - liked_M * there_M)
                return misfit_M.sum() + 0.5 * jnp.sum(penalty * there_F**2)

            lengths = jnp.array(_STEP_LENGTHS)
            return solved_F + lengths[jnp.argmin(jax.vmap(cost)(lengths))] * direction_F

        return jax.lax.fori_loop(0, _NEWTON_STEPS, step, jnp.zeros_like(penalty))

    return centre + jax.vmap(solve)(x_BxMxF, offset_BxM, liked, weight)
