r"""How satisfied a listener is when a session ends, as a service can tell: by returns, or by answers to a survey.

By returns: the chance :math:`r` that the listener is back within two days, which the response model has learnt from
who came back. By answers, of which there are few: a logistic regression on what the response model, trained on every
session, makes of the listener then,

.. math:: P(\mathrm{yes}) = \sigma(b + \langle w, [h, o, \mathrm{logit}\, r] \rangle)

with h its vector of the last event and o what was done there. Neither is told what no service sees.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int64
from sklearn.linear_model import LogisticRegression

from urep_jax.core.hazards import chance_within
from urep_jax.core.types import RESPONSES
from urep_jax.data.listening_history import KnownItems
from urep_jax.data.response_windows import ResponseWindows, Windows, told_once
from urep_jax.models.response_model import ResponseConfig
from urep_jax.simulation.satisfaction.survey import Answers
from urep_jax.training.response import hidden_and_after

SOON = 2.0
"""Days within which a return counts."""

_WEIGHT_SPREAD = 0.1
"""Standard deviation of the weights of numbers of variance 1, as far as is known without an answer: a prior. Some
hundred answers can't tell as many weights apart."""

_SURE = 1e-4


class SessionEnds(NamedTuple):
    """The ends of a log's sessions, by listener and time.

    Attributes:
        row: of the log.
        event: the last of the session.
        numbers: what the response model makes of the listener then: `[h, o, logit r]`.
        back: r, the chance of another session within `SOON` days.
    """

    row: Int64[np.ndarray, "N"]
    event: Int64[np.ndarray, "N"]
    numbers: Float[np.ndarray, "N X"]
    back: Float[np.ndarray, "N"]


class SurveyModel(NamedTuple):
    """The chance of a yes, from `SessionEnds.numbers`.

    Attributes:
        mean: of each number, where it was learnt.
        scale: its standard deviation there.
        weights: w, of numbers of mean 0 and variance 1.
        bias: b.
    """

    mean: Float[np.ndarray, "X"]
    scale: Float[np.ndarray, "X"]
    weights: Float[np.ndarray, "X"]
    bias: float


def session_ends(params: Any, windows: ResponseWindows, items: KnownItems, model: ResponseConfig) -> SessionEnds:
    """What the response model makes of every session's end.

    Args:
        params: of the model.
        windows: of the logs.
        items: what is known of items.
        model: size of the model.
    """
    parts = []
    for step in range(windows.steps_per_epoch):
        row_B, event_BxR = windows.events_of(step)
        numbers, back, is_end = jax.device_get(_at_ends(params, windows[step], items, model))
        parts.append((np.nonzero(is_end)[0], row_B, event_BxR, is_end, numbers, back))
    row_N = np.concatenate([row_B[which] for which, row_B, *_ in parts])
    event_N = np.concatenate([event[is_end] for _, _, event, is_end, *_ in parts])
    numbers_NxX = np.concatenate([numbers[is_end] for *_, is_end, numbers, _ in parts])
    back_N = np.concatenate([back[is_end] for *_, is_end, _, back in parts])
    order_N = np.lexsort((event_N, row_N))
    return SessionEnds(row_N[order_N], event_N[order_N], numbers_NxX[order_N], back_N[order_N])


def fit_survey(ends: SessionEnds, answers: Answers) -> SurveyModel:
    """Learn from answers: the most likely weights, beside a normal prior on them.

    Args:
        ends: of the log that was asked about.
        answers: at some of these.

    Raises:
        ValueError: if nobody said yes, or nobody no; or an answer was given elsewhere.
    """
    yes = int(answers.is_satisfied.sum())
    if not 0 < yes < len(answers.row):
        raise ValueError(
            f"of {len(answers.row)} answers {yes} say yes, but to learn from them takes some of either kind; ask more"
        )
    length = 1 + int(max(ends.event.max(), answers.event.max()))
    place_N, wanted_N = ends.row * length + ends.event, answers.row * length + answers.event
    at_N = np.minimum(np.searchsorted(place_N, wanted_N), len(place_N) - 1)
    if not np.array_equal(place_N[at_N], wanted_N):
        raise ValueError("an answer was given where no session of the log ends; take answers about this log")
    numbers = ends.numbers.astype(np.float64)
    mean_X, scale_X = numbers.mean(0), np.maximum(numbers.std(0), 1e-6)
    # In scikit-learn C is the variance of a normal prior on the weights.
    regression = LogisticRegression(C=_WEIGHT_SPREAD**2, max_iter=1000)
    regression.fit((numbers[at_N] - mean_X) / scale_X, answers.is_satisfied)
    return SurveyModel(mean_X, scale_X, regression.coef_[0], float(regression.intercept_[0]))


def chance_of_yes(model: SurveyModel, ends: SessionEnds) -> Float[np.ndarray, "N"]:
    """The chance that the listener would say yes, 0 to 1: what is said of satisfaction.

    Args:
        model: from `fit_survey`.
        ends: of any log, by the response model that `model` was learnt with.
    """
    log_odds_N = model.bias + (ends.numbers - model.mean) / model.scale @ model.weights
    return 1 / (1 + np.exp(-log_odds_N))


@partial(jax.jit, static_argnames="model")
def _at_ends(
    params: Any, batch: Windows, items: KnownItems, model: ResponseConfig
) -> tuple[jax.Array, jax.Array, Bool[jax.Array, "B R"]]:
    batch = jax.tree.map(jnp.asarray, batch)
    of = batch.outcome
    hidden_BxRxD, after = hidden_and_after(params, batch, items, model)
    back_BxR = chance_within(after.log_hazard, SOON, model.days)
    # Of what is as good as sure the odds have no end.
    odds_BxR = jax.scipy.special.logit(jnp.clip(back_BxR, _SURE, 1 - _SURE))
    is_kind = (of.feedback[..., None] == jnp.array(RESPONSES)).astype(jnp.float32)
    told = (hidden_BxRxD, is_kind, of.ratio[..., None], odds_BxR[..., None])
    return jnp.concatenate(told, axis=-1), back_BxR, told_once(batch) & of.session_over
