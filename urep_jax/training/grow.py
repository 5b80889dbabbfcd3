"""New items in a trained skip-gram space: their vectors are learnt, and all that was learnt before is frozen.

A new item's vector is read off the frozen context vectors of the items that the space was trained on, by the loss that
trained them (`training.skip_gram`): it is the least of a convex function that no other new item plays a role in. So
what comes in together or one by one comes to lie in the same place, sets without new items need not be read, and no
number of new items turns the space. For this, new items have no context vector: one could only be learnt from vectors
that are themselves new, or, exactly, from all sets that there are.

Source: Generalized User Representations, §4.4 ("a stable vector space").
"""

import dataclasses
import math
import os
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32

from urep_jax.core.streams import name_key
from urep_jax.data.co_occurrences import Blocks
from urep_jax.data.negatives import NegativeSampler, draw_negatives
from urep_jax.data.vocabulary import FIRST_ITEM, PAD
from urep_jax.losses.sgns import sgns
from urep_jax.models import skip_gram
from urep_jax.training.checkpoints import read_best_params, read_config
from urep_jax.training.objective import Change, Objective, Params, RowWise, TableMode
from urep_jax.training.skip_gram import Drawn


@dataclasses.dataclass(frozen=True)
class GrownConfig:
    """Size of what grows. Its vocabulary has the items that the space was trained on, and after them those to come in.

    Attributes:
        num_items: that come in.
        num_contexts: that the space was trained on.
        width: D.

    Raises:
        ValueError: if a value is out of range.
    """

    num_items: int
    num_contexts: int
    width: int

    def __post_init__(self) -> None:
        for name, least in (("num_items", 1), ("num_contexts", 2), ("width", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least {least}")


def grow_objective(
    model: GrownConfig, sampler: NegativeSampler, k_negatives: int, batch_size: int, tables: TableMode = "auto"
) -> Objective:
    r"""Skip-gram with negative sampling on the pairs of a new item and one that the space was trained on.

    .. math:: -\log\sigma(e_i \cdot c_j - \log K) - \sum_k \log\sigma(\log K - e_i \cdot c_k)

    For each pair of a block's tracks, i new and j trained on, with k running over the block's draws that are not j. Of
    the parameters, only `item` learns, a row for each item that comes in; it begins at zero, where nothing is known of
    any. `context` are those of the training (`grown_from`). Vectors of old items aren't read at all.

    Args:
        model: size of the model.
        sampler: where negatives come from: of the items that the space was trained on, as it was then.
        k_negatives: K, that of the training, at least 1.
        batch_size: blocks of the whole batch.
        tables: how the table of items is learnt.

    Raises:
        ValueError: if `k_negatives` is out of range, or the sampler draws from other items.
    """
    if k_negatives < 1:
        raise ValueError(f"k_negatives is {k_negatives}, but must be at least 1")
    if sampler.num_items != model.num_contexts:
        raise ValueError(
            f"the sampler draws from {sampler.num_items} items, but must draw from those with a context vector, "
            f"{model.num_contexts}; count these only"
        )
    log_k, first_new = math.log(k_negatives), FIRST_ITEM + model.num_contexts

    def draw(blocks: Blocks, key: jax.Array) -> Drawn:
        drawn_Bx1xK = draw_negatives(name_key(key, "negatives"), sampler, blocks.row, 1, k_negatives, batch_size)
        is_new_BxM = blocks.item >= first_new
        centre_BxM = jnp.where(is_new_BxM, blocks.item - model.num_contexts, PAD)
        context_BxM = jnp.where((blocks.item >= FIRST_ITEM) & ~is_new_BxM, blocks.item, PAD)
        return Drawn(centre_BxM, context_BxM, drawn_Bx1xK[:, 0], blocks.playlist)

    def drawn_loss(params: Params, drawn: Drawn, key: jax.Array) -> tuple[Float[Array, ""], Float[Array, ""]]:
        items, contexts = params["tables"]["item"], params["tables"]["context"]
        centre_BxMxD = items[drawn.centre]
        together_BxMxM = drawn.playlist[:, :, None] == drawn.playlist[:, None, :]
        pair_BxMxM = together_BxMxM & (drawn.centre != PAD)[:, :, None] & (drawn.context != PAD)[:, None, :]
        differs_BxMxK = (drawn.context[:, :, None] != drawn.negative[:, None, :]).astype(jnp.float32)
        loss_BxM = sgns(
            skip_gram.score(centre_BxMxD, contexts[drawn.context]) - log_k,
            skip_gram.score(centre_BxMxD, contexts[drawn.negative]) - log_k,
            where=pair_BxMxM,
            weights=pair_BxMxM.astype(jnp.float32) @ differs_BxMxK,
        )
        return jnp.sum(loss_BxM), jnp.sum(pair_BxMxM, dtype=jnp.float32)

    return Objective(
        init=lambda key: _nothing(model),
        loss=lambda params, blocks, key: drawn_loss(params, draw(blocks, key), key),
        row_wise=RowWise(draw, drawn_loss, {"item": _centres, "context": _contexts}),
        tables=tables,
        first_rows={"item": FIRST_ITEM},
    )


def grown_from(contexts: Float[np.ndarray, "R D"]) -> Callable[[Params], Params]:
    """What a growth begins with, for `fit`: zeros for all that come in, and the context vectors as they are.

    Args:
        contexts: as `read_contexts` gives them.
    """
    return lambda fresh: {"tables": fresh["tables"] | {"context": contexts}}


def new_vectors(params: Params) -> Float32[np.ndarray, "N D"]:
    """The vectors of the items that come in, of length 1; zeros for one that met none that the space was trained on."""
    return skip_gram.item_vectors(params, np.arange(FIRST_ITEM, len(params["tables"]["item"])))


def read_contexts(checkpoints: str | os.PathLike[str]) -> Float32[np.ndarray, "R D"]:
    """The context vectors of a skip-gram model, from its training's checkpoints, or those of a growth since.

    Raises:
        FileNotFoundError: if there are none.
    """
    model = read_config(checkpoints)["model"]
    cfg = GrownConfig(model["num_items"], model.get("num_contexts", model["num_items"]), model["width"])
    _, params = read_best_params(checkpoints, jax.eval_shape(lambda: _nothing(cfg)))
    return np.asarray(params["tables"]["context"])


def _nothing(model: GrownConfig) -> Params:
    shapes = {"item": FIRST_ITEM + model.num_items, "context": FIRST_ITEM + model.num_contexts}
    return {"tables": {name: jnp.zeros((rows, model.width)) for name, rows in shapes.items()}}


def _centres(change: Change, drawn: Drawn) -> Drawn:
    return drawn._replace(centre=change(drawn.centre))


def _contexts(change: Change, drawn: Drawn) -> Drawn:
    return drawn._replace(context=change(drawn.context), negative=change(drawn.negative))
