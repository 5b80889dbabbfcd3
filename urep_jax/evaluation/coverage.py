"""Whom a model can serve at all: the users whose feedback it can read."""

from collections.abc import Sequence

import numpy as np

from urep_jax.core.types import Feedback
from urep_jax.data.cases import Split
from urep_jax.data.log import EventLog
from urep_jax.data.ragged import running_count
from urep_jax.evaluation.by_user import ByUser


def coverage(log: EventLog, split: Split, inputs: Sequence[str]) -> ByUser:
    """The share of all users whose past holds at least one event that a model with these inputs reads.

    A user's value is 1 or 0. Users are the sequences that hold any event of the training period, of whatever kind and
    whether they train or are held out.

    Args:
        log: the log.
        split: what its training period is.
        inputs: feedback words that the model reads.

    Source: Negative Feedback for Music Personalization, §2 and §5.1.

    Raises:
        ValueError: if an input is no feedback word.
    """
    codes = [Feedback.from_word(word) for word in inputs]
    usable_E = running_count(np.isin(log.feedback, codes))
    user = np.flatnonzero(split.stop > split.start)
    usable_U = usable_E[split.stop[user]] - usable_E[split.start[user]]
    return ByUser(user, (usable_U > 0).astype(np.float64))
