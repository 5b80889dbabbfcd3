"""The two towers' objective: the items that users went for, against those that others went for.

Source: Generalized User Representations for Transfer Learning, §4.1; Yi et al. 2019.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from urep_jax.data.chosen_items import ChosenBatch
from urep_jax.losses.in_batch import in_batch_softmax
from urep_jax.models import two_tower
from urep_jax.models.two_tower import TwoTowerConfig
from urep_jax.training.objective import Objective, Params


def two_tower_objective(model: TwoTowerConfig) -> Objective:
    """The towers trained by an in-batch softmax with logQ correction; the loss is a mean over pairs.

    Args:
        model: size of the towers.
    """

    def loss(params: Params, batch: ChosenBatch, key: jax.Array) -> tuple[Float[Array, ""], Float[Array, ""]]:
        user_BxMxD = two_tower.user_vectors(params, batch.user, model)
        item_BxMxD = two_tower.item_vectors(params, batch.item, model)
        scores_BxMxM = jnp.einsum("bmd,bnd->bmn", user_BxMxD, item_BxMxD)
        loss_BxM = in_batch_softmax(scores_BxMxM, batch.number, batch.log_q, where=batch.is_pair)
        return jnp.sum(loss_BxM), jnp.sum(batch.is_pair, dtype=jnp.float32)

    return Objective(init=lambda key: two_tower.init(key, model), loss=loss)
