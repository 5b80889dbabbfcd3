"""Random negatives, drawn on the device and shared by as few positions as memory allows.

Source: Negative Feedback for Music Personalization, §5.2: the hardest of k random songs.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt32

from urep_jax.data.vocabulary import FIRST_ITEM

MAX_DRAWN_IDS = 1 << 16
"""Ids drawn for one batch before positions have to share them."""


class NegativeSampler(NamedTuple):
    """The distribution that random negatives come from.

    Attributes:
        first_draw: the smallest of 2^32 equally likely draws that means each item but the first, in vocabulary order.
        log_q: log probability of each item-table row; minus infinity for rows that are no item.
    """

    first_draw: UInt32[Array, "V-1"]
    log_q: Float[Array, "R"]

    @property
    def num_items(self) -> int:
        """V."""
        return len(self.log_q) - FIRST_ITEM


def negative_sampler(counts: Int[np.ndarray, "V"], power: float = 0.0) -> NegativeSampler:
    """Items in proportion to `count ** power`: 0 is uniform, 1 is by popularity.

    Args:
        counts: training events of each item of the vocabulary.
        power: from 0 to 1.

    Raises:
        ValueError: if `power` is out of range or there is no item to draw besides a target.
    """
    if not 0 <= power <= 1:
        raise ValueError(f"negative_power is {power}, but must be between 0 (uniform) and 1 (by popularity)")
    if len(counts) < 2:
        raise ValueError(f"the vocabulary holds {len(counts)} items, but negatives need at least 2")
    weight = np.maximum(np.asarray(counts, np.float64), 1) ** power
    q = weight / weight.sum()
    log_q = np.concatenate([np.full(FIRST_ITEM, -np.inf), np.log(q)])
    # Whole numbers: a uniform float has 2^23 values, fewer than a large catalogue has items.
    first_draw = np.minimum(np.cumsum(q)[:-1] * 2.0**32, 2.0**32 - 1).astype(np.uint32)
    return NegativeSampler(jnp.asarray(first_draw), jnp.asarray(log_q, jnp.float32))


def shared_by_batch(k: int, batch_size: int) -> bool:
    """Whether the whole batch shares its draws in `draw_negatives`."""
    return batch_size * k > MAX_DRAWN_IDS


def draw_negatives(
    key: jax.Array, sampler: NegativeSampler, row: Int[Array, "B"], num_tasks: int, k: int, batch_size: int
) -> Int[Array, "#B #T K"]:
    """K random item rows for every task position.

    Positions have draws of their own while `batch_size * num_tasks * k` ids stay under `MAX_DRAWN_IDS`; past that the
    positions of a row share theirs, and past `batch_size * k` the whole batch does, so that memory stays bounded by
    `max(MAX_DRAWN_IDS, k)` rows of the item table whatever the batch is.

    Args:
        key: consumed.
        sampler: what is drawn from.
        row: numbers of the rows in the whole batch; they name the draws, so that a shard draws what the whole would.
        num_tasks: T.
        k: draws for each position, at least 1.
        batch_size: rows of the whole batch, over all devices.
    """
    if k < 1:
        raise ValueError(f"k_negatives is {k}, but must be at least 1")

    def draw(key: jax.Array, shape: tuple[int, ...]) -> Int[Array, "..."]:
        return FIRST_ITEM + jnp.searchsorted(sampler.first_draw, jax.random.bits(key, shape), side="right")

    def draw_by_row(tasks: int) -> Int[Array, "B T K"]:
        return jax.vmap(lambda r: draw(jax.random.fold_in(key, r), (tasks, k)))(row)

    if batch_size * num_tasks * k <= MAX_DRAWN_IDS:
        return draw_by_row(num_tasks)
    if not shared_by_batch(k, batch_size):
        return draw_by_row(1)
    return draw(key, (1, 1, k))
