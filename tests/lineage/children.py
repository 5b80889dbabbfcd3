"""What other processes do in `test_processes`: `python -m tests.lineage.children DO ARGUMENTS`."""

import os
import shutil
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

from tests.lineage.chains import batch
from urep_jax.lineage.errors import Conflict
from urep_jax.lineage.graph import ModelGraph
from urep_jax.lineage.store import LineageStore

ACTIONS = {
    "begin": lambda store: None,
    "register": lambda store: store.register("streaming", batch("audio-4")),
    "rotate": lambda store: store.rotate("streaming", ["audio-3", "users-3"]),
    "rollback": lambda store: store.rollback("streaming", "audio"),
    "read": lambda store: store.read("streaming", "nightly", ["users-1"], 9e9),
}

left = 0
"""Writes after which this process is killed."""


class Deadly(sqlite3.Connection):
    """Kills its process in place of a write."""

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        global left
        if not sql.startswith("SELECT"):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(sql, *parameters)


def kill_at_every_write(folder: str, before: str, action: str) -> None:
    """Begin at `before` and be killed at the n-th write, for every n until one gets through; `n.sqlite` is left."""
    connect = sqlite3.connect
    sqlite3.connect = lambda *args, **kwargs: connect(*args, factory=Deadly, **kwargs)  # type: ignore[assignment]
    for n in range(200):
        path = Path(folder) / f"{n}.sqlite"
        if Path(before).exists():
            shutil.copyfile(before, path)
        # A fork, since a start takes long.
        child = os.fork()
        if not child:
            global left
            left = n
            ACTIONS[action](LineageStore(path, clock=lambda: 5.0, actor="killed"))
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(status, flush=True)
        if status != -signal.SIGKILL:
            return


def rotate_when_told(path: str, actor: str) -> None:
    """For each line of an id and a version: rotate it in, and say who won."""
    store = LineageStore(Path(path), actor=actor)
    print("ready", flush=True)
    for line in sys.stdin:
        space_id, version = line.split()
        try:
            store.rotate("radio", [space_id], int(version))
            print("won", flush=True)
        except Conflict as conflict:
            print(conflict, flush=True)


def begin(path: str) -> None:
    """Make the file when told, and a chain in it."""
    print("ready", flush=True)
    sys.stdin.readline()
    store = LineageStore(Path(path))
    for number in range(5):
        store.declare(f"{os.getpid()}.{number}", ModelGraph({"audio": ()}))
    print("done", flush=True)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
