"""Sweeps: what fails is named and costs the others nothing, and what is there is not done again."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.report.__main__ import main as report
from experiments.sweep import run_name
from tests.experiments.command import NEGATIVE, ROOT, SMALL, Command


def jobs(folder: Path, name: str) -> dict[str, Path]:
    """The file of this name of each job in a sweep's folder, by the job's `p_hard`."""
    return {
        word.removeprefix("p_hard="): path
        for path in folder.glob(f"*/{name}")
        for word in path.parent.name.split(",")
        if word.startswith("p_hard=")
    }


def test_a_sweep_goes_on_past_a_failure_and_again_does_what_is_missing(
    command: Command, workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = (*SMALL, "sweep=p_hard", "p_hard=0,2,1", "seed=0", "baselines=[popularity]")
    folder = workspace / "sweeps" / "negative_feedback" / "radio" / "p_hard"
    said = command(*sweep)
    assert said.status == 1
    assert f"1 of the jobs in {folder} failed" in said.err
    assert "p_hard=2,seed=0" in said.err
    assert "p_hard is 2, but must be between 0 and 1" in said.err
    assert jobs(folder, "metrics.json").keys() == {"0", "1"}
    assert jobs(folder, "failed.txt").keys() == {"2"}

    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/metrics.json")}
    again = command(*sweep)
    assert again.status == 1
    assert again.out.count("this run has ended before") == 2
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*/metrics.json")} == before

    mended = command(*(word.replace("p_hard=0,2,1", "p_hard=0,1") for word in sweep))
    assert mended.status == 0, "what failed in another command is not this one's"
    assert f"python -m experiments.report {folder}" in mended.out

    report([str(folder), "--out", str(tmp_path / "report")])
    assert "Figure 2, top" in capsys.readouterr().out
    told = {path.name for path in (tmp_path / "report").iterdir()}
    figures = {
        f"{name}.png"
        for name in ("radio", "figure_1", "figure_2_top", "figure_3", "frontier", "figure_4", "popularity")
    }
    assert told == {"report.md", "report.json", *figures}


def test_a_sweep_over_files_has_a_folder_for_each() -> None:
    names = {run_name([f"data.path={path}", "seed=0", "data=interactions"], None) for path in ("a/logs", "b/logs", "c")}
    assert len(names) == 3
    assert all(re.fullmatch(r"data\.path=(logs|c)-[0-9a-f]{6},seed=0", name) for name in names)


def test_a_folders_name_is_never_too_long() -> None:
    mapping = "data.source.columns={" + ",".join(f"column_{i}: their_name_{i}" for i in range(9)) + "}"
    many = [f"data.source.params.some_long_name_{i}=ж{i}" for i in range(20)]
    names = [run_name([mapping, *many[:n], f"p_hard={p}"], None) for n in (0, 20) for p in (0, 1)]
    assert len(set(names)) == 4
    assert max(len(name.encode()) for name in names) <= 240
    assert names[0].endswith(",p_hard=0")


def test_what_fails_on_another_data_set_is_named_too(command: Command, workspace: Path) -> None:
    said = command("-m", NEGATIVE, *SMALL[3:], "data=interactions,movielens_1m_leave_one_out", "p_hard=0")
    assert said.status == 1
    assert f"2 of the jobs in {workspace / 'sweeps'} failed" in said.err
    for data in ("interactions", "movielens_1m_leave_one_out"):
        (line,) = [line for line in said.err.splitlines() if line.strip().startswith(f"negative_feedback/{data}/none/")]
        assert f"{data} needs data.path=" in line


@pytest.mark.usefixtures("slurm")
@pytest.mark.parametrize("launcher", ["side_by_side", "submitit_local", "slurm"])
def test_jobs_of_other_launchers_are_named_too(
    workspace: Path, tmp_path: Path, launcher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sweep"
    # Its places are not those of other sweeps on this machine.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    places = (f"workspace={workspace}", f"hydra.sweep.dir={folder}")
    call = [sys.executable, "-m", "experiments.run", "-m", *SMALL, f"hydra/launcher={launcher}", "p_hard=2,3", *places]
    said = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 1, said.stderr
    assert jobs(folder, "failed.txt").keys() == {"2", "3"}
    for value in (2, 3):
        assert f"p_hard is {value}, but must be between 0 and 1" in said.stderr


@pytest.mark.parametrize(
    ("launcher", "package", "extra"),
    [
        ("side_by_side", "hydra_plugins.hydra_joblib_launcher", "sweeps"),
        ("slurm", "hydra_plugins.hydra_submitit_launcher", "sweeps"),
        ("ray", "ray", "ray"),
    ],
)
def test_what_a_launcher_lacks_is_named(
    command: Command, monkeypatch: pytest.MonkeyPatch, launcher: str, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    said = command("-m", NEGATIVE, "p_hard=0,1", f"hydra/launcher={launcher}")
    assert said.status == 1
    assert f"hydra/launcher={launcher} starts jobs with {package}, which can't be imported" in said.err
    assert f"pip install -e '.[{extra}]'" in said.err
