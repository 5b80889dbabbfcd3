"""Users by the feedback that a model reads of them: only skips, only downs, or some share of ups."""

import numpy as np
from jaxtyping import Float64, Int, Int64

from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases
from urep_jax.data.log import EventLog
from urep_jax.data.ragged import running_count

_READ = (Feedback.UP, Feedback.DOWN, Feedback.SKIP)


def past_feedback(log: EventLog, cases: Cases) -> tuple[Int[np.ndarray, "U"], Int64[np.ndarray, "U 3"]]:
    """How many ups, downs and skips there are in what is known of each user who is asked about.

    Where a user's cases know differently much, the first case counts.

    Returns:
        Sequence numbers, ascending, and the counts.
    """
    user_U, first_U = np.unique(cases.sequence, return_index=True)
    start_U, stop_U = cases.start[first_U], cases.stop[first_U]
    counts = []
    for feedback in _READ:
        before_E = running_count(np.asarray(log.feedback) == feedback)
        counts.append(before_E[stop_U] - before_E[start_U])
    return user_U, np.stack(counts, axis=1)


def users_with_only(log: EventLog, cases: Cases, feedback: Feedback) -> Int[np.ndarray, "U"]:
    """The users of whom nothing but this feedback is known, plays aside.

    They have no up to learn from, so no model was trained on them.

    Source: Negative Feedback for Music Personalization, §2 and §5.3.
    """
    user_U, counts_Ux3 = past_feedback(log, cases)
    is_this_3 = np.array([kind == feedback for kind in _READ])
    return user_U[(counts_Ux3[:, is_this_3] > 0).any(1) & (counts_Ux3[:, ~is_this_3] == 0).all(1)]


def positive_shares(log: EventLog, cases: Cases) -> tuple[Int[np.ndarray, "U"], Float64[np.ndarray, "U"]]:
    """The share of ups, 0 to 1, among the ups, downs and skips that are known of each user (Fig. 4).

    Users of whom none is known are left out.

    Source: Negative Feedback for Music Personalization, §5.3.
    """
    user_U, counts_Ux3 = past_feedback(log, cases)
    total_U = counts_Ux3.sum(1)
    known_U = total_U > 0
    return user_U[known_U], counts_Ux3[known_U, _READ.index(Feedback.UP)] / total_U[known_U]
