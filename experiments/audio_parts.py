"""Folders of audio files as long tables, part by part, and the files that can't be read."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from omegaconf import DictConfig
from rich.console import Console

from experiments.folder import RunFolder, write_whole
from experiments.parts import part_file, write_parts
from urep_jax.data.audio.files import AudioFolder, Rejected, find_audio
from urep_jax.data.audio.items import audio_items
from urep_jax.data.audio.spectrogram import SpectrogramConfig

_REJECTED = b"rejected"
"""Of a part's metadata: so that a part and what it leaves out are written at once."""


def open_audio(cfg: DictConfig) -> AudioFolder:
    """The files that `task.audio` names.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if none is named, it holds no audio files, or `task.block` is below 1.
    """
    if cfg.task.audio is None:
        raise ValueError(f"task={cfg.task.name} needs task.audio=FOLDER, a folder of audio files")
    if cfg.task.block < 1:
        raise ValueError(f"task.block is {cfg.task.block}, but must be at least 1")
    return find_audio(cfg.task.audio)


def write_audio(
    audio: AudioFolder,
    block: int,
    sound: SpectrogramConfig,
    make: Callable[[pa.Table], pa.Table],
    folder: RunFolder,
    console: Console,
) -> int:
    """Write `items/` and `rejects.csv` of a run; returns the rows of `items/`.

    Args:
        audio: the files.
        block: files to a part.
        sound: of their spectrograms.
        make: from an items table with `log_mel` to what is to be written.
        folder: the run's.
        console: where it is told how many files can't be read.

    Raises:
        ValueError: if none can be read.
    """

    def part(number: int) -> pa.Table:
        table, rejected = audio_items(audio.files[number * block : (number + 1) * block], sound)
        return make(table).replace_schema_metadata({_REJECTED: json.dumps(rejected)})

    out, parts = folder.path / "items", -(-len(audio.files) // block)
    rows = write_parts(out, parts, part, console)
    rejected = [*audio.rejected, *(one for number in range(parts) for one in _rejected(part_file(out, number)))]
    _write_rejected(folder, sorted(rejected), rows, console)
    return rows


def _rejected(path: Path) -> list[Rejected]:
    return [Rejected(*one) for one in json.loads(pq.read_schema(path).metadata[_REJECTED])]


def _write_rejected(folder: RunFolder, rejected: list[Rejected], rows: int, console: Console) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([Rejected._fields, *rejected])
    write_whole(folder.path / "rejects.csv", text.getvalue())
    if not rows:
        raise ValueError(
            f"none of the {len(rejected):,} audio files can be read: {rejected[0].item_id}: {rejected[0].reason}; see "
            f"{folder.path / 'rejects.csv'}"
        )
    if rejected:
        reasons = Counter(one.reason for one in rejected).most_common()
        told = "; ".join(f"{count:,}: {reason}" for reason, count in reasons)
        console.print(
            f"{len(rejected):,} of {len(rejected) + rows:,} files were left out ({told}), see "
            f"{folder.path / 'rejects.csv'}",
            soft_wrap=True,
            markup=False,
        )
