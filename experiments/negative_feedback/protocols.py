"""What is asked of a model, in validation and in the test, by the kind of question that a split makes."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from urep_jax.baselines.item_counts import training_counts
from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases, Split
from urep_jax.data.log import EventLog
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.coverage import coverage
from urep_jax.evaluation.full_ranking import full_ranking
from urep_jax.evaluation.item_popularity import by_popularity, recommended_popularity
from urep_jax.evaluation.kinds_of_users import users_with_only
from urep_jax.evaluation.next_item import next_item
from urep_jax.evaluation.pairs import pair_accuracy
from urep_jax.evaluation.random_pairs import random_pair_accuracy
from urep_jax.evaluation.scorer import Scorer

Results = dict[str, ByUser]
"""What one model was seen to do, by metric."""


class Questions(NamedTuple):
    """What a scorer is bound to, and what of the log the metrics need besides."""

    log: EventLog
    cases: Cases
    ups: Int[np.ndarray, "V"]
    """Training ups of each item."""
    seed: int
    """Of random candidates."""

    @classmethod
    def of(cls, log: EventLog, split: Split, cases: Cases, seed: int) -> "Questions":
        """The questions of one part of a split."""
        return cls(log, cases, training_counts(log, split)[Feedback.UP], seed)


class Protocol(NamedTuple):
    """An evaluation.

    Attributes:
        metric: of `test`, by which epochs are compared and models are.
        title: what a person is told of it.
        validate: its value for a model.
        test: all that is told of a model.
    """

    metric: str
    title: str
    validate: Callable[[Scorer, EventLog, Cases], float]
    test: Callable[[Scorer, Questions], Results]


def _test_pairs(scorer: Scorer, asked: Questions) -> Results:
    log, cases, ups_V, seed = asked
    buckets = by_popularity(scorer, log, cases, ups_V)
    return {
        "pair_accuracy": pair_accuracy(scorer, cases),
        "random_pair_accuracy": random_pair_accuracy(scorer, log, cases, seed=seed),
        **full_ranking(scorer, log, cases),
        # An interval wants two users.
        **{name: result for name, result in buckets.items() if len(result.user) > 1},
        "recommended_popularity": recommended_popularity(scorer, log, cases, ups_V),
    }


def _test_next_item(scorer: Scorer, asked: Questions) -> Results:
    log, cases, ups_V, _ = asked
    popularity = recommended_popularity(scorer, log, cases, ups_V)
    return {**next_item(scorer, log, cases), "recommended_popularity": popularity}


_PROTOCOLS = {
    "pairs": Protocol(
        "pair_accuracy",
        "pair accuracy",
        lambda scorer, log, cases: pair_accuracy(scorer, cases).value,
        _test_pairs,
    ),
    "next_item": Protocol(
        "ndcg@10",
        "NDCG@10",
        lambda scorer, log, cases: next_item(scorer, log, cases)["ndcg@10"].value,
        _test_next_item,
    ),
}


def protocol_of(name: str) -> Protocol:
    """The protocol that a data set's config names: `pairs`, the paper's (§4), or `next_item`.

    Raises:
        ValueError: if there is none of that name.
    """
    if name not in _PROTOCOLS:
        raise ValueError(f"data.protocol is {name!r}, but must be one of {', '.join(_PROTOCOLS)}")
    return _PROTOCOLS[name]


def reach(log: EventLog, split: Split, accuracy: ByUser) -> Results:
    """Whom more inputs let a model serve (§5.1), and how it serves those of whom it knows no up (§5.3).

    Args:
        log: the log.
        split: of the log.
        accuracy: the model's pair accuracy on the test cases.
    """
    choices = (("up",), ("up", "down"), ("up", "skip"), ("up", "down", "skip"))
    results = {f"coverage/{'_'.join(inputs)}": coverage(log, split, inputs) for inputs in choices}
    for feedback in (Feedback.SKIP, Feedback.DOWN):
        only = accuracy.among(users_with_only(log, split.test, feedback))
        # An interval wants two users.
        if len(only.user) > 1:
            results[f"pair_accuracy/{feedback.word}_only"] = only
    return results
