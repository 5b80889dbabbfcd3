"""Which audio files a folder holds. Nothing outside of it is ever read."""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")


class AudioFile(NamedTuple):
    """A file.

    Attributes:
        item_id: its path below the folder, with `/` between the parts.
        path: where it lies.
    """

    item_id: str
    path: Path

    @property
    def artist_id(self) -> str | None:
        """The folder's folder that it lies in, the uppermost; None where it lies in none."""
        first, below, _ = self.item_id.partition("/")
        return first if below else None


class Rejected(NamedTuple):
    """A file that is left out, and why."""

    item_id: str
    reason: str


class AudioFolder(NamedTuple):
    """What a folder holds, in the order of ids.

    Attributes:
        files: those that may be read.
        rejected: those that may not: links to elsewhere, and names that are no text.
    """

    files: list[AudioFile]
    rejected: list[Rejected]

    def digest(self) -> str:
        """Of the files' ids, sizes and times of change."""
        told = hashlib.sha256()
        for file in self.files:
            found = file.path.stat()
            told.update(f"{len(file.item_id)}:{file.item_id};{found.st_size};{found.st_mtime_ns};".encode())
        return told.hexdigest()[:16]


def find_audio(folder: str | os.PathLike[str]) -> AudioFolder:
    """The files of a folder and of those below it that end in .wav, .flac, .ogg or .mp3.

    A link is followed where it leads to a file within the folder, and rejected where it leads out of it.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if it holds no such file.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"{folder} is no folder; name the folder that the audio files lie in")
    root = Path(folder).resolve()
    files, rejected = [], []
    for place, folders, names in os.walk(root):
        # Folders that are links are not entered: what they hold within the root is found where it lies.
        linked = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in [*names, *linked]:
            path = Path(place) / name
            if path.suffix.lower() not in SUFFIXES and name not in linked:
                continue
            item_id = path.relative_to(root).as_posix()
            reason = _refused(path, root)
            if reason:
                rejected.append(Rejected(item_id.encode(errors="replace").decode(), reason))
            elif name not in linked:
                files.append(AudioFile(item_id, path))
    if not files and not rejected:
        raise ValueError(f"{folder} holds no file that ends in {', '.join(SUFFIXES)}; name the folder of such files")
    return AudioFolder(sorted(files), sorted(rejected))


def _refused(path: Path, root: Path) -> str:
    """Why a path may not be read; empty if it may."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return "its name is no UTF-8"
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return "it is a link that leads nowhere"
    if not real.is_relative_to(root):
        return "it is a link out of the folder"
    return "" if real.is_file() or real.is_dir() else "it is no file"
