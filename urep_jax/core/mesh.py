"""The device mesh, and how a batch and what is carried lie on it."""

from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Int64

DATA_AXIS = "data"
"""Name of the axis that rows of a batch are spread over."""


class Part(NamedTuple):
    """Which rows of each batch a process reads: a batch is cut into equal runs of rows, one for each device.

    Attributes:
        runs: numbers of the runs that it reads, from the first of a batch to the last.
        of: runs of a batch.
    """

    runs: tuple[int, ...]
    of: int

    def rows(self, batch_rows: int) -> Int64[np.ndarray, "_"]:
        """Numbers of its rows in a batch.

        Raises:
            ValueError: if the rows of the batch are not a multiple of the runs.
        """
        _check_even(batch_rows, self.of)
        return np.arange(batch_rows).reshape(self.of, -1)[list(self.runs)].reshape(-1)


WHOLE = Part((0,), 1)
"""All rows."""


def data_mesh() -> Mesh:
    """A mesh of all devices along `DATA_AXIS`, with shardings left to the compiler where none is named."""
    return jax.make_mesh((jax.device_count(),), (DATA_AXIS,), axis_types=(AxisType.Auto,))


def local_mesh() -> Mesh:
    """The same of this process's devices alone, where several processes each have work of their own."""
    devices = jax.local_devices()
    return jax.make_mesh((len(devices),), (DATA_AXIS,), axis_types=(AxisType.Auto,), devices=devices)


def replicated(mesh: Mesh) -> NamedSharding:
    """The whole array on every device."""
    return NamedSharding(mesh, PartitionSpec())


def by_rows(mesh: Mesh) -> NamedSharding:
    """The leading axis spread over the devices."""
    return NamedSharding(mesh, PartitionSpec(DATA_AXIS))


def put(x: Any, sharding: NamedSharding) -> jax.Array:
    """Lay a host array on the devices; every process brings the whole array, and lays out what its own devices hold."""
    x = np.asarray(x)
    return jax.make_array_from_callback(x.shape, sharding, lambda own: x[own])


def own_part(mesh: Mesh) -> Part:
    """The rows of a batch that lie on this process's devices once it is spread over the mesh."""
    here = jax.process_index()
    runs = tuple(n for n, device in enumerate(mesh.devices.flat) if device.process_index == here)
    return WHOLE if len(runs) == mesh.size else Part(runs, mesh.size)


def put_batch(batch: Any, mesh: Mesh, part: Part = WHOLE) -> Any:
    """Lay a host batch on the mesh, its rows spread over the devices.

    Args:
        batch: arrays of rows.
        mesh: of all devices.
        part: which rows of the batch the process has read: `WHOLE`, or some of as many runs as there are devices, those
            of its own devices among them.

    Raises:
        ValueError: if the rows of an array of the whole batch are not a multiple of the devices, or runs are others.
    """
    if part.of not in (1, mesh.size):
        raise ValueError(
            f"part is of {part.of} runs, but must be of 1 or as many as devices, {mesh.size}; see own_part"
        )
    check_rows(batch, mesh.size, part)

    def lay(x: Any) -> jax.Array:
        x = np.asarray(x)
        run_rows = len(x) // len(part.runs)

        def own(index: Any) -> np.ndarray:
            # A device's rows lie within one run, and the runs that were read lie behind each other.
            rows = range(*index[0].indices(run_rows * part.of))
            first = part.runs.index(rows.start // max(1, run_rows)) * run_rows + rows.start % max(1, run_rows)
            return x[(slice(first, first + len(rows)), *index[1:])]

        return jax.make_array_from_callback((run_rows * part.of, *x.shape[1:]), by_rows(mesh), own)

    return jax.tree.map(lay, batch)


def put_copies(tree: Any, mesh: Mesh) -> Any:
    """Lay a copy of everything on each device of the mesh; what lies on all of them already stays as it does.

    So what is cut into parts stays cut. Every process brings the same.
    """

    def copied(x: Any) -> jax.Array:
        lies_there = isinstance(x, jax.Array) and x.sharding.device_set == set(mesh.devices.flat)
        return x if lies_there else put(x, replicated(mesh))

    return jax.tree.map(copied, tree)


def check_rows(batch: Any, devices: int, part: Part = WHOLE) -> None:
    """Refuse a host batch, or a process's part of one, that can't be spread evenly.

    Raises:
        ValueError: if the rows of an array of the whole batch are not a multiple of the devices.
    """
    for rows in {len(x) for x in jax.tree.leaves(batch)}:
        _check_even(rows * part.of // len(part.runs), devices)


def _check_even(rows: int, devices: int) -> None:
    if rows % devices:
        raise ValueError(
            f"an array of the batch has {rows} rows, but they must be a multiple of the number of devices, "
            f"{devices}; make the batch larger, or its strata fewer"
        )
