"""Long tables written to Parquet part by part, so that a stopped command goes on."""

from collections.abc import Callable
from pathlib import Path

import jax
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import track

from experiments.folder import write_parquet
from experiments.processes import together


def write_parts(folder: Path, parts: int, make: Callable[[int], pa.Table], console: Console) -> int:
    """Write what is missing of a folder of Parquet files, each whole or not at all; returns the rows of all of them.

    Where processes share the task, each writes every so many of the files, and all are there in the end.

    Args:
        folder: made if missing.
        parts: how many files.
        make: the table of each part, by its number.
        console: where progress is shown.
    """
    folder.mkdir(exist_ok=True)
    own = range(jax.process_index(), parts, jax.process_count())
    for number in track(own, folder.name, console=console, transient=True):
        path = part_file(folder, number)
        if not path.exists():
            write_parquet(path, make(number))
    together("parts")
    return sum(pq.read_metadata(part_file(folder, number)).num_rows for number in range(parts))


def part_file(folder: Path, number: int) -> Path:
    """Where a part lies."""
    return folder / f"part-{number:05d}.parquet"
