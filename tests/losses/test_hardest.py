"""The hardest of k: against a plain search, and in bounded memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from urep_jax.data.vocabulary import FIRST_ITEM, PAD
from urep_jax.losses.hardest import hardest_negative

RNG = np.random.default_rng(0)
B, T, D, R = 3, 4, 8, 5000


@pytest.mark.parametrize("shape", [(B, T), (B, 1), (1, 1)])
@pytest.mark.parametrize("k", [1, 7, 1024, 2500])
def test_it_is_the_best_candidate_but_the_target(shape: tuple[int, int], k: int) -> None:
    hidden, table = RNG.normal(size=(B, T, D)), RNG.normal(size=(R, D))
    ids = RNG.integers(FIRST_ITEM, R, (*shape, k))
    target = np.broadcast_to(ids[..., 0], (B, T)).copy()
    target[0, 0] = FIRST_ITEM
    got = np.asarray(hardest_negative(*map(jnp.asarray, (hidden, table, ids, target))))
    for b in range(B):
        for t in range(T):
            mine = [i for i in np.broadcast_to(ids, (B, T, k))[b, t] if i != target[b, t]]
            assert got[b, t] == (max(mine, key=lambda i: hidden[b, t] @ table[i]) if mine else PAD)


def test_memory_does_not_grow_with_positions_times_k() -> None:
    def temporary(k: int) -> int:
        args = (
            jax.ShapeDtypeStruct((128, 31, 64), jnp.float32),
            jax.ShapeDtypeStruct((200_000, 64), jnp.float32),
            jax.ShapeDtypeStruct((1, 1, k), jnp.int32),
            jax.ShapeDtypeStruct((128, 31), jnp.int32),
        )
        return jax.jit(hardest_negative).lower(*args).compile().memory_analysis().temp_size_in_bytes

    # 128 x 31 positions: scores against 100,000 candidates would take 1.6 GB, their vectors 100 GB.
    assert temporary(100_000) < 60e6
    assert temporary(100_000) < 1.5 * temporary(10_000)
