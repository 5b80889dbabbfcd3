"""What a training begins with: fresh parameters, an earlier run's, or what simple statistics say of the items."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Float32
from omegaconf import DictConfig
from rich.console import Console
from scipy.special import logit

from experiments.data import load_tables
from experiments.known import tell_known
from urep_jax.baselines.like_rate import like_rates
from urep_jax.baselines.logistic_factors import fit_factors
from urep_jax.baselines.spectral import spectral_vectors
from urep_jax.data.cases import Split
from urep_jax.data.item_words import item_words
from urep_jax.data.log import EventLog
from urep_jax.data.vocabulary import FIRST_ITEM, UNKNOWN, Vocabulary
from urep_jax.models.transformer import TransformerConfig
from urep_jax.serving.restore import restore
from urep_jax.training.objective import Params
from urep_jax.training.warm_start import warm_start

ItemStart = Literal["fresh", "like_rate", "factors", "several_factors", "spectral"]
"""What the rows of items begin with: chance; biases at the log-odds of their like-rates; the biases and vectors of a
logistic factorisation to which a skip is half an up; those of as many of these as the model is wide for, from different
starts; the spectral vectors of ups."""

FACTORISED = ("factors", "several_factors")
"""What the content of items and the age of events have a say in."""

Beginning = Callable[[Params], Params]

_BIAS = slice(-1, None)
"""Of an item's numbers, the last."""

_FACTORS = 16
"""Vectors of one factorisation are this wide."""


def content_of(columns: Sequence[str], log: EventLog, cfg: DictConfig) -> Float32[np.ndarray, "V K"] | None:
    """What the table beside the log says of each item, in the columns that `train.item_content` names, if it names any.

    Raises:
        ValueError: if there is no such column of words.
    """
    if not columns:
        return None
    try:
        return item_words(log, load_tables(cfg).get("items"), columns)
    except ValueError as error:
        raise ValueError(f"train.item_content is {list(columns)}, but {error}") from None


def continued(folder: Path, vocabulary: Vocabulary, console: Console) -> Beginning:
    """Turn fresh parameters into those of an earlier run, where it knows the item, station or device.

    How many it knows is told.

    Raises:
        ValueError: if it knows no item, or its model is of another shape.
    """

    def begin(fresh: Params) -> Params:
        old = restore(folder)
        where = "the training events"
        tell_known(console, folder, old.vocabulary, where, vocabulary.item_ids, vocabulary.station_ids)
        return warm_start(fresh, vocabulary, old.params, old.vocabulary)

    return begin


def from_statistics(
    kind: ItemStart,
    log: EventLog,
    split: Split,
    vocabulary: Vocabulary,
    cfg: TransformerConfig,
    *,
    content: Float32[np.ndarray, "V K"] | None = None,
    days: float | None = None,
) -> Beginning:
    """Turn fresh rows of items into what the training events say of them.

    An item that training never saw is as good as the catalogue is on the whole.

    Args:
        kind: what they begin with.
        log: the log.
        split: whose training events count.
        vocabulary: of the model.
        cfg: of the model.
        content: of factors, what is known of each item of the log besides: see `fit_factors`.
        days: of factors, how fast events grow old: see `fit_factors`.

    Raises:
        ValueError: if there is no such kind, or the model's items have no bias where the kind gives one, or are too
            narrow for it; if training holds no ups, or nothing else, where it takes odds.
    """
    if kind not in get_args(ItemStart):
        raise ValueError(f"item_start is {kind!r}, but must be one of {', '.join(get_args(ItemStart))}")
    if kind in ("like_rate", *FACTORISED) and not cfg.item_bias:
        raise ValueError(
            f"train.item_start is {kind!r}, which gives each item a bias, but model.item_bias is false; set it to true"
        )
    if kind in FACTORISED and cfg.width < _FACTORS:
        raise ValueError(f"model.width is {cfg.width}, but there are {_FACTORS} factors; widen the model")
    row_V = vocabulary.item_rows(log.item_ids)
    known_V = row_V >= FIRST_ITEM

    def begin(fresh: Params) -> Params:
        table_RxF = np.array(fresh["tables"]["item"])

        def put(columns: slice, values_VxN: Float[np.ndarray, "V N"]) -> None:
            table_RxF[row_V[known_V], columns] = values_VxN[known_V]

        def put_factors(number: int) -> None:
            found = [
                fit_factors(log, split, width=_FACTORS, skips=True, content=content, days=days, seed=seed)
                for seed in range(number)
            ]
            # So scaled, a product of two items' vectors is the mean of what each factorisation has for it.
            vectors_VxN = np.concatenate([one.items[:, :-1] for one in found], axis=1) / number**0.5
            width = vectors_VxN.shape[1]
            put(slice(width), vectors_VxN)
            put(_BIAS, np.mean([one.items[:, -1:] + one.prior for one in found], axis=0))
            table_RxF[UNKNOWN, :width], table_RxF[UNKNOWN, _BIAS] = 0.0, found[0].prior

        if kind == "like_rate":
            rates = like_rates(log, split)
            if not 0 < rates.prior < 1:
                raise ValueError(
                    f"train.item_start is 'like_rate', but {rates.prior:.0%} of the training events of {log.name!r} "
                    "are ups, so that there are no odds; leave it at 'fresh'"
                )
            put(_BIAS, logit(rates.items.astype(np.float64))[:, None])
            table_RxF[UNKNOWN, _BIAS] = logit(rates.prior)
        elif kind == "factors":
            put_factors(1)
        elif kind == "several_factors":
            put_factors(cfg.width // _FACTORS)
        elif kind == "spectral":
            # As long as fresh ones: they say where to look, and how far is learnt.
            fresh_length = np.linalg.norm(table_RxF[FIRST_ITEM:, : cfg.width], axis=1).mean()
            put(slice(cfg.width), fresh_length * spectral_vectors(log, split, cfg.width))
        return fresh | {"tables": fresh["tables"] | {"item": table_RxF}}

    return begin
