"""Row-sparse steps: only the rows of a table that a batch reads are brought in, learnt and written back.

What a step costs then depends on the batch and not on the catalogue. Whatever optax optimiser is given runs on the rows
and on its own state for them, so Adam becomes lazy Adam: a row that a batch doesn't read keeps its place and its
moments, where plain Adam would let the moments decay and carry the row on along them. The bias correction is the usual
one, by the number of steps taken in all. Row 0 (`PAD`) counts as read in every step. The two are the same as long as
every row is read in every step, and in the step that reads a row first; at the same parameters, the gradients and
their global norm always are.

Source:
    Adam: Kingma and Ba 2015. Its lazy variant is that of TensorFlow's `LazyAdam`.
"""

import math
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, NamedTuple, get_args

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from urep_jax.data.vocabulary import PAD
from urep_jax.training.objective import Batch, Drawn, Objective, Params, RowWise, TableMode, TrainState

_MEND = "set tables=dense"

RowIds = Mapping[str, Int[Array, "_"]]
"""For each row-sparse table, the rows that a step reads: distinct; those past the table's end are places not needed."""


class Reading(NamedTuple):
    """What one step computes on.

    Attributes:
        loss: `loss(params, drawn, key) -> (sum, weight)`, on what `take_rows` leaves of the parameters.
        drawn: what is learnt from.
        by_rows: of each of its arrays, whether it has the batch's rows as its leading axis, or is for all of them.
        ids: of each row-sparse table, the rows that are read: sorted, `PAD` the first, with repeats.
        rows: what to take; empty if every table is dense.
    """

    loss: Callable[[Params, Drawn, jax.Array], tuple[Float[Array, ""], Float[Array, ""]]]
    drawn: Drawn
    by_rows: Any
    ids: Mapping[str, Int[Array, "_"]]
    rows: RowIds


def check_tables(objective: Objective) -> None:
    """Refuse a way to learn tables that there is not, or that the loss doesn't allow.

    Raises:
        ValueError: naming the value, the rule and the mend.
    """
    if objective.tables not in get_args(TableMode):
        raise ValueError(f"tables is {objective.tables!r}, but must be one of {', '.join(get_args(TableMode))}")
    if objective.tables == "sparse" and objective.row_wise is None:
        raise ValueError(
            "tables is 'sparse', but the loss reads whole tables, as softmax does; set tables=auto, or a loss that "
            "reads them row by row"
        )


def count_ids(row_wise: RowWise, batch: Batch, key: jax.Array) -> dict[str, int]:
    """How many ids of each table a batch holds once its random choices are made, repeats included; known from shapes.

    Args:
        row_wise: the loss.
        batch: arrays, or their shapes and dtypes.
        key: likewise.
    """
    drawn = jax.eval_shape(row_wise.draw, batch, key)
    return {
        name: sum(math.prod(ids.shape) for ids in _id_arrays(map_ids, drawn)) for name, map_ids in row_wise.ids.items()
    }


def read_rows(
    objective: Objective,
    params: Params,
    batch: Batch,
    key: jax.Array,
    axis: str | None = None,
    *,
    of_all_devices: bool = True,
) -> Reading:
    """Settle which tables are row-sparse in a step, and which of their rows it reads.

    Args:
        objective: what learns.
        params: whole; only their shapes matter.
        batch: what is learnt from.
        key: of the step, as the loss gets it.
        axis: that over which the batch is spread, if this is a device's part of it.
        of_all_devices: whether every device takes the rows that any of them reads, or its own only.
    """
    dense = Reading(objective.loss, batch, jax.tree.map(lambda _: True, batch), {}, {})
    row_wise = objective.row_wise
    if row_wise is None or objective.tables == "dense":
        return dense
    # Judged by the whole batch, so that the answer is the same on any number of devices.
    devices = 1 if axis is None else jax.lax.axis_size(axis)
    whole = jax.tree.map(lambda x: jax.ShapeDtypeStruct((devices * x.shape[0], *x.shape[1:]), x.dtype), batch)
    counts = count_ids(row_wise, whole, key)
    names = [name for name in counts if objective.tables == "sparse" or counts[name] < len(params["tables"][name])]
    if not names:
        return dense
    drawn, by_rows, ids = row_wise.draw(batch, key), _by_rows(row_wise.draw, batch, key), {}
    axis = axis if of_all_devices else None
    for name in names:
        map_ids = row_wise.ids[name]
        pairs = zip(_id_arrays(map_ids, drawn), _id_arrays(map_ids, by_rows), strict=True)
        ids_N = jnp.concatenate([_of_all_devices(own, axis if spread else None).ravel() for own, spread in pairs])
        # PAD is the smallest id and made sure to be there, so its place is the first and it keeps its name.
        ids[name] = jnp.sort(jnp.pad(ids_N, (1, 0), constant_values=PAD))
        drawn = map_ids(partial(jnp.searchsorted, ids[name]), drawn)
    rows = {name: _without_repeats(own, len(params["tables"][name])) for name, own in ids.items()}
    return Reading(row_wise.loss, drawn, by_rows, ids, rows)


def take_rows(optimizer: optax.GradientTransformation, state: TrainState, rows: RowIds) -> TrainState:
    """The state that a step works on: of every row-sparse table, and of the optimiser's state for it, `rows` alone.

    Raises:
        ValueError: if the optimiser's state for a table is not of the table's shape.
    """
    if not rows:
        return state

    def take(name: str, x: Any) -> Any:
        return x.at[rows[name]].get(mode="fill", fill_value=0, unique_indices=True) if name else x

    return jax.tree.map(take, leaf_tables(optimizer, state, rows, _MEND), state)


def put_rows(
    optimizer: optax.GradientTransformation, state: TrainState, changed: TrainState, rows: RowIds
) -> TrainState:
    """The whole state after a step: `state`, with what the step made of its `rows` put in their places."""
    if not rows:
        return changed

    def put(name: str, x: Any, small: Any) -> Any:
        return x.at[rows[name]].set(small, mode="drop", unique_indices=True) if name else small

    return jax.tree.map(put, leaf_tables(optimizer, state, rows, _MEND), state, changed)


def own_places(places: Int[Array, "U"], num_rows: int) -> Int[Array, "U"]:
    """Places in a part of a table, those outside it turned into places past its end, all of them distinct.

    Args:
        places: counted from the part's first row.
        num_rows: of the part.
    """
    is_own_U = (places >= 0) & (places < num_rows)
    return jnp.where(is_own_U, places, num_rows + jnp.arange(len(places), dtype=places.dtype))


def _id_arrays(map_ids: Callable[..., Any], drawn: Any) -> list[Any]:
    """The arrays of ids in `drawn`, or their shapes, in the order in which `map_ids` comes to them."""
    found = []

    def note(ids: Any) -> Any:
        found.append(ids)
        return ids

    map_ids(note, drawn)
    return found


def _by_rows(draw: Callable[[Batch, jax.Array], Drawn], batch: Batch, key: jax.Array) -> Any:
    """Of each array that is drawn, whether it has the batch's rows as its leading axis: it grows with them then."""
    more = jax.tree.map(lambda x: jax.ShapeDtypeStruct((2 * x.shape[0], *x.shape[1:]), x.dtype), batch)
    drawn, drawn_more = (jax.eval_shape(draw, one, key) for one in (batch, more))
    return jax.tree.map(lambda own, larger: own.shape != larger.shape, drawn, drawn_more)


def _of_all_devices(ids: Array, axis: str | None) -> Array:
    """The ids of the whole batch."""
    return ids if axis is None else jax.lax.all_gather(ids, axis, tiled=True)


def _without_repeats(sorted_ids: Int[Array, "U"], num_rows: int) -> Int[Array, "U"]:
    """The ids, each repeat turned into a row past the end, all of them distinct."""
    repeat_U = jnp.pad(sorted_ids[1:] == sorted_ids[:-1], (1, 0))
    return jnp.where(repeat_U, num_rows + jnp.arange(len(sorted_ids), dtype=sorted_ids.dtype), sorted_ids)


def leaf_tables(
    optimizer: optax.GradientTransformation, state: TrainState, names: Collection[str], mend: str
) -> TrainState:
    """For every leaf of the state, which of the tables `names` it is or belongs to, or an empty word.

    Raises:
        ValueError: if the optimiser's state for such a table is not of its shape, and what mends it.
    """
    if not names:
        return jax.tree.map(lambda _: "", state)
    tables = {name: name if name in names else "" for name in state.params["tables"]}
    params = jax.tree.map(lambda _: "", state.params) | {"tables": tables}
    shapes = jax.tree.map(lambda x: x.shape, state.params)

    def of_optimizer(x: Any, name: str, shape: tuple[int, ...]) -> Any:
        # Where an optimiser has several rules, each has a state for what it is for, and this for the rest.
        if isinstance(x, optax.MaskedNode):
            return x
        if name and x.shape != shape:
            raise ValueError(
                f"the optimiser's state for table {name!r} has shape {x.shape}, but must have the table's, {shape}; "
                f"{mend}"
            )
        return name

    opt_state = optax.tree_map_params(
        optimizer,
        of_optimizer,
        state.opt_state,
        params,
        shapes,
        transform_non_params=lambda _: "",
        is_leaf=lambda x: isinstance(x, optax.MaskedNode),
    )
    return TrainState._make(["", params, opt_state])
