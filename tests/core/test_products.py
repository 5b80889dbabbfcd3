"""Products with some rows of a table."""

import jax
import numpy as np
import pytest

from urep_jax.core.products import FEW, FEW_ALONE, products_of_rows


@pytest.mark.parametrize(
    ("rows", "count"),
    [(4, 2), (3 * FEW, 2), (3 * FEW + 1, 2), (200, 2), (4, 1), (3 * FEW_ALONE, 1), (3 * FEW_ALONE + 1, 1)],
)
def test_the_order_of_the_work_changes_nothing(rows: int, count: int) -> None:
    table_VxF, x_QxF = jax.random.normal(jax.random.key(0), (rows, 5)), jax.random.normal(jax.random.key(1), (count, 5))
    at_N = jax.random.randint(jax.random.key(2), (3,), 0, rows)
    found_NxQ = products_of_rows(table_VxF, at_N, x_QxF)
    np.testing.assert_allclose(found_NxQ, np.asarray(table_VxF)[np.asarray(at_N)] @ np.asarray(x_QxF).T, rtol=1e-5)
