"""`read_excerpt`: the middle of an audio file, as samples of one channel at one rate."""

import math
import os
from typing import Any

import numpy as np
from jaxtyping import Float32

from urep_jax.data.audio.extra import librosa, soundfile
from urep_jax.data.audio.spectrogram import SpectrogramConfig

RATES = (1_000, 768_000)
"""Samples a second, the fewest and the most: a header that says otherwise is broken, or asks for a lot of memory."""

MOST_CHANNELS = 32

LOUDEST = 1e6
"""Of samples, which are from -1 to 1 where they are as they should be."""

_BLOCK = 1 << 16


class AudioError(ValueError):
    """A file that can't be decoded; says why, without its name."""


def read_excerpt(path: str | os.PathLike[str], cfg: SpectrogramConfig) -> Float32[np.ndarray, "S"]:
    """The middle of a file at `cfg.sample_rate`: the excerpt and a frame's length more, or all if there is less.

    Only that part is decoded, and of an MP3 all before it. Channels are averaged.

    Args:
        path: a file that libsndfile reads: WAV, FLAC, Ogg, MP3.
        cfg: what the excerpt is for.

    Raises:
        AudioError: if it can't be decoded, or holds no sound.
        ExtraMissing: without the extra `audio`.
    """
    sound_files = soundfile()
    try:
        with _open(path) as file:
            rate, channels, frames = file.samplerate, file.channels, file.frames
            if not RATES[0] <= rate <= RATES[1]:
                raise AudioError(f"it has {rate} samples a second, but must have {RATES[0]} to {RATES[1]}")
            if channels > MOST_CHANNELS:
                raise AudioError(f"it has {channels} channels, but may have {MOST_CHANNELS}")
            # Resampling reads a little past both ends.
            wanted = math.ceil((cfg.samples + cfg.window) * rate / cfg.sample_rate)
            first = max(frames - wanted, 0) // 2
            _go_to(file, first)
            read_SxC = file.read(min(wanted, frames), dtype="float32", always_2d=True)
    except sound_files.SoundFileError as error:
        told = str(getattr(error, "error_string", error)).strip().rstrip(".")
        raise AudioError(f"it can't be decoded: {told}") from error
    if not len(read_SxC):
        raise AudioError("it holds no sound")
    if not (np.abs(read_SxC) <= LOUDEST).all():
        raise AudioError(f"it holds what is no number from -{LOUDEST:,.0f} to {LOUDEST:,.0f}")
    samples_S = read_SxC.mean(axis=1)
    if rate == cfg.sample_rate:
        return samples_S
    resampled_S: Float32[np.ndarray, "S"] = librosa().resample(samples_S, orig_sr=rate, target_sr=cfg.sample_rate)
    return resampled_S


def _open(path: str | os.PathLike[str]) -> Any:
    """A file to be read; an MP3 only from its beginning on.

    libsndfile doesn't land where it should in an MP3, as what a frame plays may be told in those before it. And
    `soundfile` goes to where it is after each time it has read, unless it takes the file for one that it can't.
    """
    file = soundfile().SoundFile(os.fspath(path))
    if file.format == "MP3":
        file.seekable = lambda: False
    return file


def _go_to(file: Any, frame: int) -> None:
    if file.seekable():
        file.seek(frame)
        return
    # Whoever wrote the header may have told of more than there is.
    while frame > 0 and (read := len(file.read(min(_BLOCK, frame)))):
        frame -= read
