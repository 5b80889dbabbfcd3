"""The mesh: how rows are spread."""

import numpy as np
import pytest

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


def test_a_part_is_laid_where_its_rows_belong() -> None:
    """A part of all runs stands for processes whose devices lie here and there."""
    mesh = data_mesh()
    whole = {"x": np.arange(4 * mesh.size * 3).reshape(-1, 3), "y": np.arange(2 * mesh.size)}
    part = Part(tuple(range(mesh.size)), mesh.size)
    for brought in (WHOLE, part):
        laid = put_batch({name: x[brought.rows(len(x))] for name, x in whole.items()}, mesh, brought)
        for name, x in whole.items():
            np.testing.assert_array_equal(laid[name], x)
            for shard in laid[name].addressable_shards:
                np.testing.assert_array_equal(shard.data, x[shard.index])
