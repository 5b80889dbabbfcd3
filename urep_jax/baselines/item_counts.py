"""How often training saw each item with each feedback: what user-independent baselines are made of."""

import numpy as np
from jaxtyping import Int64

from urep_jax.core.types import Feedback
from urep_jax.data.cases import Split
from urep_jax.data.log import EventLog
from urep_jax.data.vocabulary import training_events


def negative_kind(counts: Int64[np.ndarray, "F V"]) -> Feedback:
    """The feedback that says no: the down, or the skip where training holds no down at all.

    Args:
        counts: from `training_counts`.
    """
    return Feedback.DOWN if counts[Feedback.DOWN].any() else Feedback.SKIP


def training_counts(log: EventLog, split: Split) -> Int64[np.ndarray, "F V"]:
    """The number of training events of each feedback (by its code) and item."""
    trained_E = training_events(log, split)
    cell = np.asarray(log.feedback)[trained_E].astype(np.int64) * log.num_items + np.asarray(log.item)[trained_E]
    return np.bincount(cell, minlength=len(Feedback) * log.num_items).reshape(len(Feedback), log.num_items)
