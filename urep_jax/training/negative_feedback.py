"""The objective of the negative-feedback recommender: liked songs over disliked or random ones, at masked positions.

Source: Negative Feedback for Music Personalization, §3.
"""

import dataclasses
from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from urep_jax.core.streams import name_key
from urep_jax.data.negatives import NegativeSampler, draw_negatives, shared_by_batch
from urep_jax.data.sequences import Batch
from urep_jax.data.vocabulary import FIRST_ITEM, PAD
from urep_jax.losses.binary import bce, gbce, gbce_beta
from urep_jax.losses.full_softmax import Heard, full_softmax_sum
from urep_jax.losses.hardest import candidate_scores, hardest_negative
from urep_jax.losses.pairwise import bpr
from urep_jax.losses.softmax import sampled_softmax
from urep_jax.models import transformer
from urep_jax.models.transformer import TransformerConfig
from urep_jax.training.objective import Change, Objective, Params, RowWise, TableMode

LossName = Literal["bce", "bpr", "gbce", "sampled_softmax", "softmax"]

OwnLoss = Callable[[Float[Array, "B T"], Float[Array, "B T K"], Bool[Array, "B T K"]], Float[Array, "B T"]]
"""A loss of one's own: `loss(positive, negatives, where) -> value` for each task, from the target's score, the scores
of its negatives, and which of these count. A hard negative, where there is one, is the last."""


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """What a target is set against.

    Attributes:
        name: `bce`: one negative, the hard one if the position has one, else the hardest of `k_negatives` random ones.
            `bpr`: the same negative, of which only the target's lead over it counts.
            `gbce` and `sampled_softmax`: all `k_negatives`, and the hard negative beside them. `softmax`: the whole
            catalogue, in which hard negatives are no more than others: sequences are to be read with `p_hard=0`. Or a
            function (`OwnLoss`), which is given all `k_negatives` and the hard one.
        k_negatives: random negatives for each position, at least 1; with `bce` and `bpr` also 0, which sets ups against
            nothing but what was disliked.
        leave_out_heard: `softmax` only: whether a target is set against no other item that the model sees in the
            sequence. Where what was heard is never recommended, a score for it would be learnt in vain.
        calibration: `gbce` only: from 0, plain, to 1, calibrated.
        batch_size: rows of the whole batch, which decides how far positions share their negatives.

    Raises:
        ValueError: if a value is out of range, or a function can't be called so, or returns something else.
    """

    name: str | OwnLoss = "bce"
    k_negatives: int = 1
    leave_out_heard: bool = False
    calibration: float = 0.75
    batch_size: int = 128

    def __post_init__(self) -> None:
        if not callable(self.name) and self.name not in get_args(LossName):
            raise ValueError(
                f"loss is {self.name!r}, but must be one of {', '.join(get_args(LossName))}, or a function"
            )
        least = 0 if self.name in ("bce", "bpr") else 1
        if not least <= self.k_negatives <= 100_000:
            raise ValueError(f"k_negatives is {self.k_negatives}, but must be from {least} to 100000")
        if self.leave_out_heard and self.name != "softmax":
            name = "a function of one's own" if callable(self.name) else self.name
            raise ValueError(
                f"leave_out_heard is true with loss={name}, but only softmax can leave out; set loss=softmax"
            )
        if callable(self.name):
            _check_own(self.name)
        gbce_beta(1, 2, self.calibration)


def _check_own(loss: OwnLoss) -> None:
    """Call it with shapes alone, of which no two lengths are equal."""
    scores_BxT, scores_BxTxK = jax.ShapeDtypeStruct((2, 3), jnp.float32), jax.ShapeDtypeStruct((2, 3, 4), jnp.float32)
    try:
        value = jax.eval_shape(loss, scores_BxT, scores_BxTxK, jax.ShapeDtypeStruct((2, 3, 4), jnp.bool_))
    except Exception as error:
        reason = (str(error) or repr(error)).splitlines()[0]
        raise ValueError(f"the loss can't be called as loss(positive, negatives, where): {reason}") from error
    if getattr(value, "shape", None) != (2, 3) or not jnp.issubdtype(value.dtype, jnp.floating):
        raise ValueError(
            f"the loss returns {value} for positive of shape (2, 3), but must return one number for each task, of the "
            "same shape"
        )


class Negatives(NamedTuple):
    """Random candidates, which positions may share.

    Attributes:
        item: item rows.
        log_expected: log of how often each candidate is expected in K draws.
    """

    item: Int[Array, "#B #T K"]
    log_expected: Float[Array, "#B #T K"]


class Drawn(NamedTuple):
    """A batch with its random negatives: every id that the loss looks up.

    Attributes:
        batches: one for each stratum.
        negatives: those of each stratum; a single entry if the whole batch shares them.
    """

    batches: tuple[Batch, ...]
    negatives: tuple[Negatives, ...]


def negative_feedback_objective(
    model: TransformerConfig,
    loss: LossConfig,
    sampler: NegativeSampler,
    tables: TableMode = "auto",
    known_items: int = 0,
) -> Objective:
    """The transformer trained by one of the losses above.

    Args:
        model: size and inputs of the transformer.
        loss: what a target is set against.
        sampler: where random negatives come from.
        tables: how item and station tables are learnt; with `softmax`, which reads all items, not `sparse`.
        known_items: items, the first ones, that were learnt before. If there are any, the items after them learn, and
            nothing else does: new items come into a trained model, which stays what it is.

    Raises:
        ValueError: if no item would learn.
    """
    if not 0 <= known_items < model.num_items:
        raise ValueError(
            f"known_items is {known_items}, but must be at least 0 and less than num_items, {model.num_items}, so that "
            "an item is left to learn"
        )

    def draw(batches: tuple[Batch, ...], key: jax.Array) -> Drawn:
        return Drawn(batches, _draw(batches, loss, sampler, name_key(key, "negatives")))

    def drawn_loss(params: Params, drawn: Drawn, key: jax.Array) -> tuple[Float[Array, ""], Float[Array, ""]]:
        negatives = drawn.negatives * (len(drawn.batches) // len(drawn.negatives))
        parts = zip(drawn.batches, negatives, strict=True)
        sums, weights = zip(*(part(params, *one, key) for one in parts), strict=True)
        return sum(sums[1:], sums[0]), sum(weights[1:], weights[0])

    def part(
        params: Params, batch: Batch, negatives: Negatives, key: jax.Array
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        hidden_BxLxD = transformer.encode(params, batch, model, key=name_key(key, "dropout"))
        hidden_BxTxD = transformer.at_tasks(hidden_BxLxD, batch.task)
        item_table = params["tables"]["item"]
        is_task_BxT = batch.target != PAD
        if batch.negative.shape[1]:
            # A task without a target is a down.
            is_task_BxT |= batch.negative != PAD
        num_tasks = jnp.sum(is_task_BxT, dtype=jnp.float32)
        if loss.name == "softmax":
            index_BxT = jnp.maximum(batch.target - FIRST_ITEM, 0)
            items_VxF = item_table[FIRST_ITEM:]
            heard = _heard(batch, len(items_VxF), model) if loss.leave_out_heard else None
            total = full_softmax_sum(hidden_BxTxD, items_VxF, index_BxT, is_task_BxT, heard, model.compute)
            return total, num_tasks
        loss_BxT = _task_losses(item_table, hidden_BxTxD, batch, negatives, loss, sampler.num_items)
        return jnp.sum(jnp.where(is_task_BxT, loss_BxT, 0.0)), num_tasks

    return Objective(
        init=lambda key: transformer.init(key, model),
        loss=lambda params, batches, key: drawn_loss(params, draw(batches, key), key),
        row_wise=None if loss.name == "softmax" else RowWise(draw, drawn_loss, {"item": _items, "station": _stations}),
        tables=tables,
        first_rows={"item": FIRST_ITEM + known_items} if known_items else None,
    )


def _heard(batch: Batch, num_items: int, model: TransformerConfig) -> Heard:
    """Which items a model sees when it is asked: with causal attention, those up to the task's own position."""
    # What is no item of the vocabulary has its place past the last of them.
    index_BxL = jnp.where(batch.item >= FIRST_ITEM, batch.item - FIRST_ITEM, num_items)
    place_L = jnp.arange(batch.item.shape[1], dtype=jnp.int32)
    since_L = place_L if model.attention == "causal" else jnp.zeros_like(place_L)
    return Heard(index_BxL, jnp.broadcast_to(since_L, index_BxL.shape), batch.task)


def _items(change: Change, drawn: Drawn) -> Drawn:
    return Drawn(
        tuple(
            batch._replace(item=change(batch.item), target=change(batch.target), negative=change(batch.negative))
            for batch in drawn.batches
        ),
        tuple(negatives._replace(item=change(negatives.item)) for negatives in drawn.negatives),
    )


def _stations(change: Change, drawn: Drawn) -> Drawn:
    return drawn._replace(batches=tuple(batch._replace(station=change(batch.station)) for batch in drawn.batches))


def _draw(
    batches: tuple[Batch, ...], cfg: LossConfig, sampler: NegativeSampler, key: jax.Array
) -> tuple[Negatives, ...]:
    k = cfg.k_negatives
    if not k:
        nothing = jnp.zeros((1, 1, 0), jnp.int32)
        return (Negatives(nothing, nothing.astype(jnp.float32)),)
    # What the whole batch shares is drawn once, else it would be counted once for each stratum.
    shared = shared_by_batch(k, cfg.batch_size)
    drawn = (
        draw_negatives(key, sampler, batch.row, batch.target.shape[1], k, cfg.batch_size)
        for batch in (batches[:1] if shared else batches)
    )
    # Each of K draws is item j with probability q_j, so the sum over draws of e^s / (K q) has the full sum as its mean.
    return tuple(Negatives(ids, jnp.log(k) + sampler.log_q[ids]) for ids in drawn)


def _task_losses(
    table: Float[Array, "R D"],
    hidden: Float[Array, "B T D"],
    batch: Batch,
    negatives: Negatives,
    cfg: LossConfig,
    num_items: int,
) -> Float[Array, "B T"]:
    ids = negatives.item
    positive_BxT = transformer.score(hidden, table[batch.target])
    # Where a batch can't have hard negatives, nothing is looked up for them.
    may_be_hard = batch.negative.shape[1] > 0
    if cfg.name in ("bce", "bpr"):
        if cfg.k_negatives:
            negative_BxT = hardest_negative(hidden, table, ids, batch.target)
        else:
            negative_BxT = jnp.full_like(batch.target, PAD)
        if may_be_hard:
            negative_BxT = jnp.where(batch.negative != PAD, batch.negative, negative_BxT)
        against_BxT = transformer.score(hidden, table[negative_BxT])
        if cfg.name == "bpr":
            return bpr(positive_BxT, against_BxT, where=negative_BxT != PAD)
        return bce(positive_BxT, against_BxT, where=negative_BxT != PAD, where_positive=batch.target != PAD)

    random_BxTxK = candidate_scores(hidden, table, ids)
    # A random draw that is the target or the hard negative would be counted twice.
    fresh_BxTxK = ids != batch.target[..., None]
    hard_BxT, is_hard = None, batch.negative != PAD
    if may_be_hard:
        fresh_BxTxK &= ids != batch.negative[..., None]
        hard_BxT = jnp.where(is_hard, transformer.score(hidden, table[batch.negative]), -jnp.inf)
    if callable(cfg.name):
        if hard_BxT is not None:
            random_BxTxK = jnp.concatenate([random_BxTxK, jnp.where(is_hard, hard_BxT, 0.0)[..., None]], axis=-1)
            fresh_BxTxK = jnp.concatenate([fresh_BxTxK, is_hard[..., None]], axis=-1)
        return cfg.name(positive_BxT, random_BxTxK, fresh_BxTxK)
    if cfg.name == "gbce":
        beta = gbce_beta(cfg.k_negatives, num_items, cfg.calibration)
        return gbce(positive_BxT, random_BxTxK, beta, where=fresh_BxTxK, hard=hard_BxT)
    return sampled_softmax(positive_BxT, random_BxTxK, negatives.log_expected, where=fresh_BxTxK, hard=hard_BxT)
