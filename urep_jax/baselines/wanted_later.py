"""What forecasts of what is wanted later have to beat, beside popularity: more of the last session."""

import numpy as np
from jaxtyping import Float32, Float64, Int

from urep_jax.data.forecast_questions import is_wanted
from urep_jax.simulation.satisfaction.logs import Log


def last_session(
    log: Log,
    content: Float32[np.ndarray, "V F"],
    row: Int[np.ndarray, "N"],
    moment: Int[np.ndarray, "N"],
) -> Float64[np.ndarray, "N F"]:
    """What was wanted in the last session, less what wasn't: a sum of content, to be multiplied with that of items.

    Args:
        log: the log.
        content: of each item.
        row: of the log, each listener.
        moment: before which event it is asked, at least 1; the session of the event before is the last one.
    """
    sign_UxT = np.where(is_wanted(log.feedback), 1.0, -1.0) * log.is_there
    total_UxTxF = np.cumsum(sign_UxT[..., None] * content[log.item], axis=1)
    last_N = moment - 1
    before_N = last_N - log.place[row, last_N] - 1
    before_NxF = np.where((before_N >= 0)[:, None], total_UxTxF[row, np.maximum(before_N, 0)], 0.0)
    return total_UxTxF[row, last_N] - before_NxF
