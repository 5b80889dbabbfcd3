"""The response model's objective: the likelihood of what listeners did.

Source: Kvamme and Borgan 2021, for time to return; all else is cross-entropy.
"""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from urep_jax.core.types import RESPONSES, Feedback
from urep_jax.data.listening_history import KnownItems
from urep_jax.data.response_windows import Windows, window_features
from urep_jax.losses.share_heard import share_heard
from urep_jax.losses.time_until import time_until
from urep_jax.models import response_model
from urep_jax.models.response_model import After, Response, ResponseConfig
from urep_jax.training.objective import Objective, Params


def response_objective(model: ResponseConfig, items: KnownItems) -> Objective:
    """The response model trained by maximum likelihood; the loss is a mean over events.

    What is minimised at an event is the sum of the cross-entropies of its feedback and of the session's end, of the
    share that was heard if it was left early, and of the time to return if the session ended. A listener who wasn't
    back when the log ended counts with the time that is known to have passed.

    Args:
        model: size of the model.
        items: what is known of items.
    """

    def loss(params: Params, batch: Windows, key: jax.Array) -> tuple[Float[Array, ""], Float[Array, ""]]:
        losses = response_losses(*predict(params, batch, items, model), batch, model)
        return sum(losses.values(), jnp.float32(0)), jnp.sum(batch.is_there, dtype=jnp.float32)

    return Objective(init=lambda key: response_model.init(key, model), loss=loss)


def predict(params: Params, batch: Windows, items: KnownItems, model: ResponseConfig) -> tuple[Response, After]:
    """What the model says at each event of these windows; `After`, given what was done with the item.

    Args:
        params: of the model.
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
    seen, of = window_features(batch, items), batch.outcome
    vectors_BxRxD = response_model.embed(params, seen, model)
    hidden_BxRxD = response_model.encode(params, vectors_BxRxD, batch.is_there, model)
    minutes_BxR = items.minutes[batch.asked.item]
    after = response_model.follow(params, hidden_BxRxD, seen.lasting, of.feedback, of.ratio, minutes_BxR, model)
    return hidden_BxRxD, after


def response_losses(
    response: Response, after: After, batch: Windows, model: ResponseConfig
) -> dict[str, Float[Array, ""]]:
    """The summed loss of each head.

    Args:
        response: what the model says of the items.
        after: what it says of what follows.
        batch: what happened.
        model: size of the model.
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
        "session_over": total(optax.sigmoid_binary_cross_entropy(after.session_over, over_BxR), is_there),
        "away": total(time_until(after.log_hazard, of.days_away, of.came_back, model.days), is_there & of.session_over),
    }
