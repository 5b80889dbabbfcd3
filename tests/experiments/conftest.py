"""Fixtures of the experiments' tests."""

import os
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

from tests.experiments import slurm as commands_of_slurm
from tests.experiments.command import Command, Said
from tests.experiments.published_lists import write_published_lists


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all runs, so that the radio is made, and each program compiled, once."""
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture
def command(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """`python -m experiments.run ARGUMENTS`, in this process: a new one takes seconds to start."""
    monkeypatch.delenv("UREP_DATA", raising=False)

    def call(*arguments: str, folder: Path = tmp_path / "run") -> Said:
        places = (f"workspace={workspace}", f"hydra.run.dir={folder}")
        monkeypatch.setattr(sys, "argv", ["experiments.run", *arguments, *places])
        monkeypatch.delitem(sys.modules, "experiments.run", raising=False)
        status: int | str | None = 0
        try:
            runpy.run_module("experiments.run", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            status = end.code
        assert isinstance(status, int)
        return Said(status, *capsys.readouterr())

    cache = jax.config.jax_compilation_cache_dir
    yield call
    jax.config.update("jax_compilation_cache_dir", cache)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cluster; the folder where its commands leave what they were told."""
    folder = tmp_path / "slurm"
    commands_of_slurm.install(folder)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


@pytest.fixture
def published_lists(tmp_path: Path) -> Path:
    """Folder of published lists."""
    folder = tmp_path / "lists"
    write_published_lists(folder)
    return folder
