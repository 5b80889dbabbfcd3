"""Sounds made for tests."""

from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float32


def tone(hz: float, seconds: float, rate: int = 16_000, amplitude: float = 0.5) -> Float32[np.ndarray, "S"]:
    """A sine that begins at 0."""
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def chord(low: float, seconds: float, rate: int = 16_000) -> Float32[np.ndarray, "S"]:
    """A major chord."""
    return (tone(low, seconds, rate) + tone(1.25 * low, seconds, rate) + tone(1.5 * low, seconds, rate)) / 3


def noise(seconds: float, seed: int, rate: int = 16_000) -> Float32[np.ndarray, "S"]:
    """White noise."""
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * rate)).astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int = 16_000) -> Path:
    """Write a sound in the format that the path's suffix names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with soundfile.SoundFile(path, "w", rate, samples[:1].size or 1) as file:
        # libsndfile crashes where it is to write a long Ogg at once.
        for first in range(0, len(samples), 1 << 14):
            file.write(samples[first : first + (1 << 14)])
    return path
