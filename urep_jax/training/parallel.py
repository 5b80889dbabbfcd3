"""The training step on all devices: `jit` over one mesh, or `pmap` with a replica on each. Same step, same result."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from urep_jax.core.mesh import by_rows, check_rows, data_mesh, put_batch, replicated
from urep_jax.core.streams import name_key
from urep_jax.training.learnt import where_learnt
from urep_jax.training.objective import Objective, Params, StepInfo, TrainState
from urep_jax.training.row_sparse import check_tables, put_rows, read_rows, take_rows

ParallelMode = Literal["jit", "pmap"]
Step = Callable[[jax.Array, TrainState, Any], tuple[TrainState, StepInfo]]

_AXIS = "device"


class Parallel(NamedTuple):
    """A compiled training step, and how to bring things to the devices and back.

    Attributes:
        init: makes the state, laid out as the step wants it.
        put_state: lays out a state that was restored on the host.
        get_state: the state as one host copy.
        params: the parameters as a single copy that other compiled functions can read.
        put_batch: lays out a host batch.
        key: the run's, above its streams: an argument of the step, so that seeds share one compiled program.
        step: `step(key, state, batch) -> (state, info)`; the given state is consumed.
    """

    init: Callable[[], TrainState]
    put_state: Callable[[TrainState], TrainState]
    get_state: Callable[[TrainState], TrainState]
    params: Callable[[TrainState], Params]
    put_batch: Callable[[Any], Any]
    key: jax.Array
    step: Step


def parallelize(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    seed: int,
    batch_size: int,
    mode: ParallelMode = "jit",
) -> Parallel:
    """Compile the training of `objective` for all devices.

    Args:
        objective: what learns.
        optimizer: an optax optimiser.
        seed: names the random streams `init` and `step`.
        batch_size: rows of the whole batch, a multiple of the number of devices.
        mode: `jit` (the default) or `pmap`.

    Raises:
        ValueError: if the batch can't be spread evenly, `mode` is unknown, or the objective's `tables` is unknown or
            more than its loss allows.
    """
    check_tables(objective)
    devices = jax.device_count()
    if batch_size % devices:
        raise ValueError(f"batch_size is {batch_size}, but must be a multiple of the number of devices, {devices}")
    make = {"jit": _jit, "pmap": _pmap}.get(mode)
    if make is None:
        raise ValueError(f"parallel is {mode!r}, but must be 'jit' or 'pmap'")
    return make(objective, optimizer, jax.random.key(seed))


def train_step(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    root: jax.Array,
    state: TrainState,
    batch: Any,
    axis: str | None = None,
) -> tuple[TrainState, StepInfo]:
    """One step of gradient descent on the mean loss over the whole batch; pure.

    Args:
        objective: what learns.
        optimizer: an optax optimiser.
        root: the run's key, above its streams.
        state: before the step.
        batch: the part of it that this device holds.
        axis: the `pmap` axis over which the batch is spread, if it is.
    """
    key = jax.random.fold_in(name_key(root, "step"), state.step)
    reading = read_rows(objective, state.params, batch, key, axis)
    taken = take_rows(optimizer, state, reading.rows)
    (loss, weight), grads = jax.value_and_grad(reading.loss, has_aux=True)(taken.params)
    if axis is not None:
        loss, weight, grads = jax.lax.psum((loss, weight, grads), axis)
    weight = jnp.maximum(weight, 1.0)
    grads = jax.tree.map(lambda g: g / weight, grads)
    grads = where_learnt(objective.first_rows, grads, optax.tree.zeros_like(grads), reading.rows)
    updates, opt_state = optimizer.update(grads, taken.opt_state, taken.params)
    params = where_learnt(objective.first_rows, optax.apply_updates(taken.params, updates), taken.params, reading.rows)
    changed = TrainState(state.step + 1, params, opt_state)
    info = StepInfo(loss / weight, weight, optax.tree.norm(grads))
    return put_rows(optimizer, state, changed, reading.rows), info


def initial_state(objective: Objective, optimizer: optax.GradientTransformation, root: jax.Array) -> TrainState:
    """The state before the first step; pure."""
    params = objective.init(jax.random.fold_in(name_key(root, "init"), 0))
    return TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params))


def _jit(objective: Objective, optimizer: optax.GradientTransformation, root: jax.Array) -> Parallel:
    mesh = data_mesh()
    everywhere = replicated(mesh)
    root = jax.device_put(root, everywhere)
    step = jax.jit(
        partial(train_step, objective, optimizer),
        in_shardings=(everywhere, everywhere, by_rows(mesh)),
        out_shardings=everywhere,
        donate_argnums=1,
    )
    init = jax.jit(partial(initial_state, objective, optimizer), out_shardings=everywhere)
    return Parallel(
        init=lambda: init(root),
        put_state=lambda state: jax.device_put(state, everywhere),
        get_state=jax.device_get,
        params=lambda state: state.params,
        put_batch=lambda batch: put_batch(batch, mesh),
        key=root,
        step=step,
    )


def _pmap(objective: Objective, optimizer: optax.GradientTransformation, root: jax.Array) -> Parallel:
    local = jax.local_device_count()

    def replicate(tree: Any) -> Any:
        # As an argument: what a function closes over is compiled into it, number by number.
        return jax.pmap(lambda _, tree: tree, in_axes=(0, None), axis_name=_AXIS)(np.zeros(local), tree)

    def spread(batch: Any) -> Any:
        check_rows(batch, local)
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

    return Parallel(
        init=lambda: replicate(jax.jit(partial(initial_state, objective, optimizer))(root)),
        put_state=replicate,
        get_state=lambda state: jax.device_get(first(state)),
        params=lambda state: first(state).params,
        put_batch=spread,
        key=root,
        step=stepped,
    )
