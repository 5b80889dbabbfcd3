"""Forecasts of what a listener will do with an item that is offered some time later, and how they are learnt.

The model is the response model without what comes in between: its embedding of a history and an item, and its head of
what is done with the item. How long ago the history ended is among what it reads.
"""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Float32

from urep_jax.core.types import LISTENED, RESPONSES
from urep_jax.data.forecast_questions import Questions
from urep_jax.data.listening_history import Features, KnownItems, features
from urep_jax.models import response_model
from urep_jax.models.response_model import ResponseConfig
from urep_jax.training.objective import Objective, Params

_PARTS = ("embed", "respond")


def forecast_objective(model: ResponseConfig, items: KnownItems) -> Objective:
    """Forecasts trained by maximum likelihood of what was done with the items; the loss is a mean over these.

    Args:
        model: size of the model.
        items: what is known of items.
    """

    def init(key: jax.Array) -> Params:
        everything = response_model.init(key, model)
        return {name: everything[name] for name in _PARTS}

    def loss(params: Params, batch: Questions, key: jax.Array) -> tuple[Float[Array, ""], Float[Array, ""]]:
        kind_BxM = jnp.argmax(batch.feedback[..., None] == jnp.array(RESPONSES), axis=-1)
        off_BxM = optax.softmax_cross_entropy_with_integer_labels(_logits(params, batch, items, model), kind_BxM)
        return jnp.sum(jnp.where(batch.is_there, off_BxM, 0.0)), jnp.sum(batch.is_there, dtype=jnp.float32)

    return Objective(init=init, loss=loss)


def chance_wanted(params: Params, batch: Questions, items: KnownItems, model: ResponseConfig) -> Float32[Array, "B M"]:
    """The chance that each item is heard to its end or thumbed up.

    Args:
        params: of the model.
        batch: the questions.
        items: what is known of items.
        model: size of the model.
    """
    chance_BxMx4 = jax.nn.softmax(_logits(params, batch, items, model))
    return chance_BxMx4 @ jnp.array([kind in LISTENED for kind in RESPONSES], jnp.float32)


def question_features(batch: Questions, items: KnownItems) -> Features:
    """What the model reads of these questions: B x M."""

    def one(of: Questions) -> Features:
        return jax.vmap(lambda asked: features(of.history, asked, of.vector, items))(of.asked)

    return jax.vmap(one)(batch)


def _logits(params: Params, batch: Questions, items: KnownItems, model: ResponseConfig) -> jax.Array:
    hidden_BxMxD = response_model.embed(params, question_features(batch, items), model)
    return response_model.respond(params, hidden_BxMxD, model).feedback
