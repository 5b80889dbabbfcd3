"""What users listen to next, in aggregate: pairs to be told apart, and how well they are."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int, Int64
from scipy.sparse import csr_array

from urep_jax.core.types import LISTENED
from urep_jax.data.labelled_pairs import LabelledPairs
from urep_jax.data.log import EventLog
from urep_jax.data.others import with_others
from urep_jax.data.ragged import ranges
from urep_jax.data.user_features.windows import events_before
from urep_jax.evaluation.by_user import ByUser
from urep_jax.metrics.auc import pair_auc
from urep_jax.metrics.group_mean import GroupMean


def future_pairs(
    log: EventLog,
    user: Int[np.ndarray, "N"],
    time: Int64[np.ndarray, "N"],
    seconds: int | Int64[np.ndarray, "N"],
    rng: np.random.Generator,
    *,
    most: int = 50,
    where: Bool[np.ndarray, "V"] | None = None,
) -> LabelledPairs:
    """Items that users listen to in the `seconds` from a moment on, and as many that they don't.

    An item counts once, however often it is played; skips and downs don't count. Negatives are drawn uniformly from
    the items that anybody asked about here listens to in that time, other than the user's own; a user who listens to
    all of them has none, and no pairs.

    Args:
        log: the log.
        user: its numbers of users.
        time: from when on, for each of them; seconds since 1970, UTC.
        seconds: for how long, at least 1; one number, or one for each moment.
        rng: draws negatives, and items of users who have more than `most`.
        most: items of a user that are asked about, at least 1.
        where: which items may be asked about; all of them by default.

    Returns:
        Pairs of rows of `user` and of items; each user's have as many negatives as positives.

    Source:
        Generalized User Representations, §5.1.1.

    Raises:
        ValueError: if a number is out of range.
    """
    row_E, item_E = _listened(log, user, time, seconds, where)
    return with_others(row_E, item_E, len(user), rng, most=most)


def future_items(
    log: EventLog,
    user: Int[np.ndarray, "N"],
    time: Int64[np.ndarray, "N"],
    seconds: int | Int64[np.ndarray, "N"],
    *,
    where: Bool[np.ndarray, "V"] | None = None,
) -> csr_array:
    """All items that users listen to in the `seconds` from a moment on.

    Args:
        log: the log.
        user: its numbers of users.
        time: from when on, for each of them; seconds since 1970, UTC.
        seconds: for how long, at least 1; one number, or one for each moment.
        where: which items count; all of them by default.

    Returns:
        N x V of 0 and 1, float32.

    Raises:
        ValueError: if `seconds` is below 1.
    """
    row_E, item_E = _listened(log, user, time, seconds, where)
    shape = (len(user), log.num_items)
    listened = csr_array((np.ones(len(row_E), np.float32), (row_E, item_E)), shape=shape)
    listened.sum_duplicates()
    listened.data[:] = 1.0
    return listened


def _listened(
    log: EventLog,
    user: Int[np.ndarray, "N"],
    time: Int64[np.ndarray, "N"],
    seconds: int | Int64[np.ndarray, "N"],
    where: Bool[np.ndarray, "V"] | None,
) -> tuple[Int64[np.ndarray, "E"], Int[np.ndarray, "E"]]:
    """Row and item of each listening; skips and downs are none."""
    if np.any(np.asarray(seconds) < 1):
        raise ValueError(f"seconds is {np.min(seconds)}, but must be at least 1")
    start_N, stop_N = events_before(log, user, time), events_before(log, user, time + seconds)
    event_E = ranges(start_N, stop_N)
    row_E, item_E = np.repeat(np.arange(len(user)), stop_N - start_N), np.asarray(log.item[event_E])
    counts_E = np.isin(log.feedback[event_E], LISTENED)
    if where is not None:
        counts_E &= where[item_E]
    return row_E[counts_E], item_E[counts_E]


def told_apart(
    log_odds: Float[np.ndarray, "P"], pairs: LabelledPairs, user: Int[np.ndarray, "N"]
) -> Mapping[str, ByUser]:
    """How well pairs are told apart: `accuracy` (right at odds of 1) and `auc`, of each user, then averaged over users.

    Args:
        log_odds: of each pair.
        pairs: of rows of `user`.
        user: the log's numbers of users.

    Raises:
        ValueError: if one of the odds is NaN.
    """
    if np.isnan(log_odds).any():
        raise ValueError("some of the log odds are NaN; they can't be compared")
    # Odds of exactly 1 say nothing: half right.
    right_P = np.where(log_odds == 0, 0.5, (log_odds > 0) == pairs.label)
    accuracy = GroupMean.from_batch(right_P, pairs.user, len(user))
    auc = pair_auc(np.asarray(log_odds), pairs.label, pairs.user, len(user))
    return {"accuracy": ByUser.from_cases(accuracy, user), "auc": ByUser.from_cases(auc, user)}
