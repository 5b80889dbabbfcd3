"""Popularity: everybody is offered what most were up for."""

import numpy as np

from urep_jax.baselines.item_counts import training_counts
from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases, Split
from urep_jax.data.log import EventLog
from urep_jax.evaluation.scorer import Scorer, ScorerFactory, item_scorer


def popularity(log: EventLog, split: Split) -> ScorerFactory:
    """Score an item by its number of ups among the training events; 0 if training never saw it.

    Downs and skips don't count: they would make a disliked item popular.
    """
    scores_V = training_counts(log, split)[Feedback.UP].astype(np.float32)

    def bind(log: EventLog, cases: Cases) -> Scorer:
        return item_scorer(scores_V)

    return bind
