"""What the two MovieLens builders share: where the files come from, and what a rating says."""

import os
import zipfile
from pathlib import Path

from urep_jax.data.ingest.rules import Thresholds

RATING = Thresholds(column="rating", up_from=4, down_to=3)
"""4 or 5 stars are an up, 3 or fewer a down; nothing lies between."""


def find_source(path: str | os.PathLike[str], needed: str, url: str) -> Path:
    """The folder of the published files.

    Raises:
        FileNotFoundError: if `needed` isn't there; the message says where to get it.
    """
    folder = Path(path)
    if not (folder / needed).is_file():
        raise FileNotFoundError(
            f"{folder} holds no {needed}; unpack {url} there, or leave the path out to have it downloaded"
        )
    return folder


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack the publisher's archive into `folder`; returns the folder that the files lie in."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
        return folder / Path(opened.namelist()[0]).parts[0]
