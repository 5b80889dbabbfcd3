r"""How soon listeners are back, as far as logs tell: a line of what outlasts a session, and of what was heard.

What is heard moves listeners over weeks, and the last item is not what brings them back. So the hazard of coming back
after a session, on piece k of the time away, is told by slow means over all that was heard before of a number v of each
item, which is learnt with it:

.. math::
    v_i = \tanh(\langle a, x_i \rangle + a_0), \quad
    \log \lambda_k = b_k + \langle w, [l, o] \rangle + c \sum_j p_j \bar v_j

with x the item's numbers, :math:`\bar v_j` the mean over what was heard at rate j of `listening_history.RATES`, p
shares that sum to 1, l what else outlasts a session (`Features.lasting`), and o what was done with the last item. What
is told of item i is :math:`c v_i`: the log of how many times as soon those are back who hear nothing else, beside those
for whom v is 0. That v has ends is what matters: an agent may play nothing but the items that lie furthest out along a,
of whose content a mean would tell no end of good.

Source: proportional hazards, Cox 1972, constant on pieces, Friedman 1982; time to return as what is censored, Kvamme
and Borgan 2021; a sum of bounded effects of what was heard, RecSim's long-term satisfaction (Ie et al. 2019).
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Float32, Int, Int32
from scipy.optimize import minimize

from urep_jax.data.listening_history import RATES, KnownItems, outlasting
from urep_jax.data.response_windows import ResponseWindows, told_once, window_features
from urep_jax.losses.time_until import time_until
from urep_jax.models.response_model import ReturnLine
from urep_jax.simulation.satisfaction.logs import Log
from urep_jax.training.response import done_of

STEPS = 500
"""Of the quasi-Newton method that learns it, at most; of a simulated world it takes some hundred."""

_SPREADS = {"line": 0.3, "content": 1.0, "bias": 1.0, "gain": 1.0, "shares": 1.0}
"""Standard deviation of what is learnt, as far as is known before: a prior. What is read is of variance 1, so that 0.3
in w is a third more or less of the hazard for what is unusual. Of b nothing is known."""

_LEAST_SPREAD = 1e-4
"""Of a number that tells something; one that hardly varies is left as it is, and learns nothing."""


class _Told(NamedTuple):
    """What is learnt from: all events, and the ends of sessions."""

    item_TxU: Int32[Array, "T U"]
    stays_TxUxJ: Float32[Array, "T U J"]
    row_E: Int[Array, "E"]
    event_E: Int[Array, "E"]
    numbers_ExX: Float32[Array, "E X"]
    days_away_E: Float32[Array, "E"]
    came_back_E: Bool[Array, "E"]


def learn_returns(
    log: Log, windows: ResponseWindows, items: KnownItems, days: tuple[float, ...]
) -> tuple[KnownItems, ReturnLine]:
    """Learn how soon listeners are back: what is most likely after all that was seen.

    A listener who wasn't back when the log ended counts with the time that is known to have passed.

    Args:
        log: whose listeners tell of it.
        windows: of this log.
        items: what is known of items before.
        days: edges between the pieces of time away, as of `ResponseConfig`.

    Returns:
        What is known of the items, with how soon each brings back; and the line, of what is seen with these.

    Raises:
        ValueError: if nobody is known to have come back.
    """
    items = items._replace(brings_back=jnp.zeros_like(items.brings_back))
    row_E, event_E, lasting_ExY, done_ExO, days_away_E, came_back_E = _ends(windows, items)
    if not came_back_E.any():
        raise ValueError(
            f"of {len(came_back_E)} sessions that end in the log nobody came back, which tells nothing of how soon "
            "listeners do; take a longer log, or more listeners"
        )
    numbers_ExX = np.concatenate([lasting_ExY, done_ExO], axis=1).astype(np.float64)
    mean_X, scale_X = numbers_ExX.mean(0), numbers_ExX.std(0)
    scale_X = np.where(scale_X < _LEAST_SPREAD, np.inf, scale_X)
    stays_UxTxJ = outlasting(jnp.asarray(log.ratio) * items.minutes[log.item])
    # Where there is no event a mean stays as it is.
    stays_UxTxJ = jnp.where(jnp.asarray(log.is_there)[..., None], stays_UxTxJ, 1.0)
    numbers_ExX = ((numbers_ExX - mean_X) / scale_X).astype(np.float32)
    ends = (row_E, event_E, numbers_ExX, days_away_E, came_back_E)
    told = _Told(jnp.asarray(log.item).T, jnp.moveaxis(stays_UxTxJ, 1, 0), *map(jnp.asarray, ends))
    first = {
        "content": jnp.zeros(items.numbers.shape[1]),
        "bias": jnp.float32(0),
        "gain": jnp.float32(1),
        "shares": jnp.zeros(len(RATES)),
        "line": jnp.zeros(len(mean_X)),
        "pieces": jnp.zeros(len(days) - 1),
    }
    learnt = _learnt(first, told, items.numbers, days)
    slope_X = np.asarray(learnt["line"]) / scale_X
    pieces_K = learnt["pieces"] - float(slope_X @ mean_X)
    # Means of how soon items bring back are the last of what lasts, and were 0 until now.
    last = lasting_ExY.shape[1]
    slope_X[last - len(RATES) : last] = jax.nn.softmax(learnt["shares"])
    known = items._replace(brings_back=learnt["gain"] * _number(learnt, items.numbers))
    return known, ReturnLine(jnp.asarray(slope_X, jnp.float32), pieces_K)


def _ends(windows: ResponseWindows, items: KnownItems) -> list[np.ndarray]:
    """Of each session's end: row, event, what lasts, what was done, days away, and whether the listener was back."""
    see = jax.jit(lambda batch: (window_features(batch, items).lasting, done_of(batch, items)))
    parts = []
    for step in range(windows.steps_per_epoch):
        batch = jax.tree.map(jnp.asarray, windows[step])
        row_B, event_BxR = windows.events_of(step)
        row_BxR = np.broadcast_to(row_B[:, None], event_BxR.shape)
        of, is_end_BxR = batch.outcome, np.asarray(told_once(batch) & batch.outcome.session_over)
        found = (row_BxR, event_BxR, *see(batch), of.days_away, of.came_back)
        parts.append([np.asarray(x)[is_end_BxR] for x in found])
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def _number(params: Any, numbers_VxF: Float32[Array, "V F"]) -> Float32[Array, "V"]:
    """Each item's v, -1 to 1."""
    return jnp.tanh(numbers_VxF @ params["content"] + params["bias"])


@partial(jax.jit, static_argnames="days")
def _loss_and_gradient(
    params: Any, told: _Told, numbers_VxF: jax.Array, days: tuple[float, ...]
) -> tuple[Float[Array, ""], Any]:
    def loss(params: Any) -> jax.Array:
        number_TxU = _number(params, numbers_VxF)[told.item_TxU]

        def event(mean_UxJ: jax.Array, of: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            number_U, stays_UxJ = of
            return stays_UxJ * mean_UxJ + (1 - stays_UxJ) * number_U[:, None], mean_UxJ

        nothing_UxJ = jnp.zeros(told.stays_TxUxJ.shape[1:])
        _, before_TxUxJ = jax.lax.scan(event, nothing_UxJ, (number_TxU, told.stays_TxUxJ))
        brought_E = before_TxUxJ[told.event_E, told.row_E] @ jax.nn.softmax(params["shares"])
        line_E = told.numbers_ExX @ params["line"] + params["gain"] * brought_E
        off_E = time_until(line_E[:, None] + params["pieces"], told.days_away_E, told.came_back_E, days)
        unlikely = sum(jnp.sum((params[name] / spread) ** 2) / 2 for name, spread in _SPREADS.items())
        return jnp.mean(off_E) + unlikely / len(off_E)

    return jax.value_and_grad(loss)(params)


def _learnt(first: Any, told: _Told, numbers_VxF: jax.Array, days: tuple[float, ...]) -> Any:
    start, whole = ravel_pytree(first)

    def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        loss, gradient = _loss_and_gradient(whole(jnp.asarray(flat, jnp.float32)), told, numbers_VxF, days)
        return float(loss), np.asarray(ravel_pytree(gradient)[0], np.float64)

    found = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    return whole(jnp.asarray(found.x, jnp.float32))
