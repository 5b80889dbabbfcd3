"""What users listen to next, in aggregate: pairs to be told apart, and how well they are."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int, Int64

from urep_jax.core.types import LISTENED
from urep_jax.data.labelled_pairs import LabelledPairs
from urep_jax.data.log import EventLog
from urep_jax.data.others import nth_other
from urep_jax.data.ragged import offsets_of, ranges
from urep_jax.data.user_features.windows import events_before
from urep_jax.evaluation.by_user import ByUser
from urep_jax.metrics.auc import pair_auc
from urep_jax.metrics.group_mean import GroupMean


def future_pairs(
    log: EventLog,
    user: Int[np.ndarray, "N"],
    time: Int64[np.ndarray, "N"],
    seconds: int,
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
        seconds: for how long, at least 1.
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
    for name, value in (("seconds", seconds), ("most", most)):
        if value < 1:
            raise ValueError(f"{name} is {value}, but must be at least 1")
    start_N, stop_N = events_before(log, user, time), events_before(log, user, time + seconds)
    event_E = ranges(start_N, stop_N)
    row_E, item_E = np.repeat(np.arange(len(user)), stop_N - start_N), np.asarray(log.item[event_E])
    counts_E = np.isin(log.feedback[event_E], LISTENED)
    if where is not None:
        counts_E &= where[item_E]
    width = max(log.num_items, 1)
    row_P, item_P = np.divmod(np.unique(row_E[counts_E].astype(np.int64) * width + item_E[counts_E]), width)
    pool = np.unique(item_P)
    chosen = _at_most(row_P, len(user), most, rng)
    negative_P = _others(row_P, np.searchsorted(pool, item_P), chosen, len(user), len(pool), rng)
    has = negative_P >= 0
    row_Q, item_Q = row_P[chosen][has], item_P[chosen][has]
    is_positive_P = np.arange(2 * len(row_Q)) < len(row_Q)
    return LabelledPairs(np.tile(row_Q, 2), np.append(item_Q, pool[negative_P[has]]), is_positive_P)


def _at_most(row_P: np.ndarray, num_rows: int, most: int, rng: np.random.Generator) -> Int64[np.ndarray, "Q"]:
    """Places of at most `most` entries of each row, chosen at random; rows are sorted."""
    order = np.lexsort((rng.random(len(row_P)), row_P))
    first_N = offsets_of(np.bincount(row_P, minlength=num_rows))[:-1]
    return np.sort(order[np.arange(len(row_P)) - first_N[row_P] < most])


def _others(
    row_P: np.ndarray, item_P: np.ndarray, chosen: np.ndarray, num_rows: int, pool: int, rng: np.random.Generator
) -> Int64[np.ndarray, "Q"]:
    """For each chosen entry an item from 0 to `pool` that its row doesn't hold, uniformly; -1 if it holds all.

    Args:
        row_P: sorted rows.
        item_P: sorted in each row.
        chosen: places of entries.
        num_rows: how many rows there are.
        pool: how many items there are.
        rng: draws.
    """
    row_Q = row_P[chosen]
    free_Q = pool - np.bincount(row_P, minlength=num_rows)[row_Q]
    n_Q = (rng.random(len(row_Q)) * free_Q).astype(np.int64)
    return np.where(free_Q > 0, nth_other(row_P, item_P, row_Q, n_Q, num_rows, pool), -1)


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
