"""`Objective`: what learns, as pure functions, and `TrainState`: all that a training carries."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from urep_jax.core.streams import name_key

Params = Any
Batch = Any
Drawn = Any
Change = Callable[[Any], Any]
TableMode = Literal["auto", "dense", "sparse"]


class RowWise(NamedTuple):
    """A loss that reads some tables only row by row, in two parts, so that it can be given just the rows it reads.

    The tables are entries of `params["tables"]`, arrays of R x D; row 0 stands for nothing (`PAD`).

    Attributes:
        draw: `draw(batch, key) -> drawn`: makes the random choices that pick rows, so that every id is in `drawn`. An
            array of ids has the batch's rows as its leading axis, or is shared by them all, however many they are.
        loss: `loss(params, drawn, key) -> (sum, weight)`: reads the tables of `ids` only at those ids, and compares ids
            only with each other and with `PAD`. Renaming rows changes nothing, if `PAD` stays `PAD`.
        ids: for each such table `ids[name](change, drawn) -> drawn`: `change` applied to every array of its ids.
    """

    draw: Callable[[Batch, jax.Array], Drawn]
    loss: Callable[[Params, Drawn, jax.Array], tuple[Float[Array, ""], Float[Array, ""]]]
    ids: Mapping[str, Callable[[Change, Drawn], Drawn]]


class Objective(NamedTuple):
    """Everything that learns by gradient: how parameters start, and what is to be made small.

    Attributes:
        init: `init(key) -> params`.
        loss: `loss(params, batch, key) -> (sum, weight)`: the loss summed over the examples of the batch, and how many
            there are. Sums of shards add up to the sum of the whole, so padding and sharding never change a result.
        row_wise: the same loss in two parts, `loss(params, draw(batch, key), key)`, if it reads tables row by row.
        tables: how tables are learnt (`training.row_sparse`): `dense` moves every row in every step, `sparse` the rows
            that the batch reads, `auto` is sparse for the tables that have more rows than a batch reads.
    """

    init: Callable[[jax.Array], Params]
    loss: Callable[[Params, Batch, jax.Array], tuple[Float[Array, ""], Float[Array, ""]]]
    row_wise: RowWise | None = None
    tables: TableMode = "auto"
    first_rows: Mapping[str, int] | None = None


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


def initial_state(objective: Objective, optimizer: optax.GradientTransformation, root: jax.Array) -> TrainState:
    """The state before the first step; pure."""
    params = objective.init(jax.random.fold_in(name_key(root, "init"), 0))
    return TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params))
