"""`prepare`: from a data set's config to its event log, reading and writing as little as it can."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from urep_jax.data.datasets.base import SPLIT, EventsBuilder, EventsConfig
from urep_jax.data.draft import draft_folder
from urep_jax.data.log import OPTIONAL_COLUMNS, EventLog, load_log
from urep_jax.data.log_writer import LogWriter

_SEQUENCES = 1024
"""Examples that are decoded at once."""


def builder_of(source: EventsConfig, workspace: str | os.PathLike[str]) -> EventsBuilder[Any]:
    """The builder of a data set that keeps what it prepares in `<workspace>/datasets`.

    Raises:
        FileNotFoundError: if the sources don't exist; the message says where to get them.
    """
    return source.builder(Path(workspace) / "datasets")


def prepare(source: EventsConfig | EventsBuilder[Any], workspace: str | os.PathLike[str]) -> EventLog:
    """Prepare a data set once, and open its log.

    The prepared set lies in `<workspace>/datasets` (or where the builder keeps it). Its ragged columns, which training
    reads, lie in `<workspace>/cache/<name>-<fingerprint>`; that folder can be deleted at any time. Several processes
    may ask at once: one prepares and the others wait.

    Args:
        source: a data set's config, or its builder.
        workspace: folder of things that outlive a run.

    Returns:
        The log, memory-mapped. Sequences and ids have the numbers that they had when the set was read.

    Raises:
        FileNotFoundError: if the sources don't exist; the message says where to get them.
        IngestError: if the sources can't be read.
    """
    workspace = Path(workspace)
    builder = source if isinstance(source, EventsBuilder) else builder_of(source, workspace)
    cache = workspace / "cache" / f"{builder.name}-{builder.fingerprint}"
    cache.parent.mkdir(parents=True, exist_ok=True)
    with _lock(cache.with_name(f".{cache.name}.lock")):
        if not (cache / "log.json").is_file():
            builder.download_and_prepare()
            with draft_folder(cache) as draft:
                _write_cache(builder, draft)
        return load_log(cache)


def _write_cache(builder: EventsBuilder[Any], folder: Path) -> None:
    # A set of tables alone has no examples.
    examples: Any = builder.as_data_source(split=SPLIT) if SPLIT in builder.info.splits else ()
    meta, ids = builder.meta(), builder.ids()
    optional = [name for name in OPTIONAL_COLUMNS if name in meta["columns"]]
    with LogWriter(folder, optional) as writer:
        for start in range(0, len(examples), _SEQUENCES):
            piece = examples.__getitems__(range(start, min(start + _SEQUENCES, len(examples))))
            numbers = np.array([example["sequence"] for example in piece])
            if not np.array_equal(numbers, np.arange(start, start + len(piece))):
                raise ValueError(
                    f"the sequences in {builder.data_dir} are not in the order in which they were written; "
                    "delete the folder and prepare the data set again"
                )
            columns = {name: np.concatenate([example[name] for example in piece]) for name in meta["columns"]}
            lengths = [len(example["item"]) for example in piece]
            writer.append(np.repeat(numbers, lengths), columns)
        writer.finish(name=meta["name"], granularity=meta["granularity"], ids=ids)


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Wait until no other process holds `path`; a process that dies lets go of it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
