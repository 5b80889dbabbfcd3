"""`task=lineage`: what it tells, and what it refuses; trainings that register."""

import dataclasses
import io
import re
import time
from pathlib import Path

import pytest
from rich.console import Console

from experiments.lineage.commands import drawn, latest_run
from experiments.lineage.registry import Registry
from tests.experiments.command import NEGATIVE, Command
from tests.experiments.test_conf import composed
from urep_jax.lineage.batch import Batch
from urep_jax.lineage.errors import Unknown
from urep_jax.lineage.graph import ModelGraph
from urep_jax.lineage.slots import Slots
from urep_jax.lineage.store import LineageStore

DAY = 86_400.0
SMALL = (
    NEGATIVE,
    *("data.source.params.num_listeners=150", "data.split.test_days=90", "baselines=[]"),
    *("train.epochs=1", "train.batch_size=32", "train.strata=1", "max_length=20", "model.width=8", "model.blocks=1"),
)


def told(store: LineageStore, now: float) -> str:
    console = Console(width=120, file=io.StringIO())
    console.print(drawn("mine", store.look("mine"), now))
    return console.file.getvalue()


def test_the_status_draws_what_serves_how_old_it_is_and_what_is_due(tmp_path: Path) -> None:
    store = LineageStore(tmp_path / "lineage.sqlite")
    store.declare("mine", ModelGraph({"audio": (), "users": ("audio",)}), {"users": 30})
    for batch in (
        Batch("audio", "audio-aa", {}, 0.0, "runs/1"),
        Batch("users", "users-bb", {"audio": "audio-aa"}, 0.0, "runs/1"),
        Batch("audio", "audio-cc", {}, 60 * DAY, "runs/2"),
        Batch("audio", "audio-dd", {}, 59 * DAY, "runs/3"),
    ):
        store.register("mine", batch)
    assert latest_run(store.look("mine").lineage) == "runs/2"
    store.rotate("mine", ["audio-cc"])
    lines = [line.strip("│├└─ ") for line in told(store, 61 * DAY).splitlines()]
    assert lines == [
        "mine, version 6",
        "audio",
        "current audio-cc  1 day old",
        "legacy  audio-aa  61 days old",
        "trained audio-dd  2 days old; not in use",
        "users ◄ audio  every 30 days  due: 61.0 days old, of 30; reads audio-aa, and audio-cc is current",
        "current users-bb  61 days old, on the legacy audio",
    ]
    store.register("mine", Batch("users", "users-ee", {"audio": "audio-cc"}, 61 * DAY, "runs/2"))
    store.rotate("mine", ["users-ee"])
    assert "due" not in told(store, 61 * DAY)
    store.rotate("mine", ["audio-cc", "users-ee"])
    empty = dataclasses.replace(store.look("mine").lineage, slots=Slots())
    with pytest.raises(Unknown, match="nothing that was trained waits to be used; train first"):
        latest_run(empty)


def test_a_training_registers_and_can_be_rotated_in(command: Command, tmp_path: Path) -> None:
    chain = "lineage.chain=radio test"
    first = command(*SMALL, chain, folder=tmp_path / "a")
    second = command(*SMALL, chain, "seed=1", "data.source.world=0", folder=tmp_path / "b")
    assert (first.status, second.status) == (0, 0), first.err + second.err
    status = command("task=lineage", chain)
    current = re.search(r"current (recommender-\w{16})", status.out)
    waiting = re.search(r"trained (recommender-\w{16})", status.out)
    assert current is not None
    assert waiting is not None
    assert command("task=lineage", chain, "lineage.command=due").out.strip() == "nothing is due"
    rotated = command("task=lineage", chain, "lineage.command=rotate", f"lineage.run={tmp_path / 'b'}")
    assert f"current {waiting[1]}" in rotated.out
    assert f"legacy  {current[1]}" in rotated.out
    again = command("task=lineage", chain, "lineage.command=rotate", f"lineage.run={tmp_path / 'b'}")
    assert "these serve already" in again.out
    back = command("task=lineage", chain, "lineage.command=rollback", "lineage.model=recommender")
    assert f"current {current[1]}" in back.out
    history = command("task=lineage", chain, "lineage.command=history")
    assert re.findall(r"declare|register|rotate|rollback", history.out) == [
        *("declare", "register", "register", "rotate", "rollback")
    ]
    retrained = command("task=lineage", chain, "lineage.command=retrain", "lineage.model=recommender")
    assert retrained.status == 1
    assert "is of negative_feedback, whose one model is trained with python -m experiments.run" in retrained.err
    # Another graph under the name of this chain: nothing is lost, and it is told.
    other = command("task=lineage", chain, "lineage.command=rollback", "lineage.model=nobody")
    assert other.status == 1
    assert "there is no model 'nobody' in the chain; it has recommender" in other.err


def test_when_a_model_is_due_is_told_once_and_stays(command: Command, workspace: Path) -> None:
    store = LineageStore(workspace / "lineage.sqlite")
    graph = ModelGraph({"audio": (), "users": ("audio",)})
    store.declare("mine", graph)
    store.register("mine", Batch("audio", "audio-aa", {}, time.time() - 20 * DAY, "runs/1"))
    store.register("mine", Batch("users", "users-bb", {"audio": "audio-aa"}, time.time() - 20 * DAY, "runs/1"))
    mine = ("task=lineage", "lineage.chain=mine")
    assert command(*mine, "lineage.command=due").out.strip() == "nothing is due"
    said = command(*mine, "lineage.command=cadence", "lineage.retrain_days={users: 10}")
    assert "every 10 days  due: 20.0 days old, of 10" in said.out, said.err
    # As a training does it that tells of another model, or of none.
    for told in ("{audio: 50}", "null"):
        cfg = composed("lineage.chain=mine", f"lineage.retrain_days={told}", f"workspace={workspace}")
        Registry(cfg, workspace / "run", graph.parents, Console(quiet=True))
    assert store.look("mine").lineage.cadence == {"users": 10, "audio": 50}
    for days in ("{users: often}", "{users: true}"):
        wrong = command(*mine, "lineage.command=cadence", f"lineage.retrain_days={days}")
        assert "lineage.retrain_days.users is " in wrong.err
        assert "must be a number of days" in wrong.err
    none = command(*mine, "lineage.command=cadence")
    assert "lineage.command=cadence needs lineage.retrain_days, such as" in none.err
    past = command(*mine, "lineage.command=cadence", "lineage.retrain_days={users: -1}")
    assert "the cadence of 'users' is -1.0 days, but must be above 0" in past.err
    elsewhere = command(*mine, "lineage.retrain_days={users: 1}")
    assert "lineage.retrain_days is for trainings and lineage.command=cadence" in elsewhere.err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("lineage.command=rotat",), "lineage.command is 'rotat', but must be one of status, due, retrain, rotate"),
        (("lineage.chain=null",), "lineage.chain is null, but must name the chain"),
        (("lineage.chain=nothing",), "there is no chain 'nothing' in "),
    ],
)
def test_what_cannot_be_done_is_told(command: Command, arguments: tuple[str, ...], why: str) -> None:
    said = command("task=lineage", *arguments)
    assert said.status == 1
    assert why in said.err


def test_nothing_to_serve_is_told(command: Command) -> None:
    said = command("task=serve", "lineage.chain=nothing")
    assert said.status == 1
    assert "nothing of the chain 'nothing' is trained in" in said.err
