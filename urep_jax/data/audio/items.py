"""`audio_items`: audio files as an items table, with a spectrogram each."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from urep_jax.data.audio.decode import AudioError, read_excerpt
from urep_jax.data.audio.files import AudioFile, Rejected
from urep_jax.data.audio.spectrogram import SpectrogramConfig, log_mel

ITEMS = pa.schema({"item_id": pa.string(), "artist_id": pa.string(), "log_mel": pa.list_(pa.float32())})


def audio_items(files: Sequence[AudioFile], cfg: SpectrogramConfig) -> tuple[pa.Table, list[Rejected]]:
    """The files as rows of an items table, one after the other, and those that can't be decoded.

    | column | holds |
    |---|---|
    | `item_id` | the path below the folder |
    | `artist_id` | the uppermost folder that it lies in; null where it lies in none |
    | `log_mel` | the spectrogram, band after band, in dB |

    Args:
        files: from `find_audio`.
        cfg: of the spectrograms.

    Raises:
        ExtraMissing: without the extra `audio`.
    """
    read: list[AudioFile] = []
    rejected: list[Rejected] = []
    mel_NxX = np.empty((len(files), cfg.bands * cfg.frames), np.float32)
    for file in files:
        try:
            mel_NxX[len(read)] = log_mel(read_excerpt(file.path, cfg), cfg).ravel()
            read.append(file)
        except AudioError as error:
            rejected.append(Rejected(file.item_id, str(error)))
    offsets = np.arange(len(read) + 1, dtype=np.int32) * mel_NxX.shape[1]
    columns = [
        pa.array([file.item_id for file in read], pa.string()),
        pa.array([file.artist_id for file in read], pa.string()),
        pa.ListArray.from_arrays(offsets, pa.array(mel_NxX[: len(read)].ravel())),
    ]
    return pa.table(columns, schema=ITEMS), rejected
