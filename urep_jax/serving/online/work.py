"""A worker's life: steps, spaces that come and go, and what it tells of itself, until it is told to stop."""

import contextlib
import dataclasses
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from urep_jax.lineage.errors import LineageError
from urep_jax.lineage.reading import let_go, reading
from urep_jax.lineage.state import Lineage
from urep_jax.serving.online.deployment import Deployment
from urep_jax.serving.online.fresh import counted
from urep_jax.serving.online.models import USERS, load_users, user_spaces
from urep_jax.serving.online.parts import Store, StoreAway, StoreFull
from urep_jax.serving.online.receipts import give
from urep_jax.serving.online.states import StateEncoder
from urep_jax.serving.online.worker import WorkerConfig, fill, step

_LOOK = 1.0
"""Seconds between looks at the lineage, and between what is told of oneself."""

_TIDY = 3600.0
"""Seconds between moments without work in which files are written anew, if users were forgotten."""

_SHORTEST, _LONGEST = 0.1, 5.0
"""Seconds to wait for a store that is away or full: twice as long each time, until it worked once."""

_RETRY = 30.0
"""Seconds until a space that could not be taken up is tried again."""

_MEASURED = 2048
"""Messages whose freshness is remembered."""

_READER = "serving worker"
"""What workers are called as readers of the lineage."""

_log = logging.getLogger(__name__)


def whole(space_id: str) -> str:
    """Name of the note that says that everybody who was known has a vector in a space."""
    return f"whole/{space_id}"


def pulse(number: int) -> str:
    """Name of the note in which a worker tells that it lives, and how fresh its vectors are."""
    return f"worker/{number}"


def load_warm(run: str, space_id: str, most: int) -> StateEncoder:
    """An encoder of users that waits for no compiler; see `load_users`."""
    found = load_users(run, space_id)
    found.encoder.warm(most)
    return found


class Spaces:
    """The spaces that a worker encodes users in: those that the lineage has in use. None of them is dropped meanwhile.

    A space is loaded beside the work that goes on in the others, and one that can't be loaded is tried again later. The
    note `whole` stands as long as every worker keeps a space up to date: who doesn't any more takes it away first.

    Args:
        deployment: whose lineage is looked at.
        store: where vectors of spaces that are gone are removed.
        fills: whether this worker is the one that encodes everybody in a space that isn't whole.
        most: users that are encoded at once.
    """

    def __init__(self, deployment: Deployment, store: Store, *, fills: bool, most: int) -> None:
        self.encoders: dict[str, StateEncoder] = {}
        self._wanted: dict[str, str] = {}
        self._runs: dict[str, str] = {}
        self._deployment, self._store, self._fills, self._most = deployment, store, fills, most
        self._loader = ThreadPoolExecutor(1, "spaces")
        self._loading: dict[str, tuple[str, Future[StateEncoder]]] = {}
        self._failed: dict[str, tuple[str, float]] = {}
        self._filling: dict[str, Iterator[int]] = {}
        self._shared: set[str] = set()
        self._held = contextlib.ExitStack()

    def look(self) -> None:
        """Take up what is new in the lineage, and let go of what is gone.

        It waits where nothing can be done without what is to come: as long as there is no encoder at all, and for a
        space that is whole, which would not be so any more if messages were done without it.
        """
        state, _ = self._deployment.look()
        wanted = user_spaces(state)
        # What a service still answers from is kept, until everybody has a vector in what comes after it.
        users = {batch.space_id: batch.run for batch in state.slots.kept() if batch.model == USERS}
        for reader in state.readers.values():
            if not reader.name.startswith(_READER):
                wanted |= {space_id: users[space_id] for space_id in reader.space_ids & users.keys()}
        if wanted != self._wanted:
            self._hold(state, wanted)
            self._let_go(wanted)
            self._wanted = wanted
        for space_id, run in wanted.items():
            if self._runs.get(space_id) != run:
                self._load(space_id, run)
        if self._loading and not self.encoders:
            futures.wait([future for _, future in self._loading.values()], return_when=futures.FIRST_COMPLETED)
        for space_id, (run, future) in list(self._loading.items()):
            if space_id not in self.encoders and self._store.note(whole(space_id)):
                futures.wait([future])
            if future.done():
                del self._loading[space_id]
                self._take_up(space_id, run, future)
        for space_id, encoder in self.encoders.items():
            if self._fills and space_id not in self._filling and not self._store.note(whole(space_id)):
                self._shared.discard(space_id)
                self._filling[space_id] = fill(self._store, space_id, encoder)

    def _hold(self, state: Lineage, wanted: Mapping[str, str]) -> None:
        with contextlib.ExitStack() as held:
            for batch in state.slots.kept():
                if batch.space_id in wanted:
                    ids = state.slots.spaces(batch).values()
                    held.enter_context(reading(self._deployment.lineages, self._deployment.chain, _READER, ids))
            before, self._held = self._held, held.pop_all()
        let_go(before)

    def _let_go(self, wanted: Mapping[str, str]) -> None:
        for space_id in self._wanted.keys() - wanted.keys():
            _not_whole(self._store, space_id)
            for kept in (self.encoders, self._runs, self._loading, self._failed, self._filling):
                kept.pop(space_id, None)
            self._shared.discard(space_id)
        if self._fills:
            # Those too that went out of use while no worker was there.
            history = self._deployment.lineages.history(self._deployment.chain)
            for space_id in {one for entry in history if entry.action == "register" for one in entry.space_ids}:
                if space_id not in wanted and (self._store.note(whole(space_id)) or self._store.count(space_id)):
                    _not_whole(self._store, space_id)
                    self._store.drop(space_id)

    def _load(self, space_id: str, run: str) -> None:
        loading, _ = self._loading.get(space_id, (None, None))
        failed, again = self._failed.get(space_id, (None, 0.0))
        if loading != run and (failed != run or time.monotonic() >= again):
            self._loading[space_id] = run, self._loader.submit(load_warm, run, space_id, self._most)

    def _take_up(self, space_id: str, run: str, future: "Future[StateEncoder]") -> None:
        # A space that has grown lies in another folder, and who has a vector there keeps it until the next event.
        try:
            self.encoders[space_id] = future.result()
        except Exception as error:
            _log.warning("%s in %s can't be taken up, and is tried again: %s", space_id, run, error)
            self._failed[space_id] = run, time.monotonic() + _RETRY
            if space_id not in self.encoders:
                _not_whole(self._store, space_id)
        else:
            self._runs[space_id] = run
            self._failed.pop(space_id, None)

    def go_on(self) -> bool:
        """Encode some more of those who have no vector yet in a space that isn't whole; whether there was anybody."""
        for space_id, portions in list(self._filling.items()):
            if not self._everybody_encodes_in(space_id):
                continue
            if next(portions, None) is not None:
                return True
            self._store.note(whole(space_id), "yes")
            del self._filling[space_id]
        return False

    def _everybody_encodes_in(self, space_id: str) -> bool:
        """Whether all workers have taken a space up: who hasn't would leave users behind who were encoded before."""
        if space_id not in self._shared:
            pulses = [read_pulse(self._store, number) for number in range(self._deployment.workers)]
            if all(space_id in told.get("spaces", ()) for told in pulses):
                self._shared.add(space_id)
        return space_id in self._shared

    def close(self) -> None:
        """Let go of what is held in the lineage."""
        self._loader.shutdown(cancel_futures=True)
        let_go(self._held)


def work(deployment: Deployment, number: int, cfg: WorkerConfig, stop: threading.Event) -> None:
    """Work until told to stop; what is under way is finished.

    A store that is away or full is waited for: nothing is lost meanwhile, since messages stay until they are done.

    Args:
        deployment: what is worked on.
        number: of the worker, from 0 on.
        cfg: how.
        stop: is set when it is to stop.
    """
    patience = _SHORTEST

    def worked() -> None:
        nonlocal patience
        patience = _SHORTEST

    while not stop.is_set():
        try:
            _work(deployment, number, cfg, stop, worked)
        except (StoreAway, StoreFull) as error:
            _log.warning("worker %d waits %.1f s: %s", number, patience, error)
            stop.wait(patience)
            patience = min(2 * patience, _LONGEST)


def _work(
    deployment: Deployment, number: int, cfg: WorkerConfig, stop: threading.Event, worked: Callable[[], None]
) -> None:
    stream, store = deployment.open()
    with contextlib.closing(stream), contextlib.closing(store):
        spaces = Spaces(deployment, store, fills=number == 0, most=cfg.most)
        with contextlib.closing(spaces):
            fresh: deque[float] = deque(maxlen=_MEASURED)
            looked, tidied = -np.inf, time.monotonic()
            busy = False
            # Receipts that can't be given yet; None for none. At first none is known, but a worker that was killed may
            # have left something in the logs of files, which are emptied before a receipt is given.
            owed: dict[str, bool] | None = {}

            def give_owed() -> None:
                nonlocal owed
                if owed is not None and give(stream, store, owed, time.time()):
                    owed = None

            while not stop.is_set():
                if time.monotonic() - looked > _LOOK:
                    try:
                        spaces.look()
                    except LineageError as error:
                        _log.warning("worker %d goes on in the spaces that it has: %s", number, error)
                    _tell(store, number, spaces, fresh)
                    # Who reads on and on is waited for without leaving anything else undone.
                    give_owed()
                    looked = time.monotonic()
                if not spaces.encoders:
                    # What can't be encoded stays where it is.
                    stop.wait(_LOOK)
                    continue
                # Who has a space to fill doesn't wait for messages, but none waits for it either.
                own = dataclasses.replace(cfg, wait=0.0) if busy else cfg
                done = step(stream, store, spaces.encoders, own)
                worked()
                fresh.extend(done.waited)
                if done.forgotten:
                    owed = {**(owed or {}), **done.forgotten}
                    give_owed()
                busy = spaces.go_on()
                if number == 0 and not busy and not done.messages and time.monotonic() - tidied > _TIDY:
                    stream.write_anew()
                    store.write_anew()
                    tidied = time.monotonic()


def read_pulse(store: Store, number: int) -> dict[str, Any]:
    """What a worker told of itself last: `at`, `spaces`, and `waited` by `fresh.counted`; nothing if it never did."""
    told = store.note(pulse(number))
    return json.loads(told) if told else {}


def _tell(store: Store, number: int, spaces: Spaces, fresh: deque[float]) -> None:
    told = {"at": time.time(), "spaces": list(spaces.encoders), "waited": counted(fresh)}
    store.note(pulse(number), json.dumps(told))


def _not_whole(store: Store, space_id: str) -> None:
    """Vectors may be missing in a space, or be behind, from here on."""
    store.note(whole(space_id), "")
