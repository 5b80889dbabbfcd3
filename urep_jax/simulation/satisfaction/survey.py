"""A survey: at the end of some sessions listeners are asked whether they are satisfied, and answer yes or no."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int64

from urep_jax.simulation.ranges import require
from urep_jax.simulation.satisfaction.logs import Log, Unseen


class Answers(NamedTuple):
    """What `N` times was answered.

    Attributes:
        row: of the log, who was asked.
        event: after which one, the last of a session.
        is_satisfied: the answer.
    """

    row: Int64[np.ndarray, "N"]
    event: Int64[np.ndarray, "N"]
    is_satisfied: Bool[np.ndarray, "N"]


def survey(rng: np.random.Generator, log: Log, unseen: Unseen, share: float) -> Answers:
    """Ask at the end of a share of the sessions; who is satisfied by s says yes with chance s.

    Args:
        rng: decides who is asked, and what is answered.
        log: the log.
        unseen: what no service sees, as `write_log` gives it; the answers are all that comes out of it.
        share: of the sessions that ended, 0 to 1.

    Raises:
        ValueError: if the share is out of range.
    """
    require(0 <= share <= 1, f"share is {share}, but must lie between 0 and 1; set it within")
    row_N, event_N = np.nonzero(log.session_over)
    is_asked_N = rng.uniform(size=len(row_N)) < share
    row_N, event_N = row_N[is_asked_N], event_N[is_asked_N]
    is_yes_N = rng.uniform(size=len(row_N)) < np.asarray(unseen.satisfaction)[row_N, event_N]
    return Answers(row_N, event_N, is_yes_N)
