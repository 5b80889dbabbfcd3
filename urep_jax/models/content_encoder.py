"""The content modality encoder: from what a track sounds like, or whatever else is known of it, to a vector.

Source: Generalized User Representations for Transfer Learning, §3.2.1 (80 numbers from the audio of each track).
"""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from urep_jax.models.layers import unit

Params = Any


@dataclasses.dataclass(frozen=True)
class ContentEncoderConfig:
    """Size of the encoder.

    Attributes:
        shape: of what is known of a track: (bands, frames) of a spectrogram, which is read by convolutions over time
            and frequency, or (numbers,), read by dense layers.
        width: D, numbers of a vector; the paper's is 80.
        hidden: channels of the convolutions, each of which halves both axes, or widths of the dense layers.

    Raises:
        ValueError: if a value is out of range.
    """

    shape: tuple[int, ...]
    width: int = 80
    hidden: tuple[int, ...] = (16, 32, 64)

    def __post_init__(self) -> None:
        if len(self.shape) not in (1, 2) or min(self.shape) < 1:
            raise ValueError(f"shape is {self.shape}, but must be (bands, frames) or (numbers,), each at least 1")
        if self.width < 1:
            raise ValueError(f"width is {self.width}, but must be at least 1")
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"hidden is {self.hidden}, but must hold at least one width, each at least 1")


def init(key: jax.Array, cfg: ContentEncoderConfig) -> Params:
    """Fresh parameters: `network`, and the `scale` and `bias` that make log-odds of cosines.

    They begin at 10 and -3: among random tracks few pairs belong together, and a loss that has to learn that first
    learns nothing else meanwhile (Zhai et al. 2023, §3.2).
    """
    network = _Network(cfg).init(key, jnp.zeros((1, *cfg.shape)))["params"]
    return {"network": network, "log_scale": jnp.log(jnp.array(10.0)), "bias": jnp.array(-3.0)}


def encode(params: Params, content: Float[Array, "N *shape"], cfg: ContentEncoderConfig) -> Float[Array, "N D"]:
    """Vectors of length 1.

    Args:
        params: from `init`.
        content: what is known of each track, on one scale.
        cfg: as given to `init`.
    """
    out_NxD: Array = _Network(cfg).apply({"params": params["network"]}, content)
    return unit(out_NxD)


def score(params: Params, centre: Float[Array, "*B M D"], context: Float[Array, "*B N D"]) -> Float[Array, "*B M N"]:
    """Log-odds that two tracks belong together: their cosine, scaled and moved."""
    cosine = jnp.einsum("...md,...nd->...mn", centre, context)
    return jnp.exp(params["log_scale"]) * cosine + params["bias"]


class _Network(nn.Module):
    cfg: ContentEncoderConfig

    @nn.compact
    def __call__(self, x: Float[Array, "N ..."]) -> Float[Array, "N D"]:
        if len(self.cfg.shape) == 1:
            for i, width in enumerate(self.cfg.hidden):
                x = nn.gelu(nn.Dense(width, name=f"dense_{i}")(x))
        else:
            x = x[..., None]
            for i, channels in enumerate(self.cfg.hidden):
                x = nn.gelu(nn.LayerNorm(name=f"norm_{i}")(nn.Conv(channels, (3, 3), (2, 2), name=f"conv_{i}")(x)))
            # How loud and how lively each channel is over the whole track, wherever in it.
            x = jnp.concatenate([x.mean(axis=(1, 2)), x.max(axis=(1, 2))], axis=1)
        return nn.Dense(self.cfg.width, name="out")(x)
