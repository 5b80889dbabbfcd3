"""`ContentScale`: what is known of items on one scale, fitted once and kept with the encoder that reads it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

_LEAST_SPREAD = 1e-6
"""What spreads less is constant."""


class ContentScale(NamedTuple):
    """A mean and a spread.

    Attributes:
        mean: of all cells of spectrograms, or of each number.
        spread: by which is divided: the standard deviation.
    """

    mean: Float32[np.ndarray, "*own"]
    spread: Float32[np.ndarray, "*own"]

    def __call__(self, content: Float32[np.ndarray, "N *shape"]) -> Float32[np.ndarray, "N *shape"]:
        """`(x - mean) / spread`."""
        return (content - self.mean) / self.spread

    def plain(self) -> dict[str, float | Sequence[float]]:
        """The same as JSON values, from which `content_scale` makes it again to the bit."""
        return {"mean": self.mean.tolist(), "spread": self.spread.tolist()}


def content_scale(plain: Mapping[str, float | Sequence[float]]) -> ContentScale:
    """The scale that `plain` told of."""
    return ContentScale(np.asarray(plain["mean"], np.float32), np.asarray(plain["spread"], np.float32))


def fit_content_scale(content: Float32[np.ndarray, "N *shape"]) -> ContentScale:
    """Fit it to all that is known.

    A spectrogram is of one scale, in dB say; numbers are each of their own.

    Args:
        content: spectrograms, N x bands x frames, or numbers, N x numbers.
    """
    axis = None if content.ndim > 2 else 0
    spread = np.maximum(content.std(axis=axis), _LEAST_SPREAD)
    return ContentScale(np.asarray(content.mean(axis=axis), np.float32), np.asarray(spread, np.float32))
