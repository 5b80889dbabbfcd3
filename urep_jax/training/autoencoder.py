"""The autoencoder's objective: users given back as they are.

Source: Generalized User Representations for Transfer Learning, Alg. 1 and Eq. 2.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from urep_jax.core.streams import name_key
from urep_jax.data.user_features.batches import UserBatch
from urep_jax.losses.reconstruction import reconstruction
from urep_jax.models import autoencoder
from urep_jax.models.autoencoder import AutoencoderConfig
from urep_jax.training.objective import Objective, Params


def autoencoder_objective(
    model: AutoencoderConfig, *, weights: Float[Array, "F"] | None = None, squared: bool = False
) -> Objective:
    """The autoencoder trained by its reconstruction loss.

    Args:
        model: size of the autoencoder.
        weights: of each feature in the norm; 1 if left out.
        squared: whether the norm is squared.
    """

    def loss(params: Params, batch: UserBatch, key: jax.Array) -> tuple[Float[Array, ""], Float[Array, ""]]:
        z_BxZ = autoencoder.encode(params, batch.x, model, row=batch.row, key=name_key(key, "encode"))
        decoded_BxF = autoencoder.decode(params, z_BxZ, model, row=batch.row, key=name_key(key, "decode"))
        loss_B = reconstruction(batch.x, decoded_BxF, weights=weights, squared=squared)
        return jnp.sum(jnp.where(batch.is_user, loss_B, 0.0)), jnp.sum(batch.is_user, dtype=jnp.float32)

    return Objective(init=lambda key: autoencoder.init(key, model), loss=loss)
