"""`OnlineBackend`: answers what the HTTP face asks, from the stores and the models that are current."""

import contextlib
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from urep_jax.core.vectors import Vectors
from urep_jax.lineage.batch import Batch
from urep_jax.lineage.reading import let_go, reading
from urep_jax.serving.http.answers import Near, Neighbours, Ranked, Ranking, Status, User
from urep_jax.serving.http.backend import Found, NotReady, Refused
from urep_jax.serving.online.deployment import Deployment
from urep_jax.serving.online.fresh import pooled
from urep_jax.serving.online.messages import Forget, Profile, Told, message_of
from urep_jax.serving.online.models import RANKER, RECOMMENDER, USERS, Models, load_models, to_serve
from urep_jax.serving.online.near import UserIndex, nearest_items
from urep_jax.serving.online.parts import RECORD, Addition, Dead, Message, UserState
from urep_jax.serving.online.portrait import portrait
from urep_jax.serving.online.receipts import collect, new_receipt
from urep_jax.serving.online.work import read_pulse, whole

_NONE = np.zeros(0, RECORD)
_PATIENCE = 10.0
"""Seconds to wait for a worker to forget a user."""

_ALIVE = 10.0
"""Seconds since a worker last told that it lives, after which it isn't believed any more."""

_log = logging.getLogger(__name__)


class OnlineBackend:
    """Serves what workers write. Thread-safe; `follow` is to be called now and then, and swaps models when it is time.

    Args:
        deployment: what is served.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._stream, self._store = deployment.open()
        self._models: Models | None = None
        self._runs: Mapping[str, tuple[str, str]] = {}
        self._held = contextlib.ExitStack()
        self._users = UserIndex(self._store)
        self._looking = threading.Lock()

    def follow(self) -> bool:
        """Take up what the lineage has as current, once everybody has a vector there; whether anything was swapped.

        What is asked meanwhile is answered from what was current before.
        """
        with self._looking:
            found = to_serve(*self._deployment.look())
            # A space that has grown lies in another folder.
            runs = {model: (one.batch.space_id, one.batch.run) for model, one in found.items()}
            if runs == self._runs or not self._store.note(whole(found[USERS].batch.space_id)):
                return False
            with contextlib.ExitStack() as held:
                for model, one in found.items():
                    chain = self._deployment.recommenders if model == RECOMMENDER else self._deployment.chain
                    assert chain is not None
                    held.enter_context(reading(self._deployment.lineages, chain, "service", one.spaces.values()))
                models = load_models(found)
                before, self._held = self._held, held.pop_all()
            # One assignment: who has begun goes on with the models that it began with.
            self._models, self._runs = models, runs
            let_go(before)
            return True

    def close(self) -> None:
        """Let go of files, connections, and of what is held in the lineage."""
        let_go(self._held)
        self._users.close()
        self._stream.close()
        self._store.close()

    @property
    def models(self) -> Models:
        """What is served.

        Raises:
            NotReady: if nothing is yet.
        """
        if self._models is None:
            raise NotReady("users are being encoded for the first time; ask again in a moment")
        return self._models

    def vectors(self, user_ids: Sequence[str]) -> Found:
        """See `Backend`."""
        # Once, so that a swap in between changes nothing.
        models = self.models
        return Found(self._store.vectors(user_ids, models.space_id), models.space_id, models.spaces)

    def check(self, told: Told) -> str | None:
        """See `Backend`."""
        if isinstance(told, Profile):
            known = self.models.users.encoder.features.categories
            if unknown := sorted(told.categories.keys() - set(known)):
                return f"categories tell of {', '.join(unknown)}, but may tell of {', '.join(known)}"
        return None

    def accept(self, messages: Sequence[Message]) -> None:
        """See `Backend`."""
        self._stream.append(messages, time.time())

    def waiting(self) -> int:
        """See `Backend`."""
        return self._stream.lag().waiting

    def forget(self, user_id: str) -> bool:
        """See `Backend`."""
        self._users.forget(user_id)
        receipt = new_receipt()
        self._stream.append([message_of(Forget(user_id=user_id, receipt=receipt))], time.time())
        until = time.monotonic() + _PATIENCE
        while (known := collect(self._store, receipt)) is None:
            if time.monotonic() > until:
                raise NotReady("the workers are behind; the user will be forgotten when they come to it: ask again")
            time.sleep(0.01)
        self._users.forget(user_id)
        return known

    def nearest_users(self, user_id: str, k: int) -> Neighbours | None:
        """See `Backend`."""
        models = self.models
        (own,) = self._store.vectors([user_id], models.space_id)
        if own is None:
            return None
        found = self._users.nearest(own, k)
        return Neighbours(own.space_id, [Near(one, score) for one, score in found], models.spaces)

    def nearest_tracks(self, item_id: str, modality: str | None, k: int) -> Neighbours | None:
        """See `Backend`."""
        modalities = self.models.users.encoder.features.modalities
        names = [one.name for one in modalities]
        if modality is not None and modality not in names:
            raise Refused(f"modality is {modality!r}, but must be one of {', '.join(names)}")
        for one in modalities:
            if modality in (None, one.name) and (found := nearest_items(one, item_id, k)) is not None:
                return Neighbours(one.space.id, [Near(item, score) for item, score in found], one.space.ids)
        return None

    def rank(self, user_id: str, item_ids: Sequence[str], station_id: str | None, by: str | None) -> Ranking | None:
        """See `Backend`."""
        models = self.models
        rankers = {RANKER: models.ranker, RECOMMENDER: models.recommender}
        there = [name for name, ranker in rankers.items() if ranker is not None]
        if by is None and there:
            by = there[0]
        if by not in there:
            raise Refused(
                f"by is {by!r}, but must be one of {', '.join(there) or 'none: nothing that ranks is trained'}"
            )
        if by == RECOMMENDER:
            return self._rank_by_events(models, user_id, item_ids, station_id)
        assert models.ranker is not None
        (own,) = self._store.vectors([user_id], models.ranker.read.users.id)
        if own is None:
            return None
        z_u = Vectors(pa.array([user_id]), own.values[None], models.ranker.read.users)
        ranked = models.ranker.rank(z_u, pa.array(item_ids))
        items = [
            Ranked(item, None if np.isnan(odds) else float(odds))
            for item, odds in zip(ranked.items, ranked.log_odds, strict=True)
        ]
        return Ranking(by, own.space_id, items, models.ranker.space.ids)

    def user(self, user_id: str) -> User | None:
        """See `Backend`."""
        state = self._state(user_id)
        return portrait(user_id, state, self.models) if state.revision else None

    def lineage(self) -> Mapping[str, Any]:
        """See `Backend`."""
        state, _ = self._deployment.look()
        return {
            "chain": self._deployment.chain,
            "graph": state.graph.plain(),
            "current": {model: _told(batch) for model, batch in state.current.items()},
            "legacy": {model: _told(batch) for model, batch in state.legacy.items()},
            "due": {one.model: list(one.reasons) for one in state.due(time.time())},
            "served": dict(self.models.spaces),
        }

    def dead(self, most: int) -> list[Dead]:
        """See `Backend`."""
        return self._stream.dead(most)

    def ready(self) -> str | None:
        """See `Backend`."""
        return "users are being encoded for the first time" if self._models is None else None

    def status(self) -> Status:
        """See `Backend`."""
        space_id = self.models.space_id
        pulses = [read_pulse(self._store, number) for number in range(self._deployment.workers)]
        alive = [told for told in pulses if time.time() - told.get("at", -np.inf) < _ALIVE]
        fresh = pooled(told["waited"] for told in alive)
        return Status(*self._stream.lag(), fresh, len(alive), self._store.known(), self._store.count(space_id))

    def _state(self, user_id: str) -> UserState:
        (state,) = self._store.add([Addition(user_id, _NONE)])
        return state

    def _rank_by_events(
        self, models: Models, user_id: str, item_ids: Sequence[str], station_id: str | None
    ) -> Ranking | None:
        assert models.recommender is not None
        state = self._state(user_id)
        if not state.revision:
            return None
        ranked = models.recommender.rank(models.events(state.records), list(item_ids), station_id)
        items = [
            Ranked(item, None if np.isnan(score) else float(score))
            for item, score in zip(ranked.items, ranked.scores, strict=True)
        ]
        return Ranking(RECOMMENDER, None, items, models.recommender.space.ids)


def _told(batch: Batch) -> dict[str, Any]:
    """A batch as others may know it: not where it lies on this machine."""
    return {name: value for name, value in batch.plain().items() if name != "run"}
