"""What is commonly taken for satisfaction, of each event of a log, with that event among what is counted."""

import numpy as np
from jaxtyping import Float32, Float64

from urep_jax.core.types import Feedback
from urep_jax.simulation.satisfaction.logs import Log
from urep_jax.simulation.satisfaction.mechanisms import DAYS_PER_WEEK, HOURS_PER_DAY


def ups_less_skips(log: Log) -> Float64[np.ndarray, "U T"]:
    """Ups less skips and downs as a share of what was offered in the session so far, -1 to 1."""
    sign = np.zeros(max(Feedback) + 1)
    sign[Feedback.UP], sign[[Feedback.SKIP, Feedback.DOWN]] = 1.0, -1.0
    sign_UxT = sign[log.feedback] * log.is_there
    total_UxT = np.cumsum(sign_UxT, axis=1)
    first_UxT = np.maximum(np.arange(log.item.shape[1]) - log.place, 0)
    before_UxT = np.take_along_axis(total_UxT - sign_UxT, first_UxT, axis=1)
    return (total_UxT - before_UxT) / (log.place + 1)


def minutes_of_a_week(log: Log, minutes: Float32[np.ndarray, "V"]) -> Float64[np.ndarray, "U T"]:
    """Minutes that were heard in the seven days until the event was over.

    Args:
        log: the log.
        minutes: length of each item.
    """
    heard_UxT = np.where(log.is_there, log.ratio * minutes[log.item], 0.0).astype(np.float64)
    total_UxT = np.cumsum(heard_UxT, axis=1)
    week = np.zeros_like(total_UxT)
    for row in range(len(week)):
        count = int(log.is_there[row].sum())
        since = log.hours[row, :count] - HOURS_PER_DAY * DAYS_PER_WEEK
        first = np.searchsorted(log.hours[row, :count], since, side="right")
        week[row, :count] = total_UxT[row, :count] - (total_UxT[row] - heard_UxT[row])[first]
    return week
