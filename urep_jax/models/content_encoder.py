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
    """Dense layers, or convolutions, SELU after each; it keeps their scale, so that none needs a norm."""

    cfg: ContentEncoderConfig

    @nn.compact
    def __call__(self, x: Float[Array, "N ..."]) -> Float[Array, "N D"]:
        is_spectrogram = len(self.cfg.shape) == 2
        x = x[..., None] if is_spectrogram else x
        for i, width in enumerate(self.cfg.hidden):
            x = neighbourhoods(x) if is_spectrogram else x
            x = nn.selu(nn.Dense(width, kernel_init=nn.initializers.lecun_normal(), name=f"dense_{i}")(x))
        if is_spectrogram:
            # How loud and how lively each channel is over the whole track, wherever in it.
            x = jnp.concatenate([x.mean(axis=(1, 2)), x.max(axis=(1, 2))], axis=1)
        return nn.Dense(self.cfg.width, name="out")(x)


def neighbourhoods(x_NxHxWxC: Float[Array, "N H W C"]) -> Float[Array, "N _ _ 9*C"]:
    """The 3 x 3 places around every second one, side by side, zeros beyond the edges: half the height and width.

    A dense layer on them is a convolution of stride 2; on a CPU its gradient takes half the time of a convolution's.
    """
    _, H, W, _ = x_NxHxWxC.shape
    padded = jnp.pad(x_NxHxWxC, ((0, 0), _beyond(H), _beyond(W), (0, 0)))
    last_H, last_W = H + H % 2 - 1, W + W % 2 - 1
    shifted = [padded[:, i : i + last_H : 2, j : j + last_W : 2] for i in range(3) for j in range(3)]
    return jnp.concatenate(shifted, axis=-1)


def _beyond(size: int) -> tuple[int, int]:
    """Zeros before and after, as TensorFlow and Flax pad."""
    return (1, 1) if size % 2 else (0, 1)
