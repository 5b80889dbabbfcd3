"""The autoencoder: from all that is known of a user, x_u, to their representation z_u and back.

Source: Generalized User Representations for Transfer Learning, §3.2.3 and §3.3.3; SELU: Klambauer et al. 2017.
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
class AutoencoderConfig:
    """Size of the autoencoder.

    Attributes:
        num_features: F of x_u.
        width: Z of z_u; the paper's is 120.
        hidden: widths of the encoder's hidden layers, from x_u on; the decoder has them the other way round.
        dropout: share of each hidden layer that alpha-dropout takes out in training, from 0 up to, but not, 1.

    Raises:
        ValueError: if a value is out of range.
    """

    num_features: int
    width: int = 120
    hidden: tuple[int, ...] = (512, 256)
    dropout: float = 0.02

    def __post_init__(self) -> None:
        for name, value in (("num_features", self.num_features), ("width", self.width)):
            if value < 1:
                raise ValueError(f"{name} is {value}, but must be at least 1")
        if any(width < 1 for width in self.hidden):
            raise ValueError(f"hidden is {self.hidden}, but must hold widths of at least 1")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}, but must be from 0 up to, but not, 1")


def init(key: jax.Array, cfg: AutoencoderConfig) -> Params:
    """Fresh parameters: `encoder` and `decoder`.

    Weights are LeCun-normal and biases zero, as self-normalisation wants it.
    """
    row = jnp.zeros(1, jnp.int32)
    x_1xF, z_1xZ = jnp.zeros((1, cfg.num_features)), jnp.zeros((1, cfg.width))
    return {
        "encoder": _encoder(cfg).init(name_key(key, "encoder"), x_1xF, row, None)["params"],
        "decoder": _decoder(cfg).init(name_key(key, "decoder"), z_1xZ, row, None)["params"],
    }


def encode(
    params: Params,
    x: Float[Array, "B F"],
    cfg: AutoencoderConfig,
    *,
    row: Int[Array, "B"] | None = None,
    key: jax.Array | None = None,
) -> Float[Array, "B Z"]:
    """z_u = f_enc(x_u).

    Args:
        params: from `init`.
        x: standardised features.
        cfg: as given to `init`.
        row: numbers of the rows in the whole batch; they name what dropout draws. None counts them.
        key: consumed by dropout; without one there is no dropout and the result is deterministic.
    """
    return _apply(_encoder(cfg), params["encoder"], x, row, name_key(key, "encoder"))


def decode(
    params: Params,
    z: Float[Array, "B Z"],
    cfg: AutoencoderConfig,
    *,
    row: Int[Array, "B"] | None = None,
    key: jax.Array | None = None,
) -> Float[Array, "B F"]:
    """f_dec(z_u), which is to be x_u; arguments as of `encode`."""
    return _apply(_decoder(cfg), params["decoder"], z, row, name_key(key, "decoder"))


def _apply(
    network: "_Network",
    params: Params,
    x_BxI: Float[Array, "B I"],
    row_B: Int[Array, "B"] | None,
    key: jax.Array | None,
) -> Float[Array, "B O"]:
    out_BxO: Array = network.apply({"params": params}, x_BxI, jnp.arange(len(x_BxI)) if row_B is None else row_B, key)
    return out_BxO


def _encoder(cfg: AutoencoderConfig) -> "_Network":
    return _Network((*cfg.hidden, cfg.width), cfg.dropout)


def _decoder(cfg: AutoencoderConfig) -> "_Network":
    return _Network((*reversed(cfg.hidden), cfg.num_features), cfg.dropout)


class _Network(nn.Module):
    """Dense layers, SELU between them."""

    widths: tuple[int, ...]
    dropout: float

    @nn.compact
    def __call__(
        self, x_BxI: Float[Array, "B I"], row_B: Int[Array, "B"], key: jax.Array | None
    ) -> Float[Array, "B O"]:
        *hidden, last = self.widths
        for i, width in enumerate(hidden):
            x_BxI = nn.selu(nn.Dense(width, kernel_init=nn.initializers.lecun_normal(), name=f"dense_{i}")(x_BxI))
            x_BxI = alpha_dropout(x_BxI, self.dropout, name_key(key, f"dense_{i}"), row_B)
        return nn.Dense(last, kernel_init=nn.initializers.lecun_normal(), name=f"dense_{len(hidden)}")(x_BxI)
