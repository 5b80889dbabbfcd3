"""Finding the files of a publisher that somebody has downloaded already."""

import os
from collections.abc import Sequence
from pathlib import Path


def find_published(
    path: str | os.PathLike[str], names: Sequence[str], home: str, *, folders: Sequence[str] = ()
) -> Path:
    """The first file that there is: `path` itself, or one of `names` in it, or in one of its `folders`.

    Args:
        path: what the user gave.
        names: what the publisher calls the file, packed or not.
        home: where to get it, for the message.
        folders: where it lies in a copy of all that is published.

    Raises:
        FileNotFoundError: if there is none; the message says where to get it.
    """
    path = Path(path)
    for place in (path, *(path / folder / name for folder in ("", *folders) for name in names)):
        if place.is_file():
            return place
    raise FileNotFoundError(
        f"{path} holds no {' or '.join(names)}; get it from {home}, give the file itself if it is called otherwise, or "
        "leave the path out to have it downloaded"
    )
