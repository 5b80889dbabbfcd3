"""What a training begins with: fresh parameters, an earlier run's, or what simple statistics say of the items."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32
from scipy.special import logit

from urep_jax.baselines.like_rate import like_rates
from urep_jax.baselines.logistic_factors import fit_factors
from urep_jax.data.cases import Split
from urep_jax.data.log import EventLog
from urep_jax.data.vocabulary import FIRST_ITEM, Vocabulary
from urep_jax.serving.restore import restore
from urep_jax.training.objective import Params
from urep_jax.training.warm_start import warm_start

ItemStart = Literal["fresh", "like_rate", "factors"]
"""What the rows of items begin with: chance; biases at the log-odds of their like-rates; these and the vectors of the
logistic factorisation."""

Beginning = Callable[[Params], Params]


def continued(folder: Path, vocabulary: Vocabulary) -> Beginning:
    """Turn fresh parameters into those of an earlier run, where it knows the item, station or device."""

    def begin(fresh: Params) -> Params:
        old = restore(folder)
        return warm_start(fresh, vocabulary, old.params, old.vocabulary)

    return begin


def from_statistics(kind: ItemStart, log: EventLog, split: Split, vocabulary: Vocabulary) -> Beginning:
    """Turn fresh rows of items into what the training events say of them.

    Raises:
        ValueError: if there is no such kind, or the model's items have no bias, or are too narrow for the factors.
    """
    if kind not in ("like_rate", "factors"):
        raise ValueError(f"item_start is {kind!r}, but must be one of fresh, like_rate, factors")

    def begin(fresh: Params) -> Params:
        if kind == "like_rate":
            items_VxF = logit(like_rates(log, split).astype(np.float64))[:, None]
        else:
            factors = fit_factors(log, split)
            items_VxF = factors.items + np.append(np.zeros(factors.items.shape[1] - 1), factors.prior)
        known_V = vocabulary.item_rows(log.item_ids) >= FIRST_ITEM
        return with_items(fresh, items_VxF[known_V].astype(np.float32))

    return begin


def with_items(fresh: Params, items: Float32[np.ndarray, "V F"]) -> Params:
    """Parameters whose items begin with the given factors and, last, biases; further numbers stay fresh."""
    table_RxF = np.array(fresh["tables"]["item"])
    factors = items.shape[1] - 1
    if table_RxF.shape[1] <= factors:
        raise ValueError(f"items have {table_RxF.shape[1]} numbers, but {factors} factors and a bias; widen the model")
    table_RxF[FIRST_ITEM:, :factors] = items[:, :-1]
    table_RxF[FIRST_ITEM:, -1] = items[:, -1]
    return fresh | {"tables": fresh["tables"] | {"item": table_RxF}}
