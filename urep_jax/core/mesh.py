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


def replicated(mesh: Mesh) -> NamedSharding:
    """The whole array on every device."""
    return NamedSharding(mesh, PartitionSpec())


def by_rows(mesh: Mesh) -> NamedSharding:
    """The leading axis spread over the devices."""
    return NamedSharding(mesh, PartitionSpec(DATA_AXIS))


def put_batch(batch: Any, mesh: Mesh) -> Any:
    """Lay a host batch on the mesh, its rows spread over the devices; every process brings its own rows."""
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(by_rows(mesh), np.asarray(x)), batch)
