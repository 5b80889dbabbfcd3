"""What is tested beside the model: which baselines there are, and which a log allows for."""

from collections.abc import Sequence

from experiments.negative_feedback.recipe import Ablation
from urep_jax.baselines.ease import MAX_ITEMS, ease
from urep_jax.baselines.item_counts import negative_kind, training_counts
from urep_jax.baselines.item_knn import item_knn
from urep_jax.baselines.like_rate import like_rate
from urep_jax.baselines.logistic_factors import logistic_factors
from urep_jax.baselines.popularity import popularity
from urep_jax.core.types import Feedback
from urep_jax.data.cases import Split
from urep_jax.data.log import EventLog

FITTED = {
    "popularity": popularity,
    "like_rate": like_rate,
    "item_knn": item_knn,
    "ease": ease,
    "logistic_factors": logistic_factors,
}
"""Baselines that are fitted in one go, by the name that the config gives them."""

TRAINED: dict[str, Ablation] = {"positive_only": "negative_feedback", "random_negatives": "hard_negatives"}
"""Baselines that are the model without some part, by name."""


def check_baselines(names: Sequence[str]) -> None:
    """Refuse a baseline that is not there, before anything is read or trained.

    Raises:
        ValueError: naming it, and those that there are.
    """
    known = [*FITTED, *TRAINED, "two_stages", "oracle"]
    for name in names:
        if name not in known:
            raise ValueError(f"baselines names {name!r}, but there are: {', '.join(known)}")
    if "two_stages" in names and "random_negatives" not in names[: list(names).index("two_stages")]:
        raise ValueError(
            "baselines names two_stages, whose candidates come from random_negatives; name that before it, as in "
            "[random_negatives,two_stages]"
        )


def obstacle(name: str, log: EventLog, split: Split) -> str | None:
    """Why a baseline can't be fitted to this log, if it can't: known before hours are spent on a training."""
    if name == "oracle" and log.affinity is None:
        return "only simulated data have a truth to be told"
    if name == "ease" and log.num_items > MAX_ITEMS:
        return f"it holds a weight for each two items, and {log.num_items:,} items are more than {MAX_ITEMS:,}"
    if name == "logistic_factors":
        counts_FxV = training_counts(log, split)
        if not counts_FxV[Feedback.UP].any() or not counts_FxV[negative_kind(counts_FxV)].any():
            return "training holds not both ups and downs or skips"
    return None
