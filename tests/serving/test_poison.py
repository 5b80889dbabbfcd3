"""Files from strangers: a pickle in place of any file of any folder that is loaded is refused, and never run."""

import os
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.data.user_features.listeners import log_of, modalities
from tests.serving.online.chain import train
from tests.serving.test_preference import READ
from tests.test_house import ROOT
from urep_jax.data.log import load_log, save_log
from urep_jax.data.user_features.modality_files import load_modality, save_modality
from urep_jax.data.user_features.space import load_space
from urep_jax.data.vocabulary import Vocabulary, load_vocabulary, save_vocabulary
from urep_jax.lineage.store import LineageStore
from urep_jax.serving.export import export_encoder
from urep_jax.serving.exported import load_exported
from urep_jax.serving.online.sqlite_store import SqliteStore
from urep_jax.serving.online.sqlite_stream import SqliteStream
from urep_jax.serving.preference import load_read, save_read
from urep_jax.serving.restore import restore_encoder


class Poison:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.mark),)


def pickled(mark: Path) -> bytes:
    return pickle.dumps(Poison(mark))


def array_of_objects(mark: Path) -> bytes:
    """As NumPy writes an array that holds anything: the header that it believes, and a pickle."""
    holds = np.empty(1, object)
    holds[0] = Poison(mark)
    path = mark.with_suffix(".npy")
    np.save(path, holds, allow_pickle=True)
    return path.read_bytes()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(folder)
    return folder


def _log(folder: Path, run: Path) -> Callable[[], object]:
    save_log(log_of(0), folder)
    return lambda: [np.asarray(column) for _, column in load_log(folder).columns()]


def _features(folder: Path, run: Path) -> Callable[[], object]:
    shutil.copytree(run / "features", folder)
    return lambda: load_space(folder)


def _modality(folder: Path, run: Path) -> Callable[[], object]:
    save_modality(modalities()[0], folder)
    return lambda: load_modality(folder)


def _classifier(folder: Path, run: Path) -> Callable[[], object]:
    save_read(READ, folder)
    return lambda: load_read(folder)


def _vocabulary(folder: Path, run: Path) -> Callable[[], object]:
    save_vocabulary(Vocabulary(pa.array(["a"]), pa.array(["b"]), pa.array(["c"])), folder)
    return lambda: load_vocabulary(folder)


def _exported(folder: Path, run: Path) -> Callable[[], object]:
    export_encoder(restore_encoder(run), folder)
    return lambda: load_exported(folder)


def _lineage(folder: Path, run: Path) -> Callable[[], object]:
    folder.mkdir()
    LineageStore(folder / "lineage.sqlite")
    return lambda: LineageStore(folder / "lineage.sqlite").chains()


def _online(folder: Path, run: Path) -> Callable[[], object]:
    for part in (SqliteStream(folder, 2), SqliteStore(folder)):
        part.close()
    shutil.rmtree(folder / "locks", ignore_errors=True)

    def load() -> object:
        for part in (SqliteStream(folder, 2), SqliteStore(folder)):
            part.close()
        return None

    return load


LOADERS = (_log, _features, _modality, _classifier, _vocabulary, _exported, _lineage, _online)


@pytest.mark.parametrize("poison", [pickled, array_of_objects])
@pytest.mark.parametrize("make", LOADERS, ids=lambda make: make.__name__.strip("_"))
def test_no_loader_runs_what_it_reads(
    make: Callable[[Path, Path], Callable[[], object]], poison: Callable[[Path], bytes], run: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    load = make(tmp_path / "good", run)
    load()
    files = [path for path in (tmp_path / "good").rglob("*") if path.is_file() and path.suffix != ".lock"]
    refused = 0
    for path in files:
        kept = path.read_bytes()
        path.write_bytes(poison(mark))
        try:
            load()
        except Exception:
            refused += 1
        assert not mark.exists(), path
        path.write_bytes(kept)
    assert refused >= len(files) - 1, "what isn't read may be anything, and is little"
    load()


@pytest.mark.parametrize("poison", [pickled, array_of_objects])
def test_no_checkpoint_runs_what_it_holds(poison: Callable[[Path], bytes], run: Path, tmp_path: Path) -> None:
    mark, file = tmp_path / "mark", tmp_path / "poison"
    file.write_bytes(poison(mark))
    width = str(restore_encoder(run).features.width)
    where = map(str, (run / "autoencoder" / "checkpoints", file, width, mark, tmp_path / "read"))
    call = [sys.executable, "-m", "tests.serving.poisoned_checkpoints", *where]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"tried \d\d\n", done.stdout), done.stdout
    assert not mark.exists()


def test_a_pickle_would_leave_its_mark(tmp_path: Path) -> None:
    pickle.loads(pickled(tmp_path / "mark"))  # noqa: S301
    assert (tmp_path / "mark").exists()
