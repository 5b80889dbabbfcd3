"""Rows that lie with their owners, on devices that are pretended: each device's own words against plain NumPy."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from tests.programs import fake_devices
from tests.training.tiny import tiny_training
from urep_jax.core.mesh import DATA_AXIS, data_mesh
from urep_jax.training import owners
from urep_jax.training.layout import TableLayout
from urep_jax.training.optimizers import adam
from urep_jax.training.parallel import parallelize

DEVICES, PART, WIDTH = 4, 6, 2


def exchange(ids_PxU: np.ndarray) -> tuple[np.ndarray, ...]:
    """What each device fetches, whether anybody asks for too much, and what the owners are given: each id's number."""
    table_RxD = np.arange(DEVICES * PART * WIDTH, dtype=np.float32).reshape(-1, WIDTH)
    first = np.concatenate([np.ones_like(ids_PxU[:, :1]), np.diff(ids_PxU) > 0], axis=1)
    grads_PxUxD = np.where(first, 1.0 + ids_PxU, 0)[..., None].repeat(WIDTH, -1).astype(np.float32)

    def on_device(table: jax.Array, ids: jax.Array, grads: jax.Array) -> tuple[jax.Array, ...]:
        asked = owners.ask(ids[0], PART, DATA_AXIS)
        place, sums = owners.give(grads[0], asked, DATA_AXIS)
        return owners.fetch(table, asked, DATA_AXIS)[None], asked.is_over[None], place[None], sums[None]

    spread = PartitionSpec(DATA_AXIS)
    on_all = jax.shard_map(on_device, mesh=data_mesh(), in_specs=(spread,) * 3, out_specs=spread, check_vma=False)
    return tuple(map(np.asarray, jax.jit(on_all)(table_RxD, ids_PxU, grads_PxUxD)))


def check_exchange() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        ids_PxU = np.sort(rng.integers(0, DEVICES * PART, (DEVICES, 14)), axis=1).astype(np.int32)
        fetched, is_over, place_PxV, sums_PxVxD = exchange(ids_PxU)
        assert not is_over.any(), "there is room for all of a part"
        np.testing.assert_array_equal(fetched[..., 0], WIDTH * ids_PxU)
        want = np.zeros(DEVICES * PART)
        for own in ids_PxU:
            want[np.unique(own)] += 1.0 + np.unique(own)
        got = np.zeros(DEVICES * PART)
        for device, (place_V, sums_VxD) in enumerate(zip(place_PxV, sums_PxVxD, strict=True)):
            assert len(set(place_V)) == len(place_V)
            here = place_V < PART
            got[device * PART + place_V[here]] = sums_VxD[here, 0]
            assert not sums_VxD[~here].any()
        np.testing.assert_allclose(got, want)
    # 4 ids have room for 2 of each owner.
    assert exchange(np.tile(np.array([[0, 1, 2, 3]], np.int32), (DEVICES, 1)))[1].all(), "and all are told"
    one = np.array([[0, 1, 2, 3], [0, 6, 12, 18], [0, 6, 12, 18], [0, 6, 12, 18]], np.int32)
    assert exchange(one)[1].all(), "whoever it is"


def steps(layout: TableLayout, room: float) -> list[np.ndarray]:
    owners._ROOM = room
    objective, batches = tiny_training("sparse", catalogue=500)
    parallel = parallelize(objective, adam(0.05, clip_norm=0.05), 0, batches.batch_size, table_layout=layout)
    state, told = parallel.init(), []
    for step in range(4):
        state, info = parallel.step(parallel.key, state, parallel.put_batch(batches[step]))
        told.append(info)
    return [np.asarray(x) for x in jax.tree.leaves((told, parallel.get_state(state)))]


def check_steps() -> None:
    copies = steps("copies", 2)
    # With hardly any room all devices take all rows.
    for room in (2, 0.001):
        for ours, theirs in zip(steps("rows", room), copies, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("check", ["check_exchange", "check_steps"])
def test_owners(check: str) -> None:
    command = [sys.executable, "-c", f"from tests.training import test_owners as t; t.{check}()"]
    ended = subprocess.run(command, env=os.environ | fake_devices(DEVICES), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
