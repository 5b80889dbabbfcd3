"""A network that scores (listener, item) pairs, so that the catalogue may change, and values the listener's state.

    score(s, i) = <f(s), g(x_i)> + <w(s), c_si>,     value(s) = v(s)

with f, w and v heads of one network of the listener's numbers s, g a network of the item's numbers x_i, and c_si the
numbers of how the two stand to each other now. The vectors g(x_i) of a catalogue are made once for many listeners.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float32, Int32

from urep_jax.core.products import products_of_rows

Params = Any


@dataclasses.dataclass(frozen=True)
class CandidateScorerConfig:
    """Sizes of the network.

    Attributes:
        width: of f(s) and g(x_i), at least 1.
        hidden: of the hidden layers, at least 1.

    Raises:
        ValueError: if a size is below 1.
    """

    width: int = 16
    hidden: int = 64

    def __post_init__(self) -> None:
        for name in ("width", "hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least 1; raise it")


class Scores(NamedTuple):
    """What the network says of one listener: a score for each candidate, and the value of the state."""

    candidates: Float32[Array, "N"]
    value: Float32[Array, ""]


class _Listener(nn.Module):
    cfg: CandidateScorerConfig
    weights: tuple[float, ...]

    @nn.compact
    def __call__(self, listener_X: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        # Normalised layers stand in for a target network: Gallici et al. 2024, "Simplifying deep temporal difference
        # learning".
        x = nn.silu(nn.LayerNorm()(nn.Dense(self.cfg.hidden)(listener_X)))
        x = nn.silu(nn.LayerNorm()(nn.Dense(self.cfg.hidden)(x)))
        small = nn.initializers.normal(0.01)
        wanted = nn.Dense(self.cfg.width, kernel_init=small)(x)
        related = nn.Dense(len(self.weights), kernel_init=small, bias_init=lambda *_: jnp.array(self.weights))(x)
        return wanted, related, nn.Dense(1, kernel_init=small)(x)[..., 0]


class _Items(nn.Module):
    cfg: CandidateScorerConfig

    @nn.compact
    def __call__(self, items_F: jax.Array) -> jax.Array:
        x = nn.silu(nn.Dense(self.cfg.hidden)(items_F))
        return nn.Dense(self.cfg.width)(x)


def init(key: jax.Array, cfg: CandidateScorerConfig, *, listener: int, items: int, weights: Sequence[float]) -> Params:
    """Parameters of a network.

    Args:
        key: consumed.
        cfg: its sizes.
        listener: numbers of a listener.
        items: numbers of an item.
        weights: what w(s) is at first, for each number of how the two stand to each other: a network may begin with a
            score that is known to be good.
    """
    first, second = jax.random.split(key)
    return {
        "listener": _Listener(cfg, tuple(weights)).init(first, jnp.zeros(listener))["params"],
        "items": _Items(cfg).init(second, jnp.zeros(items))["params"],
    }


def item_vectors(params: Params, items: Float32[Array, "V F"], cfg: CandidateScorerConfig) -> Float32[Array, "V W"]:
    """The vectors g(x_i) of these items."""
    return jnp.asarray(_Items(cfg).apply({"params": params["items"]}, items))


def apply(
    params: Params,
    listener: Float32[Array, "X"],
    vectors: Float32[Array, "V W"],
    candidates: Int32[Array, "N"],
    relations: Float32[Array, "N M"],
    cfg: CandidateScorerConfig,
) -> Scores:
    """Score the candidates of one listener; `vmap` it for many, who share the vectors.

    Args:
        params: from `init`.
        listener: numbers of the listener.
        vectors: of items, from `item_vectors`.
        candidates: rows of these.
        relations: how each candidate stands to the listener now.
        cfg: the network's sizes.
    """
    network = _Listener(cfg, (0.0,) * relations.shape[-1])
    wanted_W, related_M, value = jax.tree.map(jnp.asarray, network.apply({"params": params["listener"]}, listener))
    return Scores(products_of_rows(vectors, candidates, wanted_W[None])[:, 0] + relations @ related_M, value)
