"""`Objective`: what learns, as pure functions, and `TrainState`: all that a training carries."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax
from jaxtyping import Array, Float, Int

Params = Any
Batch = Any


class Objective(NamedTuple):
    """Everything that learns by gradient: how parameters start, and what is to be made small.

    Attributes:
        init: `init(key) -> params`.
        loss: `loss(params, batch, key) -> (sum, weight)`: the loss summed over the examples of the batch, and how many
            there are. Sums of shards add up to the sum of the whole, so padding and sharding never change a result.
    """

    init: Callable[[jax.Array], Params]
    loss: Callable[[Params, Batch, jax.Array], tuple[Float[Array, ""], Float[Array, ""]]]


class TrainState(NamedTuple):
    """All that is carried from step to step."""

    step: Int[Array, ""]
    params: Params
    opt_state: optax.OptState


class StepInfo(NamedTuple):
    """What a step only reports: the mean loss of its examples, how many there were, and the gradient's norm."""

    loss: Float[Array, ""]
    weight: Float[Array, ""]
    grad_norm: Float[Array, ""]
