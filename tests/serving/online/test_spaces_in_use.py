"""Spaces that a worker encodes in: what the lineage has in use, from where it lies now, and whether it is whole."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.serving.online.chain import until
from urep_jax.core.spaces import Space
from urep_jax.lineage.batch import Batch
from urep_jax.lineage.errors import Unknown
from urep_jax.lineage.graph import ModelGraph
from urep_jax.lineage.store import LineageStore
from urep_jax.serving.online import work
from urep_jax.serving.online.deployment import Deployment
from urep_jax.serving.online.messages import Event, message_of
from urep_jax.serving.online.parts import Store, Stream, UserState
from urep_jax.serving.online.worker import WorkerConfig, step

CFG = WorkerConfig(wait=0.0)
CHAIN = "users"


class Counter:
    """In place of an encoder: z_u is how many events there are."""

    reach = 0

    def __init__(self, run: str) -> None:
        self.run = run

    def encode(self, states: Sequence[UserState], time: np.ndarray) -> np.ndarray:
        return np.array([[len(state.records)] for state in states], np.float32)

    def events(self, states: Sequence[UserState], time: np.ndarray) -> list[int]:
        return [len(state.records) for state in states]


class World:
    """A deployment whose encoders are counters, and lie in folders called by their runs."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self.deployment = Deployment(
            folder / "lineage.sqlite", CHAIN, None, folder / "parts", workers=workers, partitions=2
        )
        self.lineages: LineageStore = self.deployment.lineages
        self.lineages.declare(CHAIN, ModelGraph({"users": ()}))
        parts = self.deployment.open()
        self.stream: Stream = parts[0]
        self.store: Store = parts[1]
        self.loaded: list[str] = []
        self.gates: dict[str, threading.Event] = {}
        self.workers: list[work.Spaces] = []
        self.numbers = itertools.count()

    def load(self, run: str, space_id: str, most: int) -> Any:
        if run in self.gates:
            assert self.gates[run].wait(30)
        if not (self.folder / run).is_dir():
            raise FileNotFoundError(f"{run} is no folder")
        self.loaded.append(run)
        return Counter(run)

    def trained(self, digest: str, run: str, *, serves: bool = True) -> None:
        (self.folder / run).mkdir(exist_ok=True)
        space = Space(f"users-{digest}")
        self.lineages.register(CHAIN, Batch.of(space, trained_at=7, run=run))
        if serves:
            self.lineages.rotate(CHAIN, [space.id])

    def worker(self, number: int = 0) -> work.Spaces:
        self.workers.append(work.Spaces(self.deployment, self.store, fills=number == 0, most=1))
        return self.workers[-1]

    def told(self, *users: str) -> None:
        for user in users:
            event = Event(user_id=user, item_id="t", timestamp=9, feedback="play", event_id=str(next(self.numbers)))
            self.stream.append([message_of(event)], 10.0)

    def live(self, spaces: work.Spaces, number: int = 0) -> None:
        """What a worker does in a second."""
        spaces.look()
        work._tell(self.store, number, spaces, [])  # type: ignore[arg-type]
        while step(self.stream, self.store, spaces.encoders, CFG).messages or spaces.go_on():
            pass

    def serving(self, *users: str) -> work.Spaces:
        """A worker that keeps the first space, in which these users have a vector."""
        self.trained("aa", "first")
        spaces = self.worker()
        self.told(*users)
        self.live(spaces)
        return spaces

    def known(self, digest: str, *users: str) -> list[int | None]:
        """Of how many events each user's vector knows."""
        found = self.store.vectors(users, f"users-{digest}")
        return [None if vector is None else int(vector.values[0]) for vector in found]

    def whole(self, digest: str) -> bool:
        return bool(self.store.note(work.whole(f"users-{digest}")))


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unchecked: None) -> Iterator[Callable[..., World]]:
    worlds: list[World] = []

    def made(workers: int = 1) -> World:
        worlds.append(World(tmp_path, workers))
        monkeypatch.setattr(work, "load_warm", worlds[-1].load)
        return worlds[-1]

    yield made
    for world in worlds:
        for one in world.workers:
            one.close()
        world.stream.close()
        world.store.close()


def runs(spaces: work.Spaces) -> dict[str, str]:
    encoders: dict[str, Any] = dict(spaces.encoders)
    return {space_id.removeprefix("users-"): encoder.run for space_id, encoder in encoders.items()}


def looked_until(spaces: work.Spaces, expected: dict[str, str]) -> None:
    def there() -> bool:
        spaces.look()
        return runs(spaces) == expected

    until(there, 10)


def test_a_space_that_has_grown_is_taken_up_from_its_new_folder(make: Callable[..., World]) -> None:
    world = make()
    spaces = world.worker()
    for run in ("trained", "trained", "grown"):
        world.trained("aa", run)
        looked_until(spaces, {"aa": run})
    assert world.loaded == ["trained", "grown"], "nothing is loaded twice"


def test_messages_do_not_wait_for_a_space_that_is_loaded(make: Callable[..., World]) -> None:
    world = make()
    spaces = world.serving("ann", "bob")
    assert world.whole("aa")
    world.gates["second"] = threading.Event()
    world.trained("bb", "second")
    world.lineages.read(CHAIN, "service", ["users-aa"], time.time() + 60)
    world.told("ann")
    world.live(spaces)
    assert (world.known("aa", "ann", "bob"), runs(spaces)) == ([2, 1], {"aa": "first"})
    world.gates["second"].set()
    looked_until(spaces, {"aa": "first", "bb": "second"})
    world.live(spaces)
    assert world.whole("bb")
    assert world.known("bb", "ann", "bob") == [2, 1], "who was told of meanwhile is encoded too"


def test_a_worker_that_begins_waits_for_what_is_whole(make: Callable[..., World]) -> None:
    world = make()
    spaces = world.serving("ann")
    spaces.close()
    world.gates["first"] = threading.Event()
    threading.Timer(0.3, world.gates["first"].set).start()
    again = world.worker()
    world.told("ann")
    world.live(again)
    assert world.whole("aa")
    assert world.known("aa", "ann") == [2]


def test_what_cannot_be_loaded_keeps_nobody_from_working(
    make: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make()
    spaces = world.serving("ann")
    world.lineages.read(CHAIN, "service", ["users-aa"], time.time() + 60)
    world.trained("bb", "second")
    (world.folder / "second").rmdir()
    world.told("ann")
    for _ in range(3):
        world.live(spaces)
    until(lambda: not spaces._loading, 10)
    world.live(spaces)
    assert world.known("aa", "ann") == [2]
    assert (runs(spaces), world.whole("aa"), world.whole("bb")) == ({"aa": "first"}, True, False)
    # Later it is there.
    monkeypatch.setattr(work, "_RETRY", 0.0)
    spaces._failed.clear()
    (world.folder / "second").mkdir()
    looked_until(spaces, {"aa": "first", "bb": "second"})
    world.live(spaces)
    assert world.whole("bb")
    assert world.known("bb", "ann") == [2]


def test_what_was_whole_and_cannot_be_loaded_is_whole_no_more_until_all_are_encoded_anew(
    make: Callable[..., World],
) -> None:
    world = make()
    spaces = world.serving("ann", "bob")
    spaces.close()
    (world.folder / "first").rmdir()
    world.trained("bb", "second")
    world.lineages.read(CHAIN, "service", ["users-aa"], time.time() + 60)
    again = world.worker()
    world.told("ann")
    world.live(again)
    assert not world.whole("aa"), "ann's vector there is behind"
    assert world.known("aa", "ann", "bob") == [1, 1]
    (world.folder / "first").mkdir()
    again._failed.clear()
    looked_until(again, {"aa": "first", "bb": "second"})
    world.live(again)
    assert world.whole("aa")
    assert world.known("aa", "ann", "bob") == [2, 1]


def test_a_space_that_went_while_nobody_worked_is_encoded_anew_when_it_comes_back(make: Callable[..., World]) -> None:
    world = make()
    spaces = world.serving("ann")
    spaces.close()
    world.trained("bb", "second")
    again = world.worker()
    world.told("ann", "bob")
    world.live(again)
    assert (world.store.count("users-aa"), world.whole("aa")) == (0, False)
    world.lineages.rollback(CHAIN, "users")
    looked_until(again, {"aa": "first"})
    assert not world.whole("aa")
    world.live(again)
    assert world.known("aa", "ann", "bob") == [2, 1]


def test_a_space_is_whole_only_as_long_as_every_worker_keeps_it(make: Callable[..., World]) -> None:
    world = make(workers=2)
    world.trained("aa", "first")
    first, second = world.worker(0), world.worker(1)
    world.told("ann")
    for _ in range(2):
        world.live(first, 0)
        world.live(second, 1)
    assert world.whole("aa")
    # The one that fills is stopped; the other one sees the rotation, and lets go.
    first.close()
    world.trained("bb", "second")
    looked_until(second, {"bb": "second"})
    assert not world.whole("aa")
    world.told("ann")
    world.live(second, 1)
    world.lineages.rollback(CHAIN, "users")
    third = world.worker(0)
    world.live(third, 0)
    assert not world.whole("aa"), "the other one doesn't encode in it yet"
    looked_until(second, {"aa": "first"})
    world.live(second, 1)
    world.live(third, 0)
    assert world.whole("aa")
    assert world.known("aa", "ann") == [2]


def test_a_hold_that_was_lost_is_no_reason_to_hold_nothing(
    make: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make()
    world.trained("aa", "first")
    spaces = world.worker()
    spaces.look()
    monkeypatch.setattr(spaces._held, "close", lambda: (_ for _ in ()).throw(Unknown("lost")))
    world.trained("bb", "second")
    spaces.look()
    held = {one for reader in world.lineages.look(CHAIN).lineage.readers.values() for one in reader.space_ids}
    assert "users-bb" in held
