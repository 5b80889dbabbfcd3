"""The skip-gram model: two vectors for each track, one as what is looked from, one as what is met beside it.

Source: Generalized User Representations, §3.2.1 (80 numbers from co-occurrence in playlists); Mikolov et al. 2013.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int

from urep_jax.core.streams import name_key
from urep_jax.data.vocabulary import FIRST_ITEM

Params = dict
"""`tables`: `item`, the vectors to use, and `context`, those that only training reads."""


@dataclasses.dataclass(frozen=True)
class SkipGramConfig:
    """Size of the model.

    Attributes:
        num_items: items of the vocabulary.
        width: D, numbers of a vector.

    Raises:
        ValueError: if a value is out of range.
    """

    num_items: int
    width: int = 80

    def __post_init__(self) -> None:
        for name in ("num_items", "width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least 1")


def init(key: jax.Array, cfg: SkipGramConfig) -> Params:
    """Fresh parameters: item vectors evenly within half a unit over D of zero, context vectors zero, as in word2vec."""
    rows, scale = FIRST_ITEM + cfg.num_items, 0.5 / cfg.width
    items_RxD = jax.random.uniform(name_key(key, "item"), (rows, cfg.width), minval=-scale, maxval=scale)
    # The rows that stand for no item have no direction.
    return {"tables": {"item": items_RxD.at[:FIRST_ITEM].set(0.0), "context": jnp.zeros((rows, cfg.width))}}


def score(centre: Float[Array, "*B M D"], context: Float[Array, "*B N D"]) -> Float[Array, "*B M N"]:
    """Pointwise mutual information: log-odds that two tracks were met rather than drawn once; dot products."""
    return jnp.einsum("...md,...nd->...mn", centre, context)


def item_vectors(params: Params, rows: Int[np.ndarray, "V"]) -> Float32[np.ndarray, "V D"]:
    """The vector of each item, of length 1; zeros for an item that has none.

    Args:
        params: trained parameters.
        rows: item-table rows, as from `Vocabulary.item_rows`.
    """
    vectors_VxD = np.asarray(params["tables"]["item"])[rows]
    length_Vx1 = np.linalg.norm(vectors_VxD, axis=1, keepdims=True)
    known_Vx1 = (np.asarray(rows) >= FIRST_ITEM)[:, None] & (length_Vx1 > 0)
    return np.divide(vectors_VxD, length_Vx1, out=np.zeros_like(vectors_VxD), where=known_Vx1)
