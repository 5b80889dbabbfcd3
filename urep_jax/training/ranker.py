"""The ranker's objective: a softmax over each list.

Source: Generalized User Representations for Transfer Learning, §4.1; Cao et al. 2007 (ListNet).
"""

import jax
import jax.numpy as jnp
import rax
from jaxtyping import Array, Float

from urep_jax.data.lists import ListBatch
from urep_jax.models import ranker
from urep_jax.models.ranker import RankerConfig
from urep_jax.training.objective import Objective, Params


def ranker_objective(model: RankerConfig) -> Objective:
    r"""The ranker trained by listwise softmax cross-entropy; the loss is a mean over lists.

    .. math:: -\frac{1}{|W|} \sum_{i \in W} \log \frac{e^{s_i}}{\sum_j e^{s_j}}

    with W those of a list that the user went for.

    Args:
        model: size of the ranker.
    """

    def loss(params: Params, batch: ListBatch, key: jax.Array) -> tuple[Float[Array, ""], Float[Array, ""]]:
        scores_BxM = ranker.scores(params, batch.user, batch.item, batch.found, model)
        label_BxM = batch.label / jnp.maximum(batch.label.sum(axis=1, keepdims=True), 1)
        loss_B = rax.softmax_loss(scores_BxM, label_BxM, reduce_fn=None)
        return jnp.sum(jnp.where(batch.is_list, loss_B, 0.0)), jnp.sum(batch.is_list, dtype=jnp.float32)

    return Objective(init=lambda key: ranker.init(key, model), loss=loss)
