"""How soon a response model says that listeners return, on its own logs: past that, nothing of it has been seen.

What an agent does moves listeners to where no log has been. There a model goes on as it did, and a diet of one kind
alone seems to bring them back within the hour. So hazards are held within the range of most that it says of its logs.

Source: support constraints of offline reinforcement learning, as in Fujimoto et al. 2019, "Off-policy deep
reinforcement learning without exploration"; that it is what is said that is held, not what is chosen, is ours.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32

from urep_jax.data.listening_history import KnownItems
from urep_jax.data.response_windows import ResponseWindows, Windows, told_once
from urep_jax.models.response_model import After, ResponseConfig
from urep_jax.training.response import predict

SHARE = 0.9
"""Of what is said of the logs, the middle part that is kept as it is."""


class Range(NamedTuple):
    """The range of the log hazard on each piece of `ResponseConfig.days`.

    Attributes:
        low: where it begins.
        high: where it ends.
    """

    low: Float32[Array, "K"]
    high: Float32[Array, "K"]


def range_of_returns(
    params: Any, windows: ResponseWindows, items: KnownItems, model: ResponseConfig, share: float = SHARE
) -> Range:
    """Between which quantiles of log hazards lies the middle part of what is said at the ends of sessions.

    Args:
        params: of the model.
        windows: of the logs that it has learnt from.
        items: what is known of items.
        model: size of the model.
        share: of it, above 0 and at most 1; 1: all that is said.

    Raises:
        ValueError: if `share` is out of range.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}, but must lie above 0 and be at most 1; set it within")
    said = []
    for number in range(windows.steps_per_epoch):
        batch = jax.tree.map(jnp.asarray, windows[number])
        log_hazard_BxRxK, is_end_BxR = jax.device_get(_said(params, batch, items, model))
        said.append(log_hazard_BxRxK[is_end_BxR])
    low_K, high_K = np.quantile(np.concatenate(said), ((1 - share) / 2, (1 + share) / 2), axis=0)
    return Range(jnp.asarray(low_K, jnp.float32), jnp.asarray(high_K, jnp.float32))


def held(after: After, within: Range) -> After:
    """What is said to follow, with hazards that lie in a range."""
    return after._replace(log_hazard=jnp.clip(after.log_hazard, within.low, within.high))


@partial(jax.jit, static_argnames="model")
def _said(params: Any, batch: Windows, items: KnownItems, model: ResponseConfig) -> tuple[jax.Array, jax.Array]:
    _, after = predict(params, batch, items, model)
    return after.log_hazard, told_once(batch) & batch.outcome.session_over
