"""The preference classifier's objective: binary cross-entropy on labelled pairs.

Source: Generalized User Representations for Transfer Learning, §5.1.1.
"""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from urep_jax.core.streams import name_key
from urep_jax.data.labelled_pairs import PairBatch
from urep_jax.models import preference
from urep_jax.models.preference import PreferenceConfig
from urep_jax.training.objective import Objective, Params


def preference_objective(model: PreferenceConfig) -> Objective:
    """The classifier trained to tell pairs of which the user went for the item from others."""

    def loss(params: Params, batch: PairBatch, key: jax.Array) -> tuple[Float[Array, ""], Float[Array, ""]]:
        dropout_key = name_key(key, "dropout")
        odds_B = preference.log_odds(params, batch.user, batch.item, model, row=batch.row, key=dropout_key)
        loss_B = optax.losses.sigmoid_binary_cross_entropy(odds_B, batch.label.astype(jnp.float32))
        return jnp.sum(jnp.where(batch.is_pair, loss_B, 0.0)), jnp.sum(batch.is_pair, dtype=jnp.float32)

    return Objective(init=lambda key: preference.init(key, model), loss=loss)
