"""Whether the chances that a response model gives are right: of each head, on logs that it didn't learn from."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from urep_jax.core.hazards import chance_within
from urep_jax.core.types import RESPONSES, Feedback
from urep_jax.data.listening_history import KnownItems
from urep_jax.data.response_windows import ResponseWindows, Windows, told_once
from urep_jax.metrics.calibration import Calibration, equal_mass_edges
from urep_jax.models.response_model import ResponseConfig
from urep_jax.simulation.satisfaction.mechanisms import HOURS_PER_DAY
from urep_jax.training.response import predict

WITHIN_DAYS = (1.0, 2.0, 7.0)
"""Days within which listeners are said to be back."""


def response_calibration(
    params: Any,
    windows: ResponseWindows,
    items: KnownItems,
    model: ResponseConfig,
    window_days: float,
    bins: int = 15,
) -> dict[str, Calibration]:
    """The calibration of each head: `up`, `skip`, `down`, `session_over`, and `back_within_D` for D of `WITHIN_DAYS`.

    Feedback is asked of each event before its outcome is known; the session's end and return are asked given it. Of
    return are asked the ends of sessions at least D days before the log's end, so that the answer is known of all.

    Args:
        params: of the model.
        windows: of the logs.
        items: what is known of items.
        model: size of the model.
        window_days: when the log ends, in days since its beginning.
        bins: of equal mass.
    """
    said: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for number in range(windows.steps_per_epoch):
        batch = jax.tree.map(jnp.asarray, windows[number])
        for name, (chance, happened, where) in jax.device_get(
            _chances(params, batch, items, model, window_days)
        ).items():
            said.setdefault(name, []).append((chance[where], happened[where]))
    whole = {name: [np.concatenate(part) for part in zip(*parts, strict=True)] for name, parts in said.items()}
    return {
        name: Calibration.from_batch(chance, happened, equal_mass_edges(chance, bins))
        for name, (chance, happened) in whole.items()
    }


@partial(jax.jit, static_argnames=("model", "window_days"))
def _chances(
    params: Any, batch: Windows, items: KnownItems, model: ResponseConfig, window_days: float
) -> dict[str, tuple[jax.Array, jax.Array, jax.Array]]:
    """What is said of each event, whether it happened, and where it is asked."""
    response, after = predict(params, batch, items, model)
    of, asked = batch.outcome, told_once(batch)
    chance_BxRx4 = jax.nn.softmax(response.feedback)
    chances = {
        kind.word: (chance_BxRx4[..., place], of.feedback == kind, asked)
        for place, kind in enumerate(RESPONSES)
        if kind is not Feedback.PLAY
    }
    chances["session_over"] = (jax.nn.sigmoid(after.session_over), of.session_over, asked)
    ended_BxR = batch.asked.hours + of.ratio * items.minutes[batch.asked.item] / 60
    for days in WITHIN_DAYS:
        is_known_BxR = asked & of.session_over & (ended_BxR / HOURS_PER_DAY + days < window_days)
        is_back_BxR = of.came_back & (of.days_away <= days)
        chances[f"back_within_{days:g}"] = (
            chance_within(after.log_hazard, days, model.days),
            is_back_BxR,
            is_known_BxR,
        )
    return chances
