"""`EventsBuilder`: what all TFDS builders of event logs share.

A builder parses, checks and writes once. On disk a prepared set is one ArrayRecord example for each sequence, and
beside them the ids, the companion tables, the rejects and the ingest report. TensorFlow is never imported.
"""

import abc
import contextlib
import dataclasses
import hashlib
import inspect
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow_datasets as tfds
from absl import logging
from etils import epath

from urep_jax.data.ingest.events import REPORT_FILE, IngestReport, ingest
from urep_jax.data.ingest.files import IngestError
from urep_jax.data.ingest.parts import Part
from urep_jax.data.ingest.rejects import REJECTS_FILE
from urep_jax.data.ingest.schema import COMPANIONS
from urep_jax.data.log import ID_COLUMNS, OPTIONAL_COLUMNS, REQUIRED_COLUMNS, EventLog, Granularity, load_log

SPLIT = "events"
"""The one TFDS split of a prepared set; train, validation and test are cut from the log later."""

_META_FILE = "log.json"
_KEPT_FILES = (REJECTS_FILE, REPORT_FILE, *(f"{table}.parquet" for table in COMPANIONS))


@dataclasses.dataclass(frozen=True, kw_only=True)
class EventsConfig(abc.ABC):
    """What a data set is made from: a frozen dataclass, whose fields are all that the result depends on.

    A field `beam` changes nothing of the result; it says who reads the files (see `ingest`).
    """

    @abc.abstractmethod
    def builder(self, data_dir: str | os.PathLike[str]) -> "EventsBuilder[Any]":
        """The builder of this data set, which keeps what it prepares under `data_dir`."""

    def sources(self) -> list[Path]:
        """The files that the data set is read from; none if it is downloaded or simulated."""
        return []


ConfigT = TypeVar("ConfigT", bound=EventsConfig)


class EventsBuilder(tfds.core.GeneratorBasedBuilder, Generic[ConfigT], skip_registration=True):  # type: ignore[call-arg]
    """A TFDS builder of event logs; a subclass gives `granularity` and `_read`.

    Attributes:
        home: where the publisher has the files, if they are read as they were published and no setting tells how.
        settings: the frozen config.
        fingerprint: changes with the builder's name and version, with the config, and with the source files' names,
            sizes and times of change.
    """

    VERSION = tfds.core.Version("1.0.0")
    home: ClassVar[str | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # TFDS's own look-up wants the package importlib_resources, which nothing pulls in, and fails in scripts.
        cls.code_path = epath.Path(inspect.getfile(cls))
        cls.pkg_dir_path = cls.code_path.parent

    def __init__(self, settings: ConfigT, *, data_dir: str | os.PathLike[str]) -> None:
        """Make a builder; nothing is read yet.

        Args:
            settings: the frozen config.
            data_dir: where prepared sets are kept, each in `<name>/<fingerprint>/<version>`.

        Raises:
            FileNotFoundError: if a source file doesn't exist.
        """
        self.settings = settings
        self.fingerprint = _fingerprint(self.name, str(self.VERSION), settings)
        self._scratch: Path | None = None
        self._dl_manager: tfds.download.DownloadManager | None = None
        with _quiet():
            config = tfds.core.BuilderConfig(name=self.fingerprint)
            super().__init__(data_dir=data_dir, config=config, file_format="array_record")

    @property
    def granularity(self) -> Granularity:
        """What one sequence is, a `user` or a `session`."""
        return "user"

    @abc.abstractmethod
    def _read(self, folder: Path) -> EventLog:
        """Read the sources.

        Args:
            folder: scratch space. Companion tables (`<table>.parquet`), rejects and the ingest report that are found in
                it afterwards are kept with the prepared set.
        """

    def download_and_prepare(self, **kwargs: Any) -> None:
        """Prepare the set unless it is prepared already; see TFDS."""
        Path(self.data_dir_root).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".scratch-", dir=self.data_dir_root) as scratch, _quiet():
            self._scratch = Path(scratch)
            super().download_and_prepare(**kwargs)

    def meta(self) -> dict[str, Any]:
        """Name, granularity and columns of the prepared log."""
        meta: dict[str, Any] = json.loads((Path(self.data_dir) / _META_FILE).read_text())
        return meta

    def ids(self) -> dict[str, pa.Array]:
        """The source's ids of the prepared log, by the names of `log.ID_COLUMNS`."""
        return {name: self._table(name)["id"].combine_chunks() for name in ID_COLUMNS}

    def report(self) -> IngestReport | None:
        """What became of the rows that the prepared set was read from; None if it wasn't read by `ingest`."""
        path = Path(self.data_dir) / REPORT_FILE
        return IngestReport(**json.loads(path.read_text())) if path.is_file() else None

    @property
    def rejects(self) -> Path:
        """The file that tells of the rows that were left out, if there is a report."""
        return Path(self.data_dir) / REJECTS_FILE

    def companion(self, table: str) -> pa.Table | None:
        """A companion table of the prepared set; None if the data has none.

        Args:
            table: one of `schema.COMPANIONS`.
        """
        if table not in COMPANIONS:
            raise ValueError(f"table is {table!r}, but must be one of {', '.join(COMPANIONS)}")
        return self._table(table) if (Path(self.data_dir) / f"{table}.parquet").is_file() else None

    def _table(self, name: str) -> pa.Table:
        return pq.read_table(str(Path(self.data_dir) / f"{name}.parquet"))

    def _download(self, url: str, folder: Path | None = None) -> Path:
        """Fetch a file, or take it from TFDS's download folder; for use in `_read`.

        Args:
            url: where the publisher has it.
            folder: where to show it under the publisher's name, which TFDS doesn't keep.
        """
        assert self._dl_manager is not None
        file = Path(self._dl_manager.download(url))
        if folder is None:
            return file
        folder.mkdir(parents=True, exist_ok=True)
        named = folder / url.rsplit("/", 1)[-1]
        named.symlink_to(file.absolute())
        return named

    def _ingest(self, source: Part | Sequence[Part], folder: Path, **options: Any) -> EventLog:
        """`ingest` for use in `_read`: leaves the rejects and the report in `folder`, to be kept."""
        log_folder = folder / "log"
        ingest(source, log_folder, granularity=self.granularity, **options)
        for name in (REJECTS_FILE, REPORT_FILE):
            shutil.move(log_folder / name, folder / name)
        return load_log(log_folder)

    def _info(self) -> tfds.core.DatasetInfo:
        # Columns that a log lacks are empty in every example: TFDS wants the features before anything is read.
        columns = REQUIRED_COLUMNS | OPTIONAL_COLUMNS
        features = {name: tfds.features.Tensor(shape=(None,), dtype=dtype) for name, dtype in columns.items()}
        features |= {"sequence": tfds.features.Scalar(np.int64), "sequence_id": tfds.features.Text()}
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features), supervised_keys=None, disable_shuffling=True
        )

    def _log_download_bytes(self) -> None:
        """Print nothing: progress is told by who asked for the data."""

    def _log_download_done(self) -> None:
        """Print nothing."""

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        assert self._scratch is not None
        self._dl_manager = dl_manager
        try:
            log = self._read(self._scratch)
        except IngestError as error:
            if self.home is None:
                raise
            # What ingest would have set can't be set here.
            raise IngestError(error.problem, f"get it again from {self.home}", error.lines) from error
        if log.granularity != self.granularity:
            raise ValueError(f"{self.name} read a log of {log.granularity}s, but declares {self.granularity}s")
        folder = Path(self.data_dir)  # TFDS's draft, renamed when everything is written.
        for name in ID_COLUMNS:
            pq.write_table(pa.table({"id": getattr(log, name)}), str(folder / f"{name}.parquet"))
        for name in _KEPT_FILES:
            if (self._scratch / name).is_file():
                shutil.move(self._scratch / name, folder / name)
        meta = {"name": log.name, "granularity": log.granularity, "columns": [name for name, _ in log.columns()]}
        (folder / _META_FILE).write_text(json.dumps(meta, indent=1))
        # TFDS takes no split without an example.
        return {SPLIT: self._generate_examples(log)} if log.num_sequences else {}

    def _generate_examples(self, log: EventLog) -> Iterator[tuple[int, dict[str, Any]]]:
        columns = dict(log.columns())
        absent = {name: np.empty(0, dtype) for name, dtype in OPTIONAL_COLUMNS.items() if name not in columns}
        for sequence in range(log.num_sequences):
            start, stop = log.offsets[sequence], log.offsets[sequence + 1]
            events = {name: np.asarray(column[start:stop]) for name, column in columns.items()}
            identity = {"sequence": sequence, "sequence_id": log.sequence_ids[sequence].as_py()}
            yield sequence, identity | events | absent


def _fingerprint(name: str, version: str, settings: EventsConfig) -> str:
    files = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in settings.sources()]
    said = dataclasses.asdict(settings)
    said.pop("beam", None)  # Who reads changes nothing of what is read.
    told = [name, version, said, files]
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:16]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """TFDS without its progress bars and its warnings of things that are meant."""
    tfds.disable_progress_bar()
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
