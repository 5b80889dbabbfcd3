"""Two towers: users and items brought into one space, in which the nearest items are candidates.

Source: Generalized User Representations for Transfer Learning, §4.1; Covington et al. 2016.
"""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from urep_jax.core.streams import name_key
from urep_jax.models.layers import unit

Params = Any


@dataclasses.dataclass(frozen=True)
class TwoTowerConfig:
    """Size of the towers.

    Attributes:
        user_width: U of a user's vector.
        item_width: I of an item's vector.
        width: D of the space that both come into.
        hidden: widths of the hidden layers of either tower.

    Raises:
        ValueError: if a value is out of range.
    """

    user_width: int
    item_width: int
    width: int = 64
    hidden: tuple[int, ...] = (128,)

    def __post_init__(self) -> None:
        for name in ("user_width", "item_width", "width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least 1")
        if any(width < 1 for width in self.hidden):
            raise ValueError(f"hidden is {self.hidden}, but must hold widths of at least 1")


def init(key: jax.Array, cfg: TwoTowerConfig) -> Params:
    """Fresh parameters: `user`, `item`, and the log of the `scale` by which cosines are multiplied."""
    tower = _Tower(cfg)
    return {
        "user": tower.init(name_key(key, "user"), jnp.zeros((1, cfg.user_width)))["params"],
        "item": tower.init(name_key(key, "item"), jnp.zeros((1, cfg.item_width)))["params"],
        "log_scale": jnp.log(jnp.array(10.0)),
    }


def user_vectors(params: Params, user: Float[Array, "*B U"], cfg: TwoTowerConfig) -> Float[Array, "*B D"]:
    """Vectors of users, whose dot products with those of items are scores.

    Args:
        params: from `init`.
        user: what is known of each user.
        cfg: as given to `init`.
    """
    vectors: Array = _Tower(cfg).apply({"params": params["user"]}, user)
    return jnp.exp(params["log_scale"]) * vectors


def item_vectors(params: Params, item: Float[Array, "*B I"], cfg: TwoTowerConfig) -> Float[Array, "*B D"]:
    """Vectors of items, of length 1; arguments as of `user_vectors`."""
    vectors: Array = _Tower(cfg).apply({"params": params["item"]}, item)
    return vectors


class _Tower(nn.Module):
    """Dense layers, SELU between them, and what comes out brought to length 1."""

    cfg: TwoTowerConfig

    @nn.compact
    def __call__(self, x: Float[Array, "*B I"]) -> Float[Array, "*B D"]:
        for i, width in enumerate(self.cfg.hidden):
            x = nn.selu(nn.Dense(width, kernel_init=nn.initializers.lecun_normal(), name=f"dense_{i}")(x))
        return unit(nn.Dense(self.cfg.width, name="out")(x))
