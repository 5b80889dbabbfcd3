"""The objective of the collaborative modality encoder: tracks of one playlist against tracks drawn at random.

Source: Generalized User Representations, §3.2.1; Mikolov et al. 2013; Barkan and Koenigstein 2016.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from urep_jax.core.streams import name_key
from urep_jax.data.co_occurrences import Blocks
from urep_jax.data.negatives import NegativeSampler, draw_negatives
from urep_jax.data.vocabulary import PAD
from urep_jax.losses.sgns import sgns
from urep_jax.models import skip_gram
from urep_jax.models.skip_gram import SkipGramConfig
from urep_jax.training.objective import Change, Objective, Params, RowWise, TableMode


class Drawn(NamedTuple):
    """Blocks with their random negatives: every id that the loss looks up.

    Attributes:
        centre: rows of the item table.
        context: the same tracks as rows of the context table.
        negative: rows of the context table that a block's pairs share.
        playlist: which playlist each place belongs to.
    """

    centre: Int[Array, "B M"]
    context: Int[Array, "B M"]
    negative: Int[Array, "#B K"]
    playlist: Int[Array, "B M"]


def skip_gram_objective(
    model: SkipGramConfig, sampler: NegativeSampler, k_negatives: int, batch_size: int, tables: TableMode = "auto"
) -> Objective:
    r"""Skip-gram with negative sampling on blocks; the loss is a mean over pairs.

    .. math:: -\log\sigma(e_i \cdot c_j - \log K) - \sum_k \log\sigma(\log K - e_i \cdot c_k)

    For each ordered pair (i, j) of a block's tracks, with k running over the block's draws that are not j.

    word2vec has no log K. With K draws for each pair the log-odds of having been met are the pointwise mutual
    information of the two tracks less log K (Levy and Goldberg 2014, §3.1). Told beforehand, that isn't learnt: else
    all vectors first grow along one direction, which says nothing of any of them, and hides for many epochs how near
    they are to each other.

    Args:
        model: size of the model.
        sampler: where negatives come from; by count to the power 0.75 in word2vec.
        k_negatives: K, negatives of each pair, at least 1. The pairs of a block share them, and past a number that
            memory sets, those of the whole batch do (`data.negatives`).
        batch_size: blocks of the whole batch.
        tables: how the two tables are learnt.

    Raises:
        ValueError: if a value is out of range.
    """
    if k_negatives < 1:
        raise ValueError(f"k_negatives is {k_negatives}, but must be at least 1")

    log_k = math.log(k_negatives)

    def draw(blocks: Blocks, key: jax.Array) -> Drawn:
        drawn_Bx1xK = draw_negatives(name_key(key, "negatives"), sampler, blocks.row, 1, k_negatives, batch_size)
        return Drawn(blocks.item, blocks.item, drawn_Bx1xK[:, 0], blocks.playlist)

    def drawn_loss(params: Params, drawn: Drawn, key: jax.Array) -> tuple[Float[Array, ""], Float[Array, ""]]:
        items, contexts = params["tables"]["item"], params["tables"]["context"]
        centre_BxMxD, context_BxMxD = items[drawn.centre], contexts[drawn.context]
        pair_BxMxM = pairs(drawn.context, drawn.playlist)
        differs_BxMxK = (drawn.context[:, :, None] != drawn.negative[:, None, :]).astype(jnp.float32)
        weights_BxMxK = pair_BxMxM.astype(jnp.float32) @ differs_BxMxK
        loss_BxM = sgns(
            skip_gram.score(centre_BxMxD, context_BxMxD) - log_k,
            skip_gram.score(centre_BxMxD, contexts[drawn.negative]) - log_k,
            where=pair_BxMxM,
            weights=weights_BxMxK,
        )
        return jnp.sum(loss_BxM), jnp.sum(pair_BxMxM, dtype=jnp.float32)

    return Objective(
        init=lambda key: skip_gram.init(key, model),
        loss=lambda params, blocks, key: drawn_loss(params, draw(blocks, key), key),
        row_wise=RowWise(draw, drawn_loss, {"item": _centres, "context": _contexts}),
        tables=tables,
    )


def pairs(item: Int[Array, "B M"], playlist: Int[Array, "B M"]) -> Bool[Array, "B M M"]:
    """Which two places of a block are a pair: those with different tracks of one playlist."""
    differs_BxMxM = item[:, :, None] != item[:, None, :]
    together_BxMxM = playlist[:, :, None] == playlist[:, None, :]
    is_track_BxM = item != PAD
    return differs_BxMxM & together_BxMxM & is_track_BxM[:, :, None] & is_track_BxM[:, None, :]


def _centres(change: Change, drawn: Drawn) -> Drawn:
    return drawn._replace(centre=change(drawn.centre))


def _contexts(change: Change, drawn: Drawn) -> Drawn:
    return drawn._replace(context=change(drawn.context), negative=change(drawn.negative))
