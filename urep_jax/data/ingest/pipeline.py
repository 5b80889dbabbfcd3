"""`ingest` past one machine: a Beam pipeline in which every step of one machine is taken by many.

A worker reads a file and judges its rows; the rows are shuffled by users into shards. A shard becomes a log of its own
by the very steps that make one on one machine, for all that is asked of a row beside others (time, what is taken back,
repeats, contradictions) is asked of one user's. Ids are numbered over all shards, and the process that started the run
puts the shards together, user by user.

| who | holds in memory | and on its disk |
|---|---|---|
| a worker that reads | `memory_limit`, and a file's share of a shard | the rows of a file |
| a worker that orders | `memory_limit`, a shard as the runner hands it, and its ids | a shard; a user lies in one |
| the worker that numbers | `memory_limit` | all ids |
| who started the run | all ids, eight bytes a user, and a million events (or a user's, if more) | the log |

A shard numbers its own ids, and what its numbers are among all is a join of two tables on disk: no worker holds all
ids, as it would with a side input, and no row is shuffled once more to look its ids up.

There is a shard for every 64 MiB of the source, up to 2,000; past that shards grow. Rows are shuffled where the runner
does so: the local one keeps them in the memory of the process that started the run.
"""

import contextlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from urep_jax.core.extras import from_extra
from urep_jax.data.draft import draft_folder
from urep_jax.data.ingest.fields import literal
from urep_jax.data.ingest.files import IngestError
from urep_jax.data.ingest.merge import merge_logs
from urep_jax.data.ingest.order import Orders, check_devices, numbered, write_log
from urep_jax.data.ingest.reading import Files, connect, limit, read_file, scalar
from urep_jax.data.log import ID_COLUMNS, EventLog, load_log

_SHARD_BYTES = 1 << 26
"""Bytes of the source for each shard."""

_FEWEST, _MOST = 8, 2000
"""Shards: enough to share out, and no more than a process can keep mapped to memory while it merges them."""

_TOLD = "told.json"

_Piece = tuple[int, bytes]
"""A shard, and the rows of a file that go to it as a Parquet file."""


class Shards:
    """What a pipeline left in a folder: a log for each shard, and what became of the rows."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shards = sorted(folder.glob("shard-*"))
        self._told = [json.loads((shard / _TOLD).read_text()) for shard in self._shards]

    @property
    def rows(self) -> int:
        """Rows that were judged."""
        return sum(told["rows"] for told in self._told)

    @property
    def left_out(self) -> int:
        """Rows that `where` left out."""
        return sum(json.loads(path.read_text()) for path in self._folder.glob("left-out-*.json"))

    def tell(self, db: duckdb.DuckDBPyConnection, table: str) -> None:
        """Add to a table of `db` what it is to know: of `checked` the rows that break a rule, of `contradicted` all."""
        if self._shards:
            db.execute(f"INSERT INTO {table} BY NAME SELECT * FROM {_scan(self._shards, f'{table}.parquet')}")

    def merge(self, folder: Path, optional: Sequence[str]) -> tuple[EventLog, int]:
        """Write the log of all shards.

        Args:
            folder: an empty folder.
            optional: the optional columns of the log.

        Returns:
            The log, and the number of exact duplicates that it hasn't got.

        Raises:
            IngestError: if there are more devices than a log can hold.
        """
        ids = {name: pq.read_table(self._folder / f"{name}.parquet")["id"] for name in ID_COLUMNS}
        check_devices(len(ids["device_ids"]))
        log = merge_logs(
            [load_log(shard) for shard in self._shards],
            [
                {name: np.load(shard / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ID_COLUMNS}
                for shard in self._shards
            ],
            {name: column.cast(pa.string()).combine_chunks() for name, column in ids.items()},
            folder,
            optional,
        )
        return log, sum(told["duplicates"] for told in self._told)


def check_options(options: Sequence[str] | None) -> None:
    """See that options of a pipeline look like some.

    Raises:
        ValueError: naming the first that doesn't.
    """
    if isinstance(options, str):
        raise ValueError(f"beam is {options!r}, but must be a list of options, such as ['--runner=FlinkRunner']")
    for option in options or ():
        if not option.startswith("--"):
            raise ValueError(f"beam holds {option!r}, but an option begins with --, such as '--runner=FlinkRunner'")


def run(files: Files, now: int, orders: Orders, folder: Path, *, options: Sequence[str], memory_limit: str) -> Shards:
    """Read and order files with the workers of a Beam pipeline.

    Args:
        files: of the source; every worker must find them under these paths.
        now: the latest second that an event may have.
        orders: how rows become logs.
        folder: an empty folder that every worker finds under this path.
        options: of the pipeline, such as `--runner=FlinkRunner`.
        memory_limit: how much memory DuckDB may take in a worker before it goes to the disk of temporary files.

    Raises:
        ExtraMissing: if Apache Beam isn't installed.
        IngestError: if a file can't be read to its end.
    """
    beam = from_extra("apache_beam", "logs are read by a pipeline", "beam")
    pipeline_options = from_extra("apache_beam.options.pipeline_options", "logs are read by a pipeline", "beam")
    settings = pipeline_options.PipelineOptions(list(options))
    # All that workers run is imported from this library: nothing of the program that asks has to reach them.
    settings.view_as(pipeline_options.SetupOptions).save_main_session = False
    # A worker may stand in another folder.
    files, folder = [(part, path.absolute()) for part, path in files], folder.absolute()
    size = sum(path.stat().st_size for _, path in files)
    shards = min(max(size // _SHARD_BYTES, _FEWEST), _MOST)
    with beam.Pipeline(options=settings) as pipeline:
        written = (
            pipeline
            | "files" >> beam.Create(range(len(files)))
            | "shared out" >> beam.Reshuffle()
            | "judged" >> beam.FlatMap(_judge, files, now, folder, shards, memory_limit).with_output_types(_Piece)
            | "by user" >> beam.GroupByKey()
            | "ordered" >> beam.FlatMap(_order, orders, folder, memory_limit).with_output_types(str)
        )
        every = beam.pvalue.AsList(written)
        whole = pipeline | "once" >> beam.Create([0]) | "numbered" >> beam.Map(_number, every, folder, memory_limit)
        # The numbers are a file: what goes through the pipeline only says that it is there.
        _ = written | "renumbered" >> beam.Map(_renumber, beam.pvalue.AsSingleton(whole), memory_limit)
    for path in sorted(folder.glob("error-*.json")):
        raise IngestError(*json.loads(path.read_text()))
    return Shards(folder)


def _judge(number: int, files: Files, now: int, folder: Path, shards: int, memory_limit: str) -> Iterator[_Piece]:
    """The rows of a file by shard."""
    part, path = files[number]
    with _database(memory_limit) as (db, scratch), _errors(folder / f"error-1-{number:09}.json"):
        left_out = read_file(db, path, number, part, now)
        (folder / f"left-out-{number}.json").write_text(json.dumps(left_out))
        (pieces := scratch / "pieces").mkdir()
        # What has no user is shared out as well.
        query = f"SELECT *, hash(coalesce(user_id, line::VARCHAR)) % {shards} AS shard FROM checked"
        db.execute(f"COPY ({query}) TO {literal(str(pieces))} (FORMAT parquet, PARTITION_BY shard)")
        for piece in sorted(pieces.rglob("*.parquet")):
            yield int(piece.parent.name.removeprefix("shard=")), piece.read_bytes()


def _order(shard: tuple[int, Iterable[bytes]], orders: Orders, folder: Path, memory_limit: str) -> Iterator[str]:
    """Write the log of a shard."""
    number, pieces = shard
    with (
        _errors(folder / f"error-2-{number:09}.json"),
        draft_folder(folder / f"shard-{number:09}") as draft,
        _database(memory_limit) as (db, scratch),
    ):
        (folder_of_pieces := scratch / "pieces").mkdir()
        for place, piece in enumerate(pieces):
            (folder_of_pieces / f"{place}.parquet").write_bytes(piece)
        db.execute("DROP TABLE checked")
        db.execute(f"CREATE VIEW checked AS SELECT * FROM read_parquet({literal(f'{folder_of_pieces}/*.parquet')})")
        rows = scalar(db, "SELECT count(*) FROM checked")
        log, duplicates = write_log(db, scratch, draft, orders)
        for name in ID_COLUMNS:
            pq.write_table(pa.table({"id": getattr(log, name)}), draft / f"{name}.parquet")
        for table, kept in {"checked": "reason IS NOT NULL", "contradicted": "true"}.items():
            target = literal(str(draft / f"{table}.parquet"))
            db.execute(f"COPY (SELECT * FROM {table} WHERE {kept}) TO {target} (FORMAT parquet)")
        (draft / _TOLD).write_text(json.dumps({"rows": rows, "duplicates": duplicates}))
    if (folder / f"shard-{number:09}").is_dir():
        yield str(folder / f"shard-{number:09}")


def _number(_: int, shards: Sequence[str], folder: Path, memory_limit: str) -> str:
    """Number the ids of all shards; returns the folder that holds a table for each of `log.ID_COLUMNS`."""
    with tempfile.TemporaryDirectory() as scratch, duckdb.connect() as db:
        limit(db, scratch, memory_limit, threads=1)
        for name in ID_COLUMNS if shards else ():
            query = numbered(f"SELECT id FROM {_scan(map(Path, shards), f'{name}.parquet')}")
            target = literal(str(folder / f"{name}.parquet"))
            db.execute(f"COPY ({query} ORDER BY number) TO {target} (FORMAT parquet)")
    return str(folder)


def _renumber(shard: str, folder: str, memory_limit: str) -> None:
    """Write the numbers among all of a shard's ids, in their order."""
    with tempfile.TemporaryDirectory() as scratch, duckdb.connect() as db:
        limit(db, scratch, memory_limit, threads=1)
        for name in ID_COLUMNS:
            one, every = (_scan([Path(place)], f"{name}.parquet") for place in (shard, folder))
            query = f"SELECT number FROM {every} WHERE id IN (FROM {one}) ORDER BY number"
            np.save(Path(shard) / f"{name}.npy", db.execute(query).fetchnumpy()["number"], allow_pickle=False)


def _scan(folders: Iterable[Path], name: str) -> str:
    """SQL over one file in each of some folders."""
    return f"read_parquet([{', '.join(literal(str(folder / name)) for folder in folders)}])"


@contextlib.contextmanager
def _database(memory_limit: str) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """A database on a worker's own disk. A runner starts as many workers as there are cores, so each uses one."""
    with tempfile.TemporaryDirectory() as scratch, connect(scratch, memory_limit, threads=1) as db:
        yield db, Path(scratch)


@contextlib.contextmanager
def _errors(path: Path) -> Iterator[None]:
    """Leave what is wrong with a source for the process that started the run: Beam would take it for a worker's fault.

    It would try again, and at last raise an error of its own.
    """
    try:
        yield
    except IngestError as error:
        path.write_text(json.dumps([error.problem, error.mend, list(error.lines)]))
