"""How likely a user is to go for an item, from a vector of each: the classifier on top of user representations.

Source: Generalized User Representations for Transfer Learning, §4.1 (artist preference) and §5.1.1 (future listening).
"""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from urep_jax.core.streams import name_key
from urep_jax.models.layers import alpha_dropout

Params = Any


@dataclasses.dataclass(frozen=True)
class PreferenceConfig:
    """Size of the classifier.

    Attributes:
        user_width: U of a user's vector.
        item_width: I of an item's vector.
        width: D of the space in which the two are compared.
        hidden: width of the layer that sees both, and how they agree.
        dropout: share that alpha-dropout takes out of it in training, from 0 up to, but not, 1.

    Raises:
        ValueError: if a value is out of range.
    """

    user_width: int
    item_width: int
    width: int = 64
    hidden: int = 64
    dropout: float = 0.1

    def __post_init__(self) -> None:
        for name in ("user_width", "item_width", "width", "hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least 1")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}, but must be from 0 up to, but not, 1")


def init(key: jax.Array, cfg: PreferenceConfig) -> Params:
    """Fresh parameters."""
    user, item = jnp.zeros((1, cfg.user_width)), jnp.zeros((1, cfg.item_width))
    return _Classifier(cfg).init(key, user, item, jnp.zeros(1, jnp.int32), None)["params"]


def log_odds(
    params: Params,
    user: Float[Array, "B U"],
    item: Float[Array, "B I"],
    cfg: PreferenceConfig,
    *,
    row: Int[Array, "B"] | None = None,
    key: jax.Array | None = None,
) -> Float[Array, "B"]:
    r"""Log odds that the user goes for the item.

    .. math:: f(P u,\, Q v,\, P u \odot Q v) + P u \cdot Q v

    with f of one hidden layer: it holds what is true of users or of items alone, and the product how they agree.

    Args:
        params: from `init`.
        user: vectors of users, on one scale.
        item: vectors of items, on one scale.
        cfg: as given to `init`.
        row: numbers of the rows in the whole batch; they name what dropout draws. None counts them.
        key: consumed by dropout; without one there is no dropout and the result is deterministic.
    """
    row_B = jnp.arange(len(user)) if row is None else row
    odds_B: Array = _Classifier(cfg).apply({"params": params}, user, item, row_B, key)
    return odds_B


class _Classifier(nn.Module):
    cfg: PreferenceConfig

    @nn.compact
    def __call__(
        self,
        user_BxU: Float[Array, "B U"],
        item_BxI: Float[Array, "B I"],
        row_B: Int[Array, "B"],
        key: jax.Array | None,
    ) -> Float[Array, "B"]:
        cfg = self.cfg
        user_BxD = nn.Dense(cfg.width, name="user")(user_BxU)
        item_BxD = nn.Dense(cfg.width, name="item")(item_BxI)
        agreed_BxD = user_BxD * item_BxD / cfg.width**0.5
        both = jnp.concatenate([user_BxD, item_BxD, agreed_BxD], axis=1)
        hidden = nn.selu(nn.Dense(cfg.hidden, kernel_init=nn.initializers.lecun_normal(), name="hidden")(both))
        hidden = alpha_dropout(hidden, cfg.dropout, name_key(key, "hidden"), row_B)
        return nn.Dense(1, name="odds")(hidden)[:, 0] + agreed_BxD.sum(axis=1)
