"""What is known of a user as one row of numbers, a signed one for each item; and models that are linear in it."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int, Shaped
from scipy.sparse import csr_array

from urep_jax.baselines.item_counts import negative_kind, training_counts
from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases, Split
from urep_jax.data.log import EventLog
from urep_jax.data.ragged import ranges
from urep_jax.evaluation.scorer import Scorer, ScorerFactory, catalogue_scorer

Signs = Mapping[Feedback, float]
"""What an event of each feedback says of its item, from -1, disliked, to 1, liked. Feedback that isn't there says
nothing, which is not the same as 0."""


def signs_of(log: EventLog, split: Split) -> Signs:
    """1 for an up and -1 for a down; skips stand in for downs where training holds no down at all."""
    return {Feedback.UP: 1.0, negative_kind(training_counts(log, split)): -1.0}


def training_histories(log: EventLog, split: Split, signs: Signs) -> csr_array:
    """The training events of each training sequence as a matrix of U x V: see `histories`."""
    return histories(log, split.start[split.train], split.stop[split.train], signs)


def histories(log: EventLog, start: Int[np.ndarray, "U"], stop: Int[np.ndarray, "U"], signs: Signs) -> csr_array:
    """What ranges of events say of each item, by the latest event of it that says anything.

    Args:
        log: the log.
        start: first event of each range, a flat index.
        stop: one past the last.
        signs: what an event says.

    Returns:
        A matrix of U x V, float32, with an entry, be it 0, for each item that something is said of.
    """
    latest = latest_events(log, start, stop, signs)
    value_F = np.zeros(len(Feedback), np.float32)
    for feedback, sign in signs.items():
        value_F[feedback] = sign
    return csr_array((value_F[log.feedback[latest.data]], latest.indices, latest.indptr), shape=latest.shape)


def latest_events(log: EventLog, start: Int[np.ndarray, "U"], stop: Int[np.ndarray, "U"], signs: Signs) -> csr_array:
    """The events of which `histories` tells.

    Args:
        log: the log.
        start: first event of each range, a flat index.
        stop: one past the last.
        signs: what an event says; those that say nothing are passed over.

    Returns:
        A matrix of U x V, int64: the flat index of each item's latest event that says something, be it 0.
    """
    says_F = np.zeros(len(Feedback), bool)
    says_F[list(signs)] = True
    event = ranges(start, stop)
    row = np.repeat(np.arange(len(start)), np.asarray(stop) - start)
    says = says_F[log.feedback[event]]
    cell, event = (row[says] * log.num_items + log.item[event[says]])[::-1], event[says][::-1]
    cell, latest = np.unique(cell, return_index=True)
    return csr_array((event[latest], np.divmod(cell, max(1, log.num_items))), shape=(len(start), log.num_items))


def item_to_item(weights: Shaped[np.ndarray, "V V"] | csr_array, signs: Signs) -> ScorerFactory:
    """Scores that are a sum over what is known of a user: `score_v = sum_w sign_w weights[w, v]`."""

    def bind(log: EventLog, cases: Cases) -> Scorer:
        def catalogue(rows_B: np.ndarray, items: slice) -> np.ndarray:
            scores = histories(log, cases.start[rows_B], cases.stop[rows_B], signs) @ weights[:, items]
            return np.asarray(scores.toarray() if isinstance(scores, csr_array) else scores, np.float32)

        return catalogue_scorer(catalogue)

    return bind
