"""The mesh: how rows are spread."""

import os
import subprocess
import sys
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
from jax.sharding import Mesh

from tests.programs import fake_devices
from urep_jax.core.mesh import WHOLE, Part, check_rows, data_mesh, own_part, put_batch


def test_rows_that_cannot_be_spread_are_refused() -> None:
    check_rows([np.zeros((8, 2)), np.zeros(16)], 8)
    with pytest.raises(ValueError, match=r"has 4 rows, but they must be a multiple of the number of devices, 8; make"):
        check_rows([np.zeros((8, 2)), np.zeros(4)], 8)
    with pytest.raises(ValueError, match=r"has 12 rows, but they must be a multiple of the number of devices, 8; make"):
        check_rows([np.zeros((3, 2))], 8, Part((0, 5), 8))


def test_a_part_is_runs_of_rows() -> None:
    assert WHOLE.rows(5).tolist() == [0, 1, 2, 3, 4]
    assert Part((1, 3), 4).rows(12).tolist() == [3, 4, 5, 9, 10, 11]
    with pytest.raises(ValueError, match="has 10 rows"):
        Part((1, 3), 4).rows(10)


def test_one_process_reads_all() -> None:
    assert own_part(data_mesh()) == WHOLE


def test_a_process_reads_the_runs_of_its_devices() -> None:
    devices = np.array([SimpleNamespace(process_index=n) for n in (0, 1, 1, 0)])
    mesh = Mock(spec=Mesh, devices=devices, size=4)
    assert own_part(mesh) == Part((0, 3), 4)


def test_a_part_is_laid_where_its_rows_belong() -> None:
    """Runs in any order, on four devices: as of processes whose devices lie here and there."""
    code = "from tests.core.test_mesh import lay_parts; lay_parts()"
    subprocess.run([sys.executable, "-c", code], env=os.environ | fake_devices(4), check=True)


def lay_parts() -> None:
    """All that the test above says, where there are four devices."""
    mesh = data_mesh()
    whole = {
        "x": np.arange(16 * 3).reshape(-1, 3),
        "y": np.arange(8),
        "nothing": np.zeros((8, 0)),
        "empty": np.zeros(0),
    }
    for part in (WHOLE, Part((0, 1, 2, 3), 4), Part((2, 0, 3, 1), 4)):
        laid = put_batch({name: x[part.rows(len(x))] for name, x in whole.items()}, mesh, part)
        for name, x in whole.items():
            np.testing.assert_array_equal(laid[name], x)
            assert len(laid[name].addressable_shards) == 4
            for shard in laid[name].addressable_shards:
                np.testing.assert_array_equal(shard.data, x[shard.index])
    with pytest.raises(ValueError, match="part is of 2 runs, but must be of 1 or as many as devices, 4"):
        put_batch(whole, mesh, Part((0, 1), 2))
