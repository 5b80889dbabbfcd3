"""Folders that appear whole or not at all."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def draft_folder(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """A draft beside `folder`, which takes its place when the block ends without an error.

    Whatever the block raises, the draft is removed and what lay at `folder` before is untouched.

    Args:
        folder: where the finished folder shall lie; what is there already is replaced as a whole.

    Yields:
        An empty folder on the same file system, to be filled.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as workspace:
        ...     with draft_folder(f"{workspace}/table") as draft:
        ...         _ = (draft / "rows.txt").write_text("1")
        ...     (Path(workspace) / "table" / "rows.txt").read_text()
        '1'
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    draft.mkdir()
    try:
        yield draft
        if folder.exists():
            # Two renames rather than delete and rename: a kill in between leaves both copies, under their hidden names.
            replaced = folder.with_name(f"{draft.name}.replaced")
            folder.replace(replaced)
            draft.replace(folder)
            shutil.rmtree(replaced)
        else:
            draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
