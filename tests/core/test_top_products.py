"""The best rows of a table against sorting, however the table is cut up, and in how much memory."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from urep_jax.core import top_products as room
from urep_jax.core.top_products import named, top_products


@pytest.mark.parametrize("block_scores", [1, 12, 40, 1 << 24])
@pytest.mark.parametrize("k", [1, 5, 23])
def test_matches_a_stable_sort(monkeypatch: pytest.MonkeyPatch, block_scores: int, k: int) -> None:
    """Of 23 rows in blocks of as many as are asked for, of 10, and of all; many products are equal."""
    monkeypatch.setattr(room, "_BLOCK_SCORES", block_scores)
    rng = np.random.default_rng(k)
    vectors, table = rng.integers(-1, 2, (4, 3)).astype(np.float32), rng.integers(-1, 2, (23, 3)).astype(np.float32)
    out_BxR = rng.random((4, 23)) < 0.4
    products, rows = top_products(jnp.array(vectors), jnp.array(table), k, lambda row: jnp.array(out_BxR)[:, row])
    scores_BxR = np.where(out_BxR, -np.inf, vectors @ table.T)
    order_Bxk = np.argsort(-scores_BxR, axis=1, kind="stable")[:, :k]
    expected_Bxk = np.take_along_axis(scores_BxR, order_Bxk, axis=1)
    np.testing.assert_array_equal(products, expected_Bxk)
    np.testing.assert_array_equal(
        np.where(expected_Bxk > -np.inf, rows, -1), np.where(expected_Bxk > -np.inf, order_Bxk, -1)
    )


@pytest.mark.parametrize("first", [0, 3, 17])
def test_lists_name_rows_of_any_block(first: int) -> None:
    number = np.array([[0, 3, 4, 99], [20, 20, 99, 99], [99, 99, 99, 99]])
    row = np.arange(first, first + 6)
    expected = [[r in own for r in row] for own in number.tolist()]
    assert named(number, jnp.asarray(row)).tolist() == expected
    assert not named(np.zeros((3, 0), np.int32), jnp.asarray(row)).any()


def test_ten_million_rows_take_no_more_room_than_a_million() -> None:
    def temporary(rows: int) -> int:
        find = jax.jit(lambda vectors, table: top_products(vectors, table, 10, lambda row: row < 1))
        table = jax.ShapeDtypeStruct((rows, 8), jnp.float32)
        analysis: Any = find.lower(jax.ShapeDtypeStruct((64, 8), jnp.float32), table).compile().memory_analysis()
        return analysis.temp_size_in_bytes

    many = temporary(10_000_000)
    assert many < 1.1 * temporary(1_000_000)
    assert many < 10 * 4 * room._BLOCK_SCORES
