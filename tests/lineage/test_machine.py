"""Random lives of random chains: trained, rotated, rolled back, read and crashed in any order."""

import contextlib
import itertools
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.lineage.chains import DAY
from urep_jax.core.spaces import Space, SpaceMismatch, refuse_mixed
from urep_jax.lineage import file
from urep_jax.lineage.batch import Batch
from urep_jax.lineage.errors import LineageError, StillRead
from urep_jax.lineage.graph import ModelGraph
from urep_jax.lineage.state import Event, Lineage
from urep_jax.lineage.store import LineageStore, Seen

Change = Callable[[Lineage], tuple[Lineage, Event | None]]
CRASH = st.none() | st.none() | st.integers(0, 20)
"""At which write; more often none."""

SECONDS = st.sampled_from([1.0, 20.0, DAY, 91 * DAY, -DAY])
"""That go by; or a clock is set back."""


class Crash(Exception):
    """A process ends, all at once."""


def connecting(crash: int | None = None) -> Callable[..., sqlite3.Connection]:
    """Connections that do nothing any more from the n-th write on, and don't wait for the disk."""
    left = 1_000_000 if crash is None else crash

    class Crashing(sqlite3.Connection):
        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            nonlocal left
            left -= not sql.startswith(("SELECT", "PRAGMA"))
            if left < 0:
                raise Crash
            return super().execute(sql, *parameters)

        def rollback(self) -> None:
            if left < 0:
                raise Crash
            super().rollback()

    def connect(path: Path, *_: object) -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None, factory=Crashing)
        sqlite3.Connection.execute(connection, "PRAGMA synchronous = OFF")
        return connection

    return connect


class Life(RuleBasedStateMachine):
    """One chain, beside a state in memory and all batches that there ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.now = 1_000 * DAY
        self.ever: dict[str, Batch] = {}
        self.held: dict[str, tuple[dict[str, str], float]] = {}
        self.jobs = itertools.count()
        self.version = 1
        self.served: set[str] = set()

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        names = "abcd"[: data.draw(st.integers(2, 4))]
        parents = {
            name: tuple(sorted(data.draw(st.sets(st.sampled_from(names[:i]), min_size=i > 1)))) if i else ()
            for i, name in enumerate(names)
        }
        self.state = Lineage(ModelGraph(dict(data.draw(st.permutations(list(parents.items()))))))
        self.open()
        self.store.declare("chain", self.state.graph)
        if data.draw(st.integers(0, 3)):
            for name in names:
                self.register(name, {parent: self.now_of(parent) for parent in parents[name]}, None)

    def open(self) -> None:
        self.store = LineageStore(self.folder / "chains.sqlite", clock=lambda: self.now)

    def change(self, crash: int | None, change: Change, do: Callable[[LineageStore], Seen]) -> Event | None:
        """The same change in memory and on disk, where it may crash; what is refused in one is refused in the other."""
        try:
            after, event = change(self.state)
        except LineageError as refusal:
            with pytest.raises(type(refusal), match=re.escape(str(refusal))):
                do(self.store)
            raise
        try:
            with mock.patch.object(file, "connect", connecting(crash)):
                seen = do(self.store)
        except Crash:
            self.open()
            return None
        self.state = after
        self.version += event is not None
        assert seen == Seen(self.version, after)
        return event

    @rule(data=st.data(), crash=CRASH, seconds=SECONDS)
    def train(self, data: st.DataObject, crash: int | None, seconds: float) -> None:
        """Time goes by, and a model is trained on what is current, mostly, or else on anything that ever was."""
        self.now += seconds
        model = data.draw(st.sampled_from(self.state.graph.order))
        read = {}
        for parent in self.state.graph.parents[model]:
            others = [one.space_id for one in self.ever.values() if one.model == parent] or [f"{parent}-none"]
            now = [self.state.current[parent].space_id] if parent in self.state.current else others
            read[parent] = data.draw(st.sampled_from(now * 4 + others[-3:]))
        self.register(model, read, crash)

    @rule(data=st.data(), crash=CRASH)
    def train_a_chain(self, data: st.DataObject, crash: int | None) -> None:
        """One model and those after it, each on the ones before, some or all of which are rotated in."""
        model = data.draw(st.sampled_from(self.state.graph.order))
        new: dict[str, str] = {}
        for one in (model, *self.state.graph.downstream(model)):
            read = {parent: new.get(parent) or self.now_of(parent) for parent in self.state.graph.parents[one]}
            new[one] = self.register(one, read, None)
        self.rotation(data.draw(st.sets(st.sampled_from(sorted(new.values())))) or set(new.values()), crash)

    @precondition(lambda self: self.ever)
    @rule(data=st.data(), crash=CRASH)
    def rotate(self, data: st.DataObject, crash: int | None) -> None:
        """Batches that wait, mostly, or else any that ever were."""
        waiting = sorted(self.state.trained) or sorted(self.ever)
        chosen = data.draw(st.sets(st.sampled_from(waiting * 9 + sorted(self.ever)), min_size=1, max_size=3))
        self.rotation(chosen, crash)

    def now_of(self, model: str) -> str:
        return self.state.current[model].space_id if model in self.state.current else f"{model}-none"

    def register(self, model: str, read: dict[str, str], crash: int | None) -> str:
        new = Batch(model, f"{model}-{len(self.ever)}", read, self.now)
        event = self.change(crash, lambda state: state.register(new), lambda store: store.register("chain", new))
        if event is not None:
            self.ever[new.space_id] = new
        return new.space_id

    def rotation(self, chosen: set[str], crash: int | None) -> None:
        """Rotate in, or see it refused, as brute force tells."""
        wanted = self.after_rotation(set(chosen))
        refused: type[LineageError] | None = None
        try:
            event = self.change(
                crash,
                lambda state: state.rotate(chosen, self.now),
                lambda store: store.rotate("chain", chosen, self.version),
            )
        except LineageError as refusal:
            refused = type(refusal)
        else:
            # Whose time was over then has lost its hold, even if the clock is set back after that.
            if event is not None:
                self.held = {name: held for name, held in self.held.items() if held[1] >= self.now}
        if wanted is None:
            assert refused not in (None, StillRead)
        else:
            assert refused is (StillRead if self.reads(wanted) else None)

    @precondition(lambda self: self.state.legacy)
    @rule(data=st.data(), crash=CRASH)
    def roll_back(self, data: st.DataObject, crash: int | None) -> None:
        model = data.draw(st.sampled_from(sorted(self.state.legacy)))
        before = self.state
        event = self.change(crash, lambda state: state.rollback(model), lambda store: store.rollback("chain", model))
        if event is None:
            return
        assert self.state.current[model] == before.legacy[model]
        assert set(self.state.slots.ids()) == set(before.slots.ids())
        bad = before.current[model].space_id
        for one in set(before.current).intersection(self.state.graph.downstream(model)):
            comes_from_it = bad in self.space(before.current[one].space_id).ids.values()
            old = before.legacy.get(one)
            fits = old is not None and all(self.now_of(parent) == read for parent, read in old.parents.items())
            assert (self.state.current[one] == old) == (comes_from_it and fits)
        due = {one.model for one in self.state.due(self.now)}
        assert due >= event.details["kept"].keys()

    @precondition(lambda self: self.state.current)
    @rule(data=st.data(), seconds=st.sampled_from([10.0, 1e12]))
    def begin_to_infer(self, data: st.DataObject, seconds: float) -> None:
        name = f"job {next(self.jobs)}"
        spaces = dict(self.state.serving(data.draw(st.sampled_from(sorted(self.state.current)))).spaces)
        reader = self.store.read("chain", name, spaces.values(), self.now + seconds)
        self.state = self.state.read(reader)
        self.held[name] = spaces, reader.until

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def end_inferring(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.held)))
        self.store.release("chain", name)
        self.state = self.state.release(name)
        del self.held[name]

    @precondition(lambda self: self.state.current)
    @rule(data=st.data())
    def compare(self, data: st.DataObject) -> None:
        """What two models read of a third may be compared if, and only if, it is of one batch."""
        one, other = (self.state.serving(data.draw(st.sampled_from(sorted(self.state.current)))).spaces for _ in "ab")
        for model in one.keys() & other.keys():
            expected = contextlib.nullcontext() if one[model] == other[model] else pytest.raises(SpaceMismatch)
            with expected:
                refuse_mixed("compare", self.space(one[model]), self.space(other[model]))

    @invariant()
    def at_most_two_batches_a_model(self) -> None:
        kept = [one.model for one in self.state.slots.kept()]
        assert all(kept.count(model) <= 2 for model in kept)
        assert len(self.state.slots.ids()) == len(list(self.state.slots.all()))

    @invariant()
    def everything_serves_and_reads_one_batch_of_each_model(self) -> None:
        assert self.served <= self.state.current.keys(), "what once served goes on"
        self.served |= self.state.current.keys()
        kept = {one.space_id for one in self.state.slots.kept()}
        for model in self.state.current:
            serving = self.state.serving(model)
            assert serving.spaces.keys() == {model, *self.state.graph.upstream(model)}
            # `Space` refuses one that comes from two of a model, by an account of its own.
            assert serving.spaces == self.space(serving.batch.space_id).ids
            assert set(serving.spaces.values()) <= kept

    @invariant()
    def who_reads_finds_what_it_began_with(self) -> None:
        for spaces, until in self.held.values():
            if until >= self.now:
                assert set(spaces.values()) <= self.state.slots.ids()

    @invariant()
    def what_is_due_comes_after_what_it_reads(self) -> None:
        due = [one.model for one in self.state.due(self.now)]
        assert due == [model for model in self.state.graph.order if model in due]
        for model, batch in self.state.current.items():
            fresh = all(self.state.current[parent].space_id == read for parent, read in batch.parents.items())
            old = self.now - batch.trained_at > 90 * DAY
            assert (model in due) == (not fresh or old or bool(set(self.state.graph.parents[model]).intersection(due)))

    @invariant()
    def the_disk_tells_the_same(self) -> None:
        assert self.store.look("chain") == Seen(self.version, self.state)
        assert [one.version for one in self.store.history("chain")] == list(range(1, self.version + 1))

    def space(self, space_id: str) -> Space:
        return Space(space_id, tuple(map(self.space, self.ever[space_id].parents.values())))

    def after_rotation(self, chosen: set[str]) -> set[str] | None:
        """Ids that are there after a rotation; None if it must be refused. By brute force, readers aside."""
        state = self.state
        new = {self.ever[one].model: self.ever[one] for one in chosen}
        now = {one.space_id for one in state.current.values()}
        if len(new) < len(chosen) or not chosen <= {*state.trained, *now}:
            return None
        new = {model: batch for model, batch in new.items() if batch.space_id not in now}
        current = {**state.current, **new}
        legacy = {**state.legacy, **{model: state.current[model] for model in new if model in state.current}}
        read = [(parent, space_id) for batch in new.values() for parent, space_id in batch.parents.items()]
        if any(parent not in current or current[parent].space_id != space_id for parent, space_id in read):
            return None
        for batch in new.values():
            try:
                self.space(batch.space_id)
            except SpaceMismatch:
                return None
        rest = [*current.values(), *legacy.values(), *(one for key, one in state.trained.items() if key not in chosen)]
        was = state.slots.ids()
        while True:
            there = {one.space_id for one in rest}
            left = [one for one in rest if not (was - there).intersection(one.parents.values())]
            if len(left) == len(rest):
                break
            rest = left
        return there if {one.space_id for one in current.values()} <= there else None

    def reads(self, there: set[str]) -> bool:
        """Whether somebody reads more than is there."""
        return any(until >= self.now and not set(spaces.values()) <= there for spaces, until in self.held.values())


def test_lives_of_chains() -> None:
    # Generating graphs is slow beside the time that hypothesis thinks right, and the machine is shared.
    config = settings(
        max_examples=45, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
    )
    with mock.patch.object(file, "connect", connecting()):
        run_state_machine_as_test(Life, settings=config)
