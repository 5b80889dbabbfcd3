"""`ContentEncoder`: a trained content encoder, ready to make vectors of tracks that no log tells of."""

import dataclasses
import functools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
from jaxtyping import Float32

from urep_jax.core.spaces import Space, trained_space
from urep_jax.core.vectors import Vectors
from urep_jax.data.audio.spectrogram import SpectrogramConfig
from urep_jax.data.content_scale import ContentScale
from urep_jax.models import content_encoder
from urep_jax.models.content_encoder import ContentEncoderConfig, Params
from urep_jax.serving.questions import power_of_two

_PORTION = 512
"""Items that are encoded at once; it changes no result."""


@dataclasses.dataclass(frozen=True, eq=False)
class ContentEncoder:
    """From what is known of a track to its vector.

    Attributes:
        name: of the modality.
        params: of the encoder.
        cfg: its size.
        scale: of what it was trained on.
        sound: how the spectrograms that it was trained on were made from audio files; None if they were not.

    Raises:
        ValueError: if spectrograms made so have another shape than the encoder reads.

    Example, after `python -m experiments.run task=train_audio task.audio=music hydra.run.dir=outputs/sound`::

        encoder = urep_jax.restore_content_encoder("outputs/sound", "audio")
        samples = read_excerpt("new.mp3", encoder.sound)
        encoder.encode(pa.array(["new.mp3"]), log_mel(samples, encoder.sound)[None])
    """

    name: str
    params: Params
    cfg: ContentEncoderConfig
    scale: ContentScale
    sound: SpectrogramConfig | None = None

    def __post_init__(self) -> None:
        check_sound(self.sound, self.cfg.shape)

    @functools.cached_property
    def space(self) -> Space:
        """That its vectors lie in: it hangs on the encoder, the scale, and how spectrograms are made."""
        sound = [] if self.sound is None else [np.array(dataclasses.astuple(self.sound), np.int64)]
        leaves = map(np.asarray, jax.tree.leaves(self.params["network"]))
        return trained_space(self.name, [*leaves, self.scale.mean, self.scale.spread, *sound])

    def encode(self, item_ids: pa.StringArray, content: Float32[np.ndarray, "N *shape"]) -> Vectors:
        """Vectors of length 1.

        Args:
            item_ids: whose content it is.
            content: spectrograms, N x bands x frames, or numbers, as they are in the items table.

        Raises:
            ValueError: if it has another shape than the encoder reads.
        """
        if content.shape[1:] != self.cfg.shape:
            raise ValueError(
                f"{self.name} reads {list(self.cfg.shape)} of each item, but was given {list(content.shape[1:])}"
            )
        return Vectors(item_ids, encode_content(self.params, self.scale(content), self.cfg), self.space)


def check_sound(sound: SpectrogramConfig | None, shape: tuple[int, ...]) -> None:
    """Refuse spectrograms of another shape than an encoder reads.

    Raises:
        ValueError: if they are.
    """
    if sound is not None and sound.shape != shape:
        raise ValueError(
            f"shape is {list(shape)}, but sound makes spectrograms of {sound.bands} bands and {sound.frames} frames; "
            "give both the same"
        )


def encode_content(
    params: Params, content: Float32[np.ndarray, "N *shape"], cfg: ContentEncoderConfig
) -> Float32[np.ndarray, "N D"]:
    """Vectors of any number of items, of which few different shapes are compiled.

    Args:
        params: of the encoder.
        content: on its scale.
        cfg: its size.
    """
    pieces = [np.zeros((0, cfg.width), np.float32)]
    for first in range(0, len(content), _PORTION):
        piece = content[first : first + _PORTION]
        missing = power_of_two(len(piece)) - len(piece)
        whole = np.pad(piece, ((0, missing), *((0, 0),) * (content.ndim - 1)))
        pieces.append(np.asarray(_encoded(params, jnp.asarray(whole), cfg))[: len(piece)])
    return np.concatenate(pieces)


@partial(jax.jit, static_argnames="cfg")
def _encoded(params: Params, content: jax.Array, cfg: ContentEncoderConfig) -> jax.Array:
    return content_encoder.encode(params, content, cfg)
