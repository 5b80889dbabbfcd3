"""The content encoder's objective: skip-gram, with vectors that come from what tracks sound like.

Source: Generalized User Representations, §3.2.1; the loss is that of Zhai et al. 2023 (SigLIP), §3.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from urep_jax.data.content_blocks import ContentBlocks
from urep_jax.losses.sgns import sgns
from urep_jax.models import content_encoder
from urep_jax.models.content_encoder import ContentEncoderConfig
from urep_jax.training.objective import Objective, Params
from urep_jax.training.skip_gram import pairs


def content_encoder_objective(model: ContentEncoderConfig) -> Objective:
    r"""Tracks of one playlist, or of one artist, are to lie close: the loss is a mean over pairs.

    .. math:: -\log\sigma(s_{ij}) - \sum_k \log\sigma(-s_{ik}), \quad s_{ij} = t\, \cos(f(x_i), f(x_j)) + b

    For each ordered pair (i, j) of a block's tracks, with k running over the block's draws that are neither.

    Args:
        model: size of the encoder.
    """

    def loss(params: Params, batch: ContentBlocks, key: jax.Array) -> tuple[Float[Array, ""], Float[Array, ""]]:
        B, M = batch.item.shape
        every = jnp.concatenate([batch.content, batch.negative_content], axis=1)
        vectors = content_encoder.encode(params, every.reshape(-1, *model.shape), model).reshape(B, -1, model.width)
        vectors_BxMxD, negatives_BxKxD = vectors[:, :M], vectors[:, M:]
        pair_BxMxM = pairs(batch.item, batch.playlist)
        differs_BxMxK = (batch.item[:, :, None] != batch.negative[:, None, :]).astype(jnp.float32)
        # A draw is a negative of a pair if it is neither of the two.
        weights_BxMxK = differs_BxMxK * (pair_BxMxM.astype(jnp.float32) @ differs_BxMxK)
        loss_BxM = sgns(
            content_encoder.score(params, vectors_BxMxD, vectors_BxMxD),
            content_encoder.score(params, vectors_BxMxD, negatives_BxKxD),
            where=pair_BxMxM,
            weights=weights_BxMxK,
        )
        return jnp.sum(loss_BxM), jnp.sum(pair_BxMxM, dtype=jnp.float32)

    return Objective(init=lambda key: content_encoder.init(key, model), loss=loss)
