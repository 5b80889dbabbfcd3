"""Where the candidates of a step come from: pools of items, one of which is taken for each session.

An `Offer` makes the pools once, when a world is made, so that a thousand candidates cost a step nothing.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float32, Int32

from urep_jax.simulation.ranges import require
from urep_jax.simulation.satisfaction.world import Items

RANDOM_POOLS = 32

MOST_LAID = 8
"""Times the items' content that pools' content may take in memory: too little where each listener has a pool."""


Offer = Callable[[jax.Array, Items, jax.Array], tuple[jax.Array, jax.Array]]
"""`offer(key, items, vectors_UxZ)` makes pools: the items of each, P x N, and the pools of each listener, U x Q."""


def anything(count: int, pools: int = RANDOM_POOLS) -> Offer:
    """Pools of random items, each as likely as any other, all pools for everybody.

    Args:
        count: candidates of a step.
        pools: how many pools there are.
    """

    def offer(
        key: jax.Array, items: Items, vectors: Float32[Array, "U Z"]
    ) -> tuple[Int32[Array, "P N"], Int32[Array, "U Q"]]:
        _require_count(count, items)
        every_P = jnp.arange(pools, dtype=jnp.int32)
        picked_PxN = jax.vmap(lambda one: jax.random.permutation(one, items.style.shape[0])[:count])(
            jax.random.split(key, pools)
        )
        return picked_PxN.astype(jnp.int32), jnp.tile(every_P, (vectors.shape[0], 1))

    return offer


def stations(count: int, each: int = 4) -> Offer:
    """Stations, one of each style: the items nearest to its middle by content, more of the popular ones.

    A listener has the `each` stations whose middle is nearest to the listener's vector.

    Args:
        count: candidates of a step.
        each: stations of a listener; all of them, if there are fewer.
    """

    def offer(
        key: jax.Array, items: Items, vectors: Float32[Array, "U Z"]
    ) -> tuple[Int32[Array, "P N"], Int32[Array, "U Q"]]:
        _require_count(count, items)
        num_styles = int(items.style.max()) + 1
        is_of_GxV = jax.nn.one_hot(items.style, num_styles).T
        middle_GxF = is_of_GxV @ items.content / jnp.maximum(is_of_GxV.sum(1, keepdims=True), 1)
        fame_V = items.log_popularity - items.log_popularity.mean()
        near_GxV = _cosines(middle_GxF, items.content) * items.content.shape[1] ** 0.5
        _, picked_GxN = jax.lax.top_k(near_GxV + fame_V / jnp.maximum(fame_V.std(), 1e-6), count)
        _, theirs_UxQ = jax.lax.top_k(_cosines(vectors, middle_GxF), min(each, num_styles))
        return picked_GxN.astype(jnp.int32), theirs_UxQ.astype(jnp.int32)

    return offer


def two_towers(count: int) -> Offer:
    """One pool for each listener: the items nearest to the listener's vector, which lies in the space of content.

    It stands for the first of two stages; vectors and content of trained towers may be put in their place.

    Args:
        count: candidates of a step.
    """

    def offer(
        key: jax.Array, items: Items, vectors: Float32[Array, "U Z"]
    ) -> tuple[Int32[Array, "P N"], Int32[Array, "U Q"]]:
        _require_count(count, items)
        _, nearest_UxN = jax.lax.top_k(_cosines(vectors, items.content), count)
        return nearest_UxN.astype(jnp.int32), jnp.arange(vectors.shape[0], dtype=jnp.int32)[:, None]

    return offer


def laid_out(items: Items, pools: Int32[Array, "P N"]) -> Float32[Array, "P F N"] | None:
    """Content of each pool's candidates, so that a step reads what it looks at in one piece, not row by row.

    Args:
        items: what can be played.
        pools: the candidates of each pool.

    Returns:
        The content, or None where it would take much more memory than that of the items.
    """
    if pools.size > MOST_LAID * items.content.shape[0]:
        return None
    return items.content[pools].swapaxes(1, 2)


def _cosines(x_AxF: jax.Array, y_BxF: jax.Array) -> jax.Array:
    def unit(x: jax.Array) -> jax.Array:
        return x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), 1e-9)

    return unit(x_AxF) @ unit(y_BxF).T


def _require_count(count: int, items: Items) -> None:
    num_items = items.style.shape[0]
    require(
        1 <= count <= num_items,
        f"count is {count}, but candidates are 1 to {num_items}, as many as there are items; set it within",
    )
