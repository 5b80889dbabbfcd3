"""The mesh: how rows are spread."""

import numpy as np
import pytest

from urep_jax.core.mesh import check_rows


def test_rows_that_cannot_be_spread_are_refused() -> None:
    check_rows([np.zeros((8, 2)), np.zeros(16)], 8)
    with pytest.raises(ValueError, match=r"has 4 rows, but they must be a multiple of the number of devices, 8; make"):
        check_rows([np.zeros((8, 2)), np.zeros(4)], 8)
