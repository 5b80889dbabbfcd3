"""Jobs side by side on one machine: none has what another one has."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.experiments.command import NEGATIVE, ROOT, Command

JOB = """
import os, sys
from pathlib import Path
from experiments.place import jobs_here, take_place
os.sched_setaffinity(0, range(os.cpu_count()))
room = jobs_here()
take_place(2, Path(sys.argv[1]))
print(room, os.environ["CUDA_VISIBLE_DEVICES"], *sorted(os.sched_getaffinity(0)), flush=True)
sys.stdin.read()
"""
"""Takes its place, tells it, and holds it until its input ends."""


class Jobs:
    """Jobs of a machine with five GPUs."""

    def __init__(self, locks: Path) -> None:
        self.locks = locks
        self.stack = ExitStack()

    def start(self) -> subprocess.Popen[str]:
        """One more."""
        call = [sys.executable, "-c", JOB, str(self.locks)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        return self.stack.enter_context(subprocess.Popen(call, cwd=ROOT, **pipes))


@pytest.fixture(params=["they are told", "nvidia-smi tells"])
def jobs(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """None is at work yet."""
    if request.param == "they are told":
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "a, b,c,d,e")
    else:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nprintf 'a\\nb\\nc\\nd\\ne\\n'\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    found = Jobs(tmp_path / "locks")
    with found.stack:
        yield found


def test_each_job_takes_gpus_and_cores_for_itself_and_the_next_waits(jobs: Jobs) -> None:
    def place(job: subprocess.Popen[str]) -> tuple[str, list[str], list[str]]:
        assert job.stdout is not None
        room, gpus, *cores = job.stdout.readline().split()
        return room, gpus.split(","), cores

    first, second = jobs.start(), jobs.start()
    places = [place(first), place(second)]
    assert {room for room, _, _ in places} == {str(min(5, os.cpu_count() or 1))}, "if nobody says how many"
    for kind, size in ((1, 2), (2, (os.cpu_count() or 0) // 2)):
        one, other = (set(found[kind]) for found in places)
        assert len(one) == len(other) == size
        assert not one & other
    third = jobs.start()
    second.communicate("")
    # Of five GPUs one was left, but two are a job's share.
    for kind, taken in enumerate(place(third)[1:], 1):
        assert not set(taken) & set(places[0][kind])


def test_more_jobs_than_there_is_room_for_are_refused(command: Command) -> None:
    said = command("-m", NEGATIVE, "hydra/launcher=side_by_side", "hydra.launcher.n_jobs=9999", "p_hard=0,1")
    assert said.status == 1
    assert "hydra.launcher.n_jobs is 9999, but must be from 1 to " in said.err
