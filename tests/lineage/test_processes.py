"""Several processes at one file, and such as are killed in the middle of it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lineage.chains import CHAIN, batch
from tests.lineage.children import ACTIONS
from urep_jax.lineage.graph import ModelGraph
from urep_jax.lineage.store import Entry, LineageStore, Seen

ROOT = Path(__file__).parents[2]
CHILD = [sys.executable, "-m", "tests.lineage.children"]


def child(*arguments: object) -> subprocess.Popen[str]:
    command = [*CHILD, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def say(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().removesuffix("\n")


def test_of_two_that_rotate_at_once_one_wins_and_the_other_is_told(tmp_path: Path) -> None:
    store = LineageStore(tmp_path / "chains.sqlite")
    store.declare("radio", ModelGraph({"audio": ()}))
    store.register("radio", batch("audio-0"))
    with child("rotate_when_told", store.path, "one") as one, child("rotate_when_told", store.path, "two") as two:
        both = {"one": one, "two": two}
        assert [hear(process) for process in both.values()] == ["ready", "ready"]
        for number in range(40):
            chosen = {name: f"audio-{name}{number}" for name in both}
            for space_id in chosen.values():
                seen = store.register("radio", batch(space_id))
            for name, process in both.items():
                say(process, f"{chosen[name]} {seen.version}")
            heard = {name: hear(process) for name, process in both.items()}
            (winner,) = (name for name, words in heard.items() if words == "won")
            (loser,) = both.keys() - {winner}
            done = f"{seen.version + 1}: rotate {chosen[winner]} ({winner})"
            assert heard[loser].endswith(f"Since then: {done}. Look again, and decide anew")
            now = store.look("radio")
            assert now.version == seen.version + 1
            assert now.lineage.current["audio"].space_id == chosen[winner]
            assert chosen[loser] in now.lineage.trained
        for process in both.values():
            process.communicate()


def test_several_may_begin_one_file_at_once(tmp_path: Path) -> None:
    for round_ in range(3):
        path = tmp_path / f"{round_}.sqlite"
        with child("begin", path) as one, child("begin", path) as two:
            assert [hear(process) for process in (one, two)] == ["ready", "ready"]
            for process in (one, two):
                say(process, "go")
            assert [hear(process) for process in (one, two)] == ["done", "done"]
        assert len(LineageStore(path).chains()) == 10


def left_in(path: Path) -> tuple[Seen | None, tuple[Entry, ...]]:
    """All that a file tells of the chain."""
    store = LineageStore(path, clock=lambda: 5.0)
    return (store.look("streaming"), store.history("streaming")) if store.chains() else (None, ())


@pytest.mark.parametrize("action", ACTIONS)
def test_whoever_is_killed_leaves_what_was_before_or_after(action: str, tmp_path: Path) -> None:
    before = tmp_path / "before.sqlite"
    if action != "begin":
        store = LineageStore(before, clock=lambda: 1.0, actor="before")
        store.declare(
            "streaming", ModelGraph({model: CHAIN.parents[model] for model in ("collaborative", "audio", "users")})
        )
        store.register("streaming", batch("collaborative-1"))
        for number in (1, 2, 3):
            audio, users = batch(f"audio-{number}"), batch(f"users-{number}", "collaborative-1", f"audio-{number}")
            for one in (audio, users):
                store.register("streaming", one)
            if number == 2:
                store.rotate("streaming", [audio.space_id, users.space_id])
    with child("kill_at_every_write", tmp_path, before, action) as killed:
        heard, _ = killed.communicate()
    statuses = [int(status) for status in heard.split()]
    assert statuses[-1] == 0
    assert set(statuses[:-1]) == {-signal.SIGKILL}
    assert len(statuses) > {"begin": 10, "read": 4}.get(action, 8)
    was, done = (
        (left_in(before) if action != "begin" else (None, ())),
        left_in(tmp_path / f"{len(statuses) - 1}.sqlite"),
    )
    assert (was == done) == (action == "begin")
    for n in range(len(statuses) - 1):
        path = tmp_path / f"{n}.sqlite"
        assert left_in(path) in (was, done)
        # What a kill leaves stands in nobody's way: to do it again gets there.
        if left_in(path) == was:
            ACTIONS[action](LineageStore(path, clock=lambda: 5.0, actor="killed"))
        again = left_in(path)
        if action == "read":  # It holds its reader's process.
            assert again[0] is not None
            assert list(again[0].lineage.readers) == ["nightly"]
        else:
            assert again == done
