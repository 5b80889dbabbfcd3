"""A ranker of candidates: how a list that was found for a user is to be ordered, from vectors and the finder's scores.

Source: Generalized User Representations for Transfer Learning, §4.1 (item ranking models).
"""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Params = Any


@dataclasses.dataclass(frozen=True)
class RankerConfig:
    """Size of the ranker.

    Attributes:
        user_width: U of a user's vector.
        item_width: I of an item's vector.
        width: D of the space in which the two are compared.
        hidden: width of the layer that sees both, how they agree, and the finder's score.

    Raises:
        ValueError: if a value is out of range.
    """

    user_width: int
    item_width: int
    width: int = 64
    hidden: int = 64

    def __post_init__(self) -> None:
        for name in ("user_width", "item_width", "width", "hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least 1")


def init(key: jax.Array, cfg: RankerConfig) -> Params:
    """Fresh parameters, by which lists stay in the finder's order."""
    user, item = jnp.zeros((1, cfg.user_width)), jnp.zeros((1, 1, cfg.item_width))
    return _Ranker(cfg).init(key, user, item, jnp.zeros((1, 1)))["params"]


def scores(
    params: Params,
    user: Float[Array, "B U"],
    item: Float[Array, "B M I"],
    found: Float[Array, "B M"],
    cfg: RankerConfig,
) -> Float[Array, "B M"]:
    r"""The score of each candidate; only their order in a list means anything.

    .. math:: a s + f(P u,\, Q v,\, P u \odot Q v,\, s)

    with f of one hidden layer, which says nothing before it has learnt, and a of 1 then.

    Args:
        params: from `init`.
        user: a vector for each list's user, on one scale.
        item: vectors of its M candidates, on one scale.
        found: s, the finder's score of each, on one scale.
        cfg: as given to `init`.
    """
    scores_BxM: Array = _Ranker(cfg).apply({"params": params}, user, item, found)
    return scores_BxM


class _Ranker(nn.Module):
    cfg: RankerConfig

    @nn.compact
    def __call__(
        self, user_BxU: Float[Array, "B U"], item_BxMxI: Float[Array, "B M I"], found_BxM: Float[Array, "B M"]
    ) -> Float[Array, "B M"]:
        cfg = self.cfg
        item_BxMxD = nn.Dense(cfg.width, name="item")(item_BxMxI)
        user_BxMxD = jnp.broadcast_to(nn.Dense(cfg.width, name="user")(user_BxU)[:, None], item_BxMxD.shape)
        agreed_BxMxD = user_BxMxD * item_BxMxD / cfg.width**0.5
        whole = jnp.concatenate([user_BxMxD, item_BxMxD, agreed_BxMxD, found_BxM[..., None]], axis=-1)
        hidden = nn.selu(nn.Dense(cfg.hidden, kernel_init=nn.initializers.lecun_normal(), name="hidden")(whole))
        said_BxM = nn.Dense(1, kernel_init=nn.initializers.zeros, use_bias=False, name="out")(hidden)[..., 0]
        return self.param("found", nn.initializers.ones, ()) * found_BxM + said_BxM
