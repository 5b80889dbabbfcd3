"""`log_mel`: what a track sounds like, as a picture of bands and frames.

The cell of band `f` and frame `t` is, in dB,

    10 log10 max(sum over k of w_fk |X_kt|^2 / s^2, 1e-8),

where `X` is the Fourier transform of a Hann window, `w_f` a triangle of height 1 that reaches from the middle of the
band below to that of the band above on Slaney's mel scale, and `s` the peak of a sine of amplitude 1: such a sine has
about 0 dB, and silence -80.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Float32

from urep_jax.data.audio.extra import librosa

FLOOR = 1e-8
"""Of power, that of a sine of amplitude 1 being 1: what is softer is as good as silent."""

_HZ_A_MEL = 200 / 3
"""Up to 1000 Hz."""


@dataclasses.dataclass(frozen=True)
class SpectrogramConfig:
    """Of what a spectrogram is made, and how large it is.

    Attributes:
        bands: F, evenly apart on the mel scale, from 0 Hz to half the sample rate.
        frames: T, moments.
        sample_rate: samples a second; files of another rate are resampled.
        window: samples of a frame.
        hop: samples from one frame to the next.

    Raises:
        ValueError: if a value is out of range.
    """

    bands: int = 64
    frames: int = 128
    sample_rate: int = 16_000
    window: int = 2048
    hop: int = 1024

    def __post_init__(self) -> None:
        for name in ("bands", "frames", "sample_rate", "hop"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least 1")
        if self.window < 4:
            raise ValueError(f"window is {self.window}, but must be at least 4 samples")
        # A triangle is two bands wide. Where that is less than from one frequency to the next, it may hold none.
        most = math.ceil(2 * self.window / self.sample_rate * _HZ_A_MEL * mel(self.sample_rate / 2)) - 2
        if self.bands > most:
            raise ValueError(
                f"bands is {self.bands}, but a window of {self.window} samples at {self.sample_rate} a second tells "
                f"only {most} apart; lower bands, or raise window"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(bands, frames)."""
        return self.bands, self.frames

    @property
    def samples(self) -> int:
        """Samples of the excerpt that the frames cover."""
        return self.window + (self.frames - 1) * self.hop


def mel(hz: float) -> float:
    """Slaney's mel scale: linear up to 1000 Hz, and logarithmic above.

    Example:
        >>> [round(mel(hz), 6) for hz in (500.0, 1000.0, 6400.0)]
        [7.5, 15.0, 42.0]
    """
    return hz / _HZ_A_MEL if hz < 1000 else 15 + 27 * math.log(hz / 1000) / math.log(6.4)


def log_mel(samples: Float32[np.ndarray, "S"], cfg: SpectrogramConfig) -> Float32[np.ndarray, "F T"]:
    """The spectrogram of the middle of a track, in dB.

    Args:
        samples: at `cfg.sample_rate`, from -1 to 1; what is shorter than the excerpt lies in the middle of silence.
        cfg: its settings.

    Raises:
        ExtraMissing: without the extra `audio`.
    """
    power_FxT = librosa().feature.melspectrogram(
        y=_middle(samples, cfg.samples),
        sr=cfg.sample_rate,
        n_fft=cfg.window,
        hop_length=cfg.hop,
        center=False,
        n_mels=cfg.bands,
        norm=None,
    )
    # The peak of a sine is half the window's sum, and that of a Hann window is half its length.
    relative_FxT = power_FxT.astype(np.float64) / (cfg.window / 4) ** 2
    return (10 * np.log10(np.maximum(relative_FxT, FLOOR))).astype(np.float32)


def _middle(samples: Float32[np.ndarray, "S"], wanted: int) -> Float32[np.ndarray, "_"]:
    missing = wanted - len(samples)
    if missing > 0:
        return np.pad(samples, (missing // 2, missing - missing // 2))
    first = -missing // 2
    return samples[first : first + wanted]
