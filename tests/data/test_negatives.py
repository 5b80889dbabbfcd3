"""Random negatives: their distribution, and who shares whose."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from urep_jax.data.negatives import MAX_DRAWN_IDS, draw_negatives, negative_sampler
from urep_jax.data.vocabulary import FIRST_ITEM

KEY = jax.random.key(0)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_items_are_drawn_in_proportion_to_counts_to_the_power(power: float) -> None:
    counts = np.array([1, 4, 16, 100])
    sampler = negative_sampler(counts, power)
    ids = draw_negatives(KEY, sampler, jnp.arange(1), 1, 60_000, 1)
    expected = counts**power / (counts**power).sum()
    share = np.bincount(np.asarray(ids).ravel() - FIRST_ITEM, minlength=4) / 60_000
    # Standard deviations are at most 0.002.
    np.testing.assert_allclose(share, expected, atol=0.008)
    np.testing.assert_allclose(np.exp(sampler.log_q[FIRST_ITEM:]), expected, rtol=1e-5)
    assert np.isneginf(sampler.log_q[:FIRST_ITEM]).all()


@pytest.mark.parametrize("power", [0.0, 0.75])
def test_every_item_of_a_large_catalogue_can_be_drawn(power: float) -> None:
    counts = 1 + 1_000_000 // np.arange(1, 10_000_001)
    sampler = negative_sampler(counts, power)
    assert sampler.num_items == len(counts)
    draws_V = np.diff(np.asarray(sampler.first_draw, np.int64), prepend=0, append=1 << 32)
    weight_V = counts**power
    np.testing.assert_allclose(draws_V, weight_V / weight_V.sum() * 2.0**32, atol=2.01)
    assert draws_V.min() > 60


@pytest.mark.parametrize(
    ("k", "shape"),
    [
        (1, (8, 10, 1)),
        (MAX_DRAWN_IDS // 80, (8, 10, MAX_DRAWN_IDS // 80)),
        (MAX_DRAWN_IDS // 80 + 1, (8, 1, MAX_DRAWN_IDS // 80 + 1)),
        (MAX_DRAWN_IDS // 8 + 1, (1, 1, MAX_DRAWN_IDS // 8 + 1)),
    ],
)
def test_as_few_share_as_memory_allows(k: int, shape: tuple[int, ...]) -> None:
    sampler = negative_sampler(np.ones(50, int))
    assert draw_negatives(KEY, sampler, jnp.arange(8), 10, k, 8).shape == shape


@pytest.mark.parametrize("k", [1, 2000, 20_000])
def test_a_shard_draws_what_the_whole_batch_would(k: int) -> None:
    sampler = negative_sampler(np.ones(50, int))
    whole = draw_negatives(KEY, sampler, jnp.arange(8), 5, k, 8)
    shard = draw_negatives(KEY, sampler, jnp.arange(4, 8), 5, k, 8)
    np.testing.assert_array_equal(whole[-4:], shard)


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="negative_power is 2"):
        negative_sampler(np.ones(3, int), 2)
    with pytest.raises(ValueError, match="holds 1 items"):
        negative_sampler(np.ones(1, int))
    with pytest.raises(ValueError, match="k_negatives is 0"):
        draw_negatives(KEY, negative_sampler(np.ones(3, int)), jnp.arange(1), 1, 0, 1)
