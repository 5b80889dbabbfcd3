"""The response model's objective: the likelihood of what listeners did. Returns are learnt apart (`brings_back`)."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from urep_jax.core.types import RESPONSES, Feedback
from urep_jax.data.listening_history import Features, KnownItems
from urep_jax.data.response_windows import Windows, window_features
from urep_jax.losses.share_heard import share_heard
from urep_jax.models import response_model
from urep_jax.models.response_model import After, Response, ResponseConfig
from urep_jax.training.objective import Objective, Params


def response_objective(model: ResponseConfig, items: KnownItems) -> Objective:
    """The response model, but for how soon listeners are back, trained by maximum likelihood: a mean over events.

    What is minimised at an event is the sum of the cross-entropies of its feedback and of the session's end, and of the
    share that was heard if it was left early.

    Args:
        model: size of the model.
        items: what is known of items.
    """

    def loss(params: Params, batch: Windows, key: jax.Array) -> tuple[Float[Array, ""], Float[Array, ""]]:
        hidden_BxRxD, _ = hidden_and_seen(params, batch, items, model)
        response = response_model.respond(params, hidden_BxRxD, model)
        over_BxR = response_model.session_over(params, hidden_BxRxD, done_of(batch, items), model)
        losses = response_losses(response, over_BxR, batch)
        return sum(losses.values(), jnp.float32(0)), jnp.sum(batch.is_there, dtype=jnp.float32)

    return Objective(init=lambda key: response_model.init(key, model), loss=loss)


def predict(params: Params, batch: Windows, items: KnownItems, model: ResponseConfig) -> tuple[Response, After]:
    """What the model says at each event of these windows; `After`, given what was done with the item.

    Args:
        params: of the model, and the line of returns.
        batch: windows.
        items: what is known of items.
        model: size of the model.
    """
    hidden_BxRxD, after = hidden_and_after(params, batch, items, model)
    return response_model.respond(params, hidden_BxRxD, model), after


def hidden_and_after(
    params: Params, batch: Windows, items: KnownItems, model: ResponseConfig
) -> tuple[Float[Array, "B R D"], After]:
    """What the model makes of each event, for its heads, and what it says follows; arguments as of `predict`."""
    hidden_BxRxD, seen = hidden_and_seen(params, batch, items, model)
    return hidden_BxRxD, response_model.follow(params, hidden_BxRxD, seen.lasting, done_of(batch, items), model)


def hidden_and_seen(
    params: Params, batch: Windows, items: KnownItems, model: ResponseConfig
) -> tuple[Float[Array, "B R D"], Features]:
    """What the model makes of each event, for its heads, and what it reads there; arguments as of `predict`."""
    seen = window_features(batch, items)
    vectors_BxRxD = response_model.embed(params, seen, model)
    return response_model.encode(params, vectors_BxRxD, batch.is_there, model), seen


def done_of(batch: Windows, items: KnownItems) -> Float[Array, "B R O"]:
    """What was done at each event of these windows, as the model reads it."""
    return response_model.done(batch.outcome.feedback, batch.outcome.ratio, items.minutes[batch.asked.item])


def response_losses(
    response: Response, session_over: Float[Array, "B R"], batch: Windows
) -> dict[str, Float[Array, ""]]:
    """The summed loss of each head.

    Args:
        response: what the model says of the items.
        session_over: what it says of the session's end.
        batch: what happened.
    """
    of, is_there = batch.outcome, batch.is_there
    kind_BxR = jnp.argmax(of.feedback[..., None] == jnp.array(RESPONSES), axis=-1)
    is_left_BxR = (of.feedback == Feedback.SKIP) | (of.feedback == Feedback.DOWN)
    over_BxR = of.session_over.astype(jnp.float32)

    def total(loss_BxR: jax.Array, where_BxR: jax.Array) -> jax.Array:
        return jnp.sum(jnp.where(where_BxR, loss_BxR, 0.0))

    return {
        "feedback": total(optax.softmax_cross_entropy_with_integer_labels(response.feedback, kind_BxR), is_there),
        "share": total(share_heard(response.log_power, of.ratio), is_there & is_left_BxR),
        "session_over": total(optax.sigmoid_binary_cross_entropy(session_over, over_BxR), is_there),
    }
