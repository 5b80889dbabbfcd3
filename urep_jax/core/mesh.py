"""The device mesh, and how a batch and what is carried lie on it."""

from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

DATA_AXIS = "data"
"""Name of the axis that rows of a batch are spread over."""


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


def put_batch(batch: Any, mesh: Mesh) -> Any:
    """Lay a host batch on the mesh, its rows spread over the devices; every process brings the same whole batch."""
    check_rows(batch, mesh.size)
    return jax.tree.map(lambda x: put(x, by_rows(mesh)), batch)


def put_copies(tree: Any, mesh: Mesh) -> Any:
    """Lay a copy of everything on each device of the mesh; what lies on all of them already stays as it does.

    So what is cut into parts stays cut. Every process brings the same.
    """

    def copied(x: Any) -> jax.Array:
        lies_there = isinstance(x, jax.Array) and x.sharding.device_set == set(mesh.devices.flat)
        return x if lies_there else put(x, replicated(mesh))

    return jax.tree.map(copied, tree)


def check_rows(batch: Any, devices: int) -> None:
    """Refuse a host batch that can't be spread evenly.

    Raises:
        ValueError: if the rows of an array are not a multiple of the devices.
    """
    for rows in {len(x) for x in jax.tree.leaves(batch)}:
        if rows % devices:
            raise ValueError(
                f"a part of the batch has {rows} rows, but they must be a multiple of the number of devices, "
                f"{devices}; make the batch larger, or its strata fewer"
            )
