"""The training step on all devices: `jit` over one mesh, or `pmap` with a replica on each. Same step, same result."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.experimental import multihost_utils
from jax.sharding import Mesh, PartitionSpec

from urep_jax.core.mesh import DATA_AXIS, Part, by_rows, check_rows, data_mesh, own_part, put, put_batch, replicated
from urep_jax.core.streams import name_key
from urep_jax.training.layout import Layout, TableLayout, cut_back, fill_up, lay_out
from urep_jax.training.learnt import where_learnt
from urep_jax.training.objective import Objective, Params, StepInfo, TrainState, initial_state
from urep_jax.training.owners import ask, fetch, give
from urep_jax.training.row_sparse import (
    Reading,
    RowIds,
    check_tables,
    leaf_tables,
    own_places,
    put_rows,
    read_rows,
    take_rows,
)

ParallelMode = Literal["jit", "pmap"]
Step = Callable[[jax.Array, TrainState, Any], tuple[TrainState, StepInfo]]

_AXIS = "device"


class Parallel(NamedTuple):
    """A compiled training step, and how to bring things to the devices and back.

    Attributes:
        init: makes the state, laid out as the step wants it: no device ever holds more than its part.
        put_state: lays out a state of the host.
        get_state: the whole state as a host copy, the same on any number of devices.
        stored: what a checkpoint holds of a state; of tables that are cut, each process writes its own parts.
        stored_like: shapes of that, and where to restore it to.
        from_stored: the state of what was restored.
        params: the parameters as a single copy that other compiled functions can read. Tables that are cut by rows
            stay so, and end in some rows of zeros that stand for nothing.
        mean: `mean(old, new, share)`: the parameters `share` of the way from old to new, where they lie.
        part: which rows of each batch this process brings: those of its own devices.
        put_batch: lays out a host batch, of which each process brings its part.
        key: the run's, above its streams: an argument of the step, so that seeds share one compiled program.
        step: `step(key, state, batch) -> (state, info)`; the given state is consumed.
        rows: how many rows each table has that stand for something.
    """

    init: Callable[[], TrainState]
    put_state: Callable[[TrainState], TrainState]
    get_state: Callable[[TrainState], TrainState]
    stored: Callable[[TrainState], TrainState]
    stored_like: TrainState
    from_stored: Callable[[TrainState], TrainState]
    params: Callable[[TrainState], Params]
    mean: Callable[[Params, Params, float], Params]
    part: Part
    put_batch: Callable[[Any], Any]
    key: jax.Array
    step: Step
    rows: Mapping[str, int]


def parallelize(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    seed: int,
    batch_size: int,
    mode: ParallelMode = "jit",
    table_layout: TableLayout = "copies",
) -> Parallel:
    """Compile the training of `objective` for all devices of all processes.

    Args:
        objective: what learns.
        optimizer: an optax optimiser.
        seed: names the random streams `init` and `step`.
        batch_size: rows of the whole batch, a multiple of the number of devices.
        mode: `jit` (the default) or `pmap`.
        table_layout: how tables lie on the devices (`training.layout`); `pmap` has copies.

    Raises:
        ValueError: if the batch can't be spread evenly, `mode` or `table_layout` is unknown or not for this objective,
            or the objective's `tables` is unknown or more than its loss allows.
    """
    check_tables(objective)
    devices = jax.device_count()
    if batch_size % devices:
        raise ValueError(f"batch_size is {batch_size}, but must be a multiple of the number of devices, {devices}")
    if mode not in get_args(ParallelMode):
        raise ValueError(f"parallel is {mode!r}, but must be 'jit' or 'pmap'")
    if mode == "pmap" and table_layout == "rows":
        raise ValueError("table_layout is 'rows' with parallel=pmap, which holds copies; set parallel=jit")
    layout = lay_out(objective, optimizer, data_mesh(), table_layout)
    make = _jit if mode == "jit" else _pmap
    return make(layout, optimizer, jax.random.key(seed))


def train_step(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    root: jax.Array,
    state: TrainState,
    batch: Any,
    axis: str | None = None,
    mesh: Mesh | None = None,
    table_layout: TableLayout = "copies",
) -> tuple[TrainState, StepInfo]:
    """One step of gradient descent on the mean loss over the whole batch; pure.

    Args:
        objective: what learns.
        optimizer: an optax optimiser.
        root: the run's key, above its streams.
        state: before the step.
        batch: whole, or the part of it that this device holds.
        axis: the `pmap` axis over which it is spread, if this is such a part.
        mesh: the devices over which its rows lie, if it is whole and lies on several.
        table_layout: how tables lie on these.
    """
    key = jax.random.fold_in(name_key(root, "step"), state.step)
    reading = read_rows(objective, state.params, batch, key, axis)
    if mesh is not None and table_layout == "rows" and reading.rows:
        return _step_by_owners(objective, optimizer, key, state, batch, mesh, reading.rows)
    taken = take_rows(optimizer, state, reading.rows).params
    sums = _sums(reading, taken, key, axis, mesh)
    return _moved(objective, optimizer, state, taken, sums, reading.rows, reading.rows)


def _moved(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    state: TrainState,
    params: Params,
    sums: Any,
    rows: RowIds,
    places: RowIds,
) -> tuple[TrainState, StepInfo]:
    """What a step makes of the `sums` over the whole batch (`_sums`); the rest as `_learnt` has it."""
    loss, weight, grads = sums
    weight = jnp.maximum(weight, 1.0)
    grads = _mean_gradient(objective, grads, weight, rows)
    norm = optax.tree.norm(grads)
    changed = _learnt(objective, optimizer, state, params, grads, norm, rows, places)
    return changed, StepInfo(loss / weight, weight, norm)


def _mean_gradient(objective: Objective, grads: Params, weight: jax.Array, rows: RowIds) -> Params:
    grads = jax.tree.map(lambda g: g / weight, grads)
    return where_learnt(objective.first_rows, grads, optax.tree.zeros_like(grads), rows)


def _learnt(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    state: TrainState,
    params: Params,
    grads: Params,
    norm: jax.Array,
    rows: RowIds,
    places: RowIds,
) -> TrainState:
    """The state after a step.

    Args:
        objective: what learns.
        optimizer: an optax optimiser.
        state: before the step, of tables all rows, or this device's.
        params: before the step, of tables `rows`.
        grads: likewise.
        norm: of the whole gradient.
        rows: which rows of row-sparse tables these are.
        places: where they are in the tables of `state`.
    """
    opt_state = take_rows(optimizer, state, places).opt_state
    update = optax.with_extra_args_support(optimizer).update
    updates, opt_state = update(grads, opt_state, params, grad_norm=norm)
    learnt = where_learnt(objective.first_rows, optax.apply_updates(params, updates), params, rows)
    return put_rows(optimizer, state, TrainState(state.step + 1, learnt, opt_state), places)


def _step_by_owners(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    key: jax.Array,
    state: TrainState,
    batch: Any,
    mesh: Mesh,
    rows: RowIds,
) -> tuple[TrainState, StepInfo]:
    """A step where each device holds a part of the tables that `rows` are of, and learns the rows of its part.

    Devices ask the owners for what they read, and give them its gradient (`training.owners`). Where one would ask for
    too much of one owner, all take every row that any of them reads, in that step.
    """
    like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), state.params)
    whole, spread = PartitionSpec(), PartitionSpec(DATA_AXIS)

    def own_step(key: jax.Array, state: TrainState, batch: Any) -> tuple[TrainState, StepInfo]:
        own = read_rows(objective, like, batch, key, DATA_AXIS, of_all_devices=False)
        tables = state.params["tables"]
        asked = {name: ask(ids, len(tables[name]), DATA_AXIS) for name, ids in own.ids.items()}
        first = {name: jax.lax.axis_index(DATA_AXIS) * one.part for name, one in asked.items()}

        def by_asking(state: TrainState) -> tuple[TrainState, StepInfo]:
            taken = {name: fetch(tables[name], one, DATA_AXIS) for name, one in asked.items()}
            params = _with_tables(state.params, taken)
            (loss, weight), grads = jax.value_and_grad(own.loss, has_aux=True)(params, own.drawn, key)
            given = {name: give(grads["tables"][name], one, DATA_AXIS) for name, one in asked.items()}
            rest = _with_tables(grads, {name: jnp.zeros(()) for name in asked})
            loss, weight, rest = jax.lax.psum((loss, weight, rest), DATA_AXIS)
            weight = jnp.maximum(weight, 1.0)
            places = {name: place_V for name, (place_V, _) in given.items()}
            rows = {name: place_V + first[name] for name, place_V in places.items()}
            sums = _with_tables(rest, {name: sum_VxD for name, (_, sum_VxD) in given.items()})
            grads = _mean_gradient(objective, sums, weight, rows)
            of_rows = {name: grads["tables"][name] for name in asked}
            of_rest = optax.tree.norm(_with_tables(grads, {name: jnp.zeros(()) for name in asked}), squared=True)
            norm = jnp.sqrt(of_rest + jax.lax.psum(optax.tree.norm(of_rows, squared=True), DATA_AXIS))
            before = take_rows(optimizer, state, places).params
            changed = _learnt(objective, optimizer, state, before, grads, norm, rows, places)
            return changed, StepInfo(loss / weight, weight, norm)

        def of_all(state: TrainState) -> tuple[TrainState, StepInfo]:
            reading = read_rows(objective, like, batch, key, DATA_AXIS)
            places = {name: own_places(ids - first[name], asked[name].part) for name, ids in reading.rows.items()}
            here = take_rows(optimizer, state, places).params
            of_rows = jax.lax.psum({name: here["tables"][name] for name in asked}, DATA_AXIS)
            taken = _with_tables(here, of_rows)
            sums = _sums(reading, taken, key, DATA_AXIS, None)
            return _moved(objective, optimizer, state, taken, sums, reading.rows, places)

        is_over = jnp.any(jnp.stack([one.is_over for one in asked.values()]))
        return jax.lax.cond(is_over, of_all, by_asking, state)

    names = leaf_tables(optimizer, state, rows, mend="set table_layout=copies")
    lies = jax.tree.map(lambda name: spread if name else whole, names)
    step = jax.shard_map(own_step, mesh=mesh, in_specs=(whole, lies, spread), out_specs=(lies, whole), check_vma=False)
    return step(key, state, batch)


def _with_tables(params: Params, tables: Mapping[str, Any]) -> Params:
    return params | {"tables": params["tables"] | tables}


def _sums(reading: Reading, params: Params, key: jax.Array, axis: str | None, mesh: Mesh | None) -> Any:
    """The loss, its weight and the gradient, summed over the whole batch.

    Each device has its own rows, and what they give is summed once. Left to the compiler, the gradient of a table would
    be summed over the devices as often as the loss reads it.
    """

    def summed(params: Params, drawn: Any, key: jax.Array, axis: str | None) -> Any:
        (loss, weight), grads = jax.value_and_grad(reading.loss, has_aux=True)(params, drawn, key)
        sums = (loss, weight, grads)
        return sums if axis is None else jax.lax.psum(sums, axis)

    if mesh is None or mesh.size == 1:
        return summed(params, reading.drawn, key, axis)
    whole = PartitionSpec()
    lies = jax.tree.map(lambda spread: PartitionSpec(DATA_AXIS) if spread else whole, reading.by_rows)
    own = jax.shard_map(
        partial(summed, axis=DATA_AXIS), mesh=mesh, in_specs=(whole, lies, whole), out_specs=whole, check_vma=False
    )
    return own(params, reading.drawn, key)


def _jit(layout: Layout, optimizer: optax.GradientTransformation, root: jax.Array) -> Parallel:
    mesh = data_mesh()
    part = own_part(mesh)
    everywhere, lies = replicated(mesh), layout.shardings
    root = jax.random.wrap_key_data(put(jax.random.key_data(root), everywhere))
    whole = jax.eval_shape(partial(initial_state, layout.whole, optimizer), root)
    step = jax.jit(
        partial(train_step, layout.objective, optimizer, mesh=mesh, table_layout=layout.tables),
        in_shardings=(everywhere, lies, by_rows(mesh)),
        out_shardings=(lies, everywhere),
        donate_argnums=1,
    )
    init = jax.jit(partial(initial_state, layout.objective, optimizer), out_shardings=lies)

    return Parallel(
        init=lambda: init(root),
        put_state=lambda state: jax.tree.map(put, fill_up(state, layout.state), lies),
        get_state=lambda state: cut_back(_on_host(state), whole),
        stored=lambda state: state,
        stored_like=layout.state,
        from_stored=lambda state: state,
        params=lambda state: state.params,
        mean=jax.jit(_mean, out_shardings=lies.params),
        part=part,
        put_batch=lambda batch: put_batch(batch, mesh, part),
        key=root,
        step=step,
        rows=layout.rows,
    )


def _pmap(layout: Layout, optimizer: optax.GradientTransformation, root: jax.Array) -> Parallel:
    objective, local = layout.objective, jax.local_device_count()
    part = own_part(data_mesh())

    def replicate(tree: Any) -> Any:
        # As an argument: what a function closes over is compiled into it, number by number.
        return jax.pmap(lambda _, tree: tree, in_axes=(0, None), axis_name=_AXIS)(np.zeros(local), tree)

    def spread(batch: Any) -> Any:
        check_rows(batch, jax.device_count(), part)
        return jax.tree.map(lambda x: np.reshape(x, (local, len(x) // local, *x.shape[1:])), batch)

    def first(tree: Any) -> Any:
        return jax.tree.map(lambda x: x.addressable_shards[0].data.reshape(x.shape[1:]), tree)

    step = jax.pmap(
        lambda root, state, batch: train_step(objective, optimizer, root, state, batch, _AXIS),
        axis_name=_AXIS,
        in_axes=(None, 0, 0),
        donate_argnums=1,
    )

    def stepped(root: jax.Array, state: TrainState, batch: Any) -> tuple[TrainState, StepInfo]:
        state, info = step(root, state, batch)
        return state, first(info)

    def get_state(state: TrainState) -> TrainState:
        host: TrainState = jax.device_get(first(state))
        return host

    return Parallel(
        init=lambda: replicate(jax.jit(partial(initial_state, objective, optimizer))(root)),
        put_state=replicate,
        get_state=get_state,
        stored=get_state,
        stored_like=jax.tree.map(lambda x: np.empty(x.shape, x.dtype), layout.state),
        from_stored=replicate,
        params=lambda state: first(state).params,
        mean=_mean,
        part=part,
        put_batch=spread,
        key=root,
        step=stepped,
        rows=layout.rows,
    )


def _mean(old: Params, new: Params, share: float | jax.Array) -> Params:
    # Written so that what doesn't move has itself as its mean, to the bit.
    return jax.tree.map(lambda old, new: old + share * (new - old), old, new)


def _on_host(tree: Any) -> Any:
    """Whole arrays; those of which other processes hold parts are brought together."""

    def whole(x: jax.Array) -> np.ndarray:
        is_here = x.is_fully_addressable or x.is_fully_replicated
        return np.asarray(x if is_here else multihost_utils.process_allgather(x, tiled=True))

    return jax.tree.map(whole, tree)
