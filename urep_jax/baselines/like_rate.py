"""Like-rate: everybody is offered what is mostly liked by those who meet it."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from urep_jax.baselines.item_counts import negative_kind, training_counts
from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases, Split
from urep_jax.data.log import EventLog
from urep_jax.evaluation.scorer import Scorer, ScorerFactory, item_scorer


class LikeRates(NamedTuple):
    """Smoothed shares of ups.

    Attributes:
        items: of each item.
        prior: of the whole catalogue, and so of an item of which nothing is known.
    """

    items: Float32[np.ndarray, "V"]
    prior: float


def like_rates(log: EventLog, split: Split, *, pseudo_count: float = 10.0) -> LikeRates:
    """The share of ups among each item's ups and downs in training, smoothed.

    `rate_v = (ups_v + a * rate) / (ups_v + downs_v + a)`, the mean of a Beta posterior whose prior is worth `a`
    events at the rate of the whole catalogue. Skips stand in for the downs where training holds no down at all.

    Args:
        log: the log.
        split: whose training events count.
        pseudo_count: `a`, above 0.

    Raises:
        ValueError: if `pseudo_count` is not above 0, or training holds neither ups nor downs nor skips.
    """
    if not pseudo_count > 0:
        raise ValueError(f"pseudo_count is {pseudo_count}, but must be above 0")
    counts_FxV = training_counts(log, split)
    ups_V, downs_V = counts_FxV[Feedback.UP], counts_FxV[negative_kind(counts_FxV)]
    total = ups_V.sum() + downs_V.sum()
    if not total:
        raise ValueError(f"training holds no ups, downs or skips of log {log.name!r}; a like-rate needs some")
    prior = float(ups_V.sum() / total)
    rates_V = (ups_V + pseudo_count * prior) / (ups_V + downs_V + pseudo_count)
    return LikeRates(rates_V.astype(np.float32), prior)


def like_rate(log: EventLog, split: Split, *, pseudo_count: float = 10.0) -> ScorerFactory:
    """Score an item by its like-rate: see `like_rates`."""
    scores_V = like_rates(log, split, pseudo_count=pseudo_count).items

    def bind(log: EventLog, cases: Cases) -> Scorer:
        return item_scorer(scores_V)

    return bind
