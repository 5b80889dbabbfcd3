"""Rows of a table that is cut among devices: each asks the owners of those that it reads, and sends back gradients.

All functions run on one device of a mesh axis (`jax.shard_map`) and speak with the others. What a device sends grows
with the rows that it reads itself, and not with the number of devices: of each other device it can ask for twice as
many rows as it would if they lay evenly. If any asks for more, all are told (`Asked.is_over`), and what was asked for
is of no use.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

_ROOM: float = 2
"""Times the rows that a device would ask of each other if they lay evenly."""


class Asked(NamedTuple):
    """What a device asks for, and what it is asked for.

    Attributes:
        owner: of each of its ids, which device has the row.
        slot: where the row stands among those that it asks this device for.
        is_first: whether this is the first of the ids that are the same.
        wanted: by device and slot, which of the rows that lie here is asked for; their number for none.
        part: that number.
        is_over: whether any device asks for more than there is room for.
    """

    owner: Int[Array, "U"]
    slot: Int[Array, "U"]
    is_first: Bool[Array, "U"]
    wanted: Int[Array, "P C"]
    part: int
    is_over: Bool[Array, ""]


def ask(ids: Int[Array, "U"], part: int, axis: str) -> Asked:
    """Ask for rows.

    Args:
        ids: sorted; repeats are asked for once.
        part: rows of the table that lie on each device, in the order of the axis.
        axis: of the mesh.
    """
    devices = jax.lax.axis_size(axis)
    capacity = min(part, math.ceil(_ROOM * len(ids) / devices))
    is_first_U = jnp.pad(ids[1:] != ids[:-1], (1, 0), constant_values=True)
    owner_U = ids // part
    number_U = jnp.cumsum(is_first_U) - 1
    begins_P = number_U[jnp.minimum(jnp.searchsorted(ids, part * jnp.arange(devices)), len(ids) - 1)]
    slot_U = number_U - begins_P[owner_U]
    asked_PxC = jnp.full((devices, capacity), part, ids.dtype)
    # A slot past the end is left out.
    asked_PxC = asked_PxC.at[owner_U, slot_U].set(ids % part, mode="drop")
    is_over = jax.lax.pmax(jnp.max(slot_U) >= capacity, axis)
    return Asked(owner_U, slot_U, is_first_U, jax.lax.all_to_all(asked_PxC, axis, 0, 0, tiled=True), part, is_over)


def fetch(table: Float[Array, "R D"], asked: Asked, axis: str) -> Float[Array, "U D"]:
    """The rows that were asked for; repeats have them too.

    Args:
        table: the rows that lie here.
        asked: by `ask`.
        axis: of the mesh.
    """
    rows_PxCxD = table.at[asked.wanted].get(mode="fill", fill_value=0)
    return jax.lax.all_to_all(rows_PxCxD, axis, 0, 0, tiled=True)[asked.owner, asked.slot]


def give(grads: Float[Array, "U D"], asked: Asked, axis: str) -> tuple[Int[Array, "V"], Float[Array, "V D"]]:
    """Send gradients to the owners of the rows that they are for.

    Args:
        grads: of the rows that were asked for; those of repeats are nothing.
        asked: by `ask`.
        axis: of the mesh.

    Returns:
        Which of the rows that lie here were asked for by any device, distinct, and past the last of them places that
        stand for nothing; and their gradients, summed over the devices.
    """
    devices, capacity = asked.wanted.shape
    slot_U = jnp.where(asked.is_first, asked.slot, capacity)
    sent_PxCxD = jnp.zeros((devices, capacity, grads.shape[1])).at[asked.owner, slot_U].set(grads, mode="drop")
    grads_VxD = jax.lax.all_to_all(sent_PxCxD, axis, 0, 0, tiled=True).reshape(devices * capacity, -1)
    place_V = asked.wanted.reshape(-1)
    order_V = jnp.argsort(place_V)
    place_V = place_V[order_V]
    number_V = jnp.cumsum(jnp.pad(place_V[1:] != place_V[:-1], (1, 0)))
    sums_VxD = jax.ops.segment_sum(grads_VxD[order_V], number_V, len(place_V), indices_are_sorted=True)
    past_V = asked.part + jnp.arange(len(place_V), dtype=place_V.dtype)
    distinct_V = past_V.at[number_V].set(place_V)
    return jnp.where(distinct_V < asked.part, distinct_V, past_V), sums_VxD
