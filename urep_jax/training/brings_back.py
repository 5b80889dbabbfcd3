r"""How soon each item brings listeners back, as far as logs tell by its content.

What is heard moves listeners over weeks, and the last item is not what brings them back. So the hazard of coming back
after a session is told by slow means over all that was heard before, of a number v that is learnt with it:

.. math::
    v_i = \tanh(\langle a, x_i \rangle + a_0), \quad
    \log \lambda_k = b_k + \langle w, l \rangle + \sum_j c_j \bar v_j

with x the item's numbers, :math:`\bar v_j` the mean over what was heard at rate j of `listening_history.RATES`, and l
what else outlasts a session (`Features.lasting`). What is told of item i is :math:`v_i \sum_j c_j`: the log of how many
times as soon those are back who hear nothing else, beside those for whom v is 0. That v has ends is what matters: an
agent may play nothing but the items that lie furthest out along a, of whose content a mean would tell no end of good.

Source: proportional hazards, Cox 1972; a sum of bounded effects of what was consumed is RecSim's long-term satisfaction
(Ie et al. 2019).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Float32, Int, Int32
from scipy.optimize import minimize

from urep_jax.core.types import RESPONSES
from urep_jax.data.listening_history import RATES, Features, KnownItems, outlasting
from urep_jax.data.response_windows import ResponseWindows, Windows, told_once, window_features
from urep_jax.losses.time_until import time_until
from urep_jax.models.response_model import DAYS
from urep_jax.simulation.satisfaction.logs import Log

STEPS = 500
"""Of the quasi-Newton method that learns it, at most; of a simulated world it takes some hundred."""

_PENALTY = 1e-4
"""Of the squares of all that is learnt but b, whose numbers are of variance 1."""


class Ends(NamedTuple):
    """The ends of a log's sessions.

    Attributes:
        row: of the log.
        event: the last of the session.
        numbers: l, of mean 0 and variance 1, and what was done with the last item.
        days_away: until the next session, or that have passed without one.
        came_back: whether there was one.
    """

    row: Int[np.ndarray, "E"]
    event: Int[np.ndarray, "E"]
    numbers: Float32[np.ndarray, "E X"]
    days_away: Float32[np.ndarray, "E"]
    came_back: Bool[np.ndarray, "E"]


def brings_back(log: Log, windows: ResponseWindows, items: KnownItems) -> KnownItems:
    """What is known of the items, with how soon each brings listeners back.

    Args:
        log: whose listeners tell of it.
        windows: of this log.
        items: what is known of them before.
    """
    ends = _ends(windows, items)
    numbers_VxF = items.numbers
    stays_UxTxJ = outlasting(jnp.asarray(log.ratio) * items.minutes[log.item])
    # Where there is no event a mean stays as it is.
    stays_UxTxJ = jnp.where(log.is_there[..., None], stays_UxTxJ, 1.0)
    told = _Told(jnp.asarray(log.item.T), jnp.moveaxis(stays_UxTxJ, 1, 0), *jax.tree.map(jnp.asarray, ends))
    first = {
        "content": jnp.zeros(numbers_VxF.shape[1]),
        "bias": jnp.float32(0),
        "means": jnp.ones(len(RATES)),
        "line": jnp.zeros(ends.numbers.shape[1]),
        "pieces": jnp.zeros(len(DAYS) - 1),
    }
    learnt = _learnt(first, told, numbers_VxF)
    return items._replace(brings_back=learnt["means"].sum() * _number(learnt, numbers_VxF))


class _Told(NamedTuple):
    item_TxU: Int32[Array, "T U"]
    stays_TxUxJ: Float32[Array, "T U J"]
    row_E: Int[Array, "E"]
    event_E: Int[Array, "E"]
    numbers_ExX: Float32[Array, "E X"]
    days_away_E: Float32[Array, "E"]
    came_back_E: Bool[Array, "E"]


def _ends(windows: ResponseWindows, items: KnownItems) -> Ends:
    see = jax.jit(lambda batch: window_features(batch, items))
    parts = []
    for step in range(windows.steps_per_epoch):
        batch: Windows = jax.tree.map(jnp.asarray, windows[step])
        seen: Features = see(batch)
        row_B, event_BxR = windows.events_of(step)
        of, is_end_BxR = batch.outcome, np.asarray(told_once(batch) & batch.outcome.session_over)
        done = of.feedback[..., None] == jnp.array(RESPONSES)
        numbers_BxRxX = jnp.concatenate([seen.lasting, done.astype(jnp.float32), of.ratio[..., None]], axis=-1)
        row_BxR = np.broadcast_to(row_B[:, None], event_BxR.shape)
        parts.append(
            [np.asarray(x)[is_end_BxR] for x in (row_BxR, event_BxR, numbers_BxRxX, of.days_away, of.came_back)]
        )
    row, event, numbers, days_away, came_back = (np.concatenate(part) for part in zip(*parts, strict=True))
    numbers = (numbers - numbers.mean(0)) / np.maximum(numbers.std(0), 1e-6)
    return Ends(row, event, numbers, days_away, came_back)


def _number(params: Any, numbers_VxF: Float32[Array, "V F"]) -> Float32[Array, "V"]:
    return jnp.tanh(numbers_VxF @ params["content"] + params["bias"])


@jax.jit
def _loss_and_gradient(params: Any, told: _Told, numbers_VxF: jax.Array) -> tuple[Float[Array, ""], Any]:
    def loss(params: Any) -> jax.Array:
        number_TxU = _number(params, numbers_VxF)[told.item_TxU]

        def event(mean_UxJ: jax.Array, of: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            number_U, stays_UxJ = of
            return stays_UxJ * mean_UxJ + (1 - stays_UxJ) * number_U[:, None], mean_UxJ

        nothing_UxJ = jnp.zeros(told.stays_TxUxJ.shape[1:])
        _, before_TxUxJ = jax.lax.scan(event, nothing_UxJ, (number_TxU, told.stays_TxUxJ))
        brought_ExJ = before_TxUxJ[told.event_E, told.row_E]
        line_E = told.numbers_ExX @ params["line"] + brought_ExJ @ params["means"]
        off_E = time_until(line_E[:, None] + params["pieces"], told.days_away_E, told.came_back_E, DAYS)
        weighed = {name: x for name, x in params.items() if name != "pieces"}
        return jnp.mean(off_E) + _PENALTY * optax.tree.norm(weighed, squared=True)

    return jax.value_and_grad(loss)(params)


def _learnt(first: Any, told: _Told, numbers_VxF: jax.Array) -> Any:
    start, whole = ravel_pytree(first)

    def value_and_gradient(flat: np.ndarray) -> tuple[float, np.ndarray]:
        loss, gradient = _loss_and_gradient(whole(jnp.asarray(flat, jnp.float32)), told, numbers_VxF)
        return float(loss), np.asarray(ravel_pytree(gradient)[0], np.float64)

    found = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    return whole(jnp.asarray(found.x, jnp.float32))
