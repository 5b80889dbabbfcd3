"""`Lineage`: the state of one chain of models, and what may be done with it; all of it pure.

Of each model at most two batches are kept, *current* and *legacy*, as in Generalized User Representations for Transfer
Learning, §4.4 ("batch management"). What was trained and not rotated in yet waits beside them. At any time, everything
that a current or legacy batch was trained on is there, and of each model in one batch only.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from urep_jax.lineage.batch import Batch, Reader
from urep_jax.lineage.due import Due, due
from urep_jax.lineage.errors import LineageError, Mixed, Stale, StillRead, Unknown
from urep_jax.lineage.graph import ModelGraph
from urep_jax.lineage.slots import Slots


@dataclasses.dataclass(frozen=True)
class Event:
    """What a transition changed, to be told later; not carried.

    Attributes:
        action: `declare`, `register`, `refresh`, `rotate` or `rollback`.
        space_ids: that it was about.
        details: as JSON has them.
    """

    action: str
    space_ids: tuple[str, ...]
    details: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Serving:
    """What a model is used with.

    Attributes:
        batch: of the model.
        spaces: by name, the ids of its space and of all upstream; one for each model.
    """

    batch: Batch
    spaces: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Lineage:
    """The state of one chain. A transition returns a new one and an event, or itself and None if nothing changes.

    Attributes:
        graph: the models.
        cadence: days after which a model is due again, for those that differ from `due.DAYS`.
        slots: its batches; also as `current`, `legacy` and `trained`.
        readers: by name, who reads what now.

    Raises:
        LineageError: if a batch has other parents than the graph tells or reads what isn't there, or a cadence isn't
            above 0.
    """

    graph: ModelGraph
    cadence: Mapping[str, float] = dataclasses.field(default_factory=dict)
    slots: Slots = dataclasses.field(default_factory=Slots)
    readers: Mapping[str, Reader] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for model, days in self.cadence.items():
            if not days > 0:
                raise LineageError(f"the cadence of {self._model(model)!r} is {days} days, but must be above 0")
            self._model(model)
        if len(self.slots.ids()) < len(list(self.slots.all())):
            raise LineageError("a batch is in two places; it must be one of current, legacy and waiting")
        for batch in self.slots.all():
            self._check_parents(batch)
        kept = {batch.space_id for batch in self.slots.kept()}
        for batch in self.slots.kept():
            if gone := sorted(set(batch.parents.values()) - kept):
                raise LineageError(
                    f"{batch.space_id} reads {gone[0]}, which is neither current nor legacy; register it"
                )
            self.slots.spaces(batch)

    @property
    def current(self) -> Mapping[str, Batch]:
        """By model, the batch that new trainings downstream read."""
        return self.slots.current

    @property
    def legacy(self) -> Mapping[str, Batch]:
        """By model, the batch that was current before, which some may still read."""
        return self.slots.legacy

    @property
    def trained(self) -> Mapping[str, Batch]:
        """By id of its space, what waits to be rotated in."""
        return self.slots.trained

    def serving(self, model: str) -> Serving:
        """What a model is used with: its current batch, and upstream what that was trained on, be it legacy by now.

        Raises:
            Unknown: if the graph hasn't the model, or it has no current batch.
        """
        if self._model(model) not in self.current:
            raise Unknown(f"no batch of {model!r} is current; train it, register it and rotate it in")
        batch = self.current[model]
        return Serving(batch, self.slots.spaces(batch))

    def due(self, now: float) -> tuple[Due, ...]:
        """Models to be trained, parents first, and why; see `due.due`.

        Args:
            now: seconds since 1970.
        """
        return due(self.graph, self.cadence, self.slots, now)

    def redeclare(self, graph: ModelGraph, cadence: Mapping[str, float]) -> tuple["Lineage", Event | None]:
        """Another graph for the same chain: models may come, and those without any batch may go.

        Args:
            graph: the models.
            cadence: days after which a model is due again; models that it doesn't tell of keep theirs.

        Raises:
            LineageError: if a batch that is there doesn't fit the graph.
        """
        kept = {model: days for model, days in self.cadence.items() if model in graph.parents}
        cadence = {**kept, **cadence}
        # Graphs are compared with their order, which decides in what order models are trained.
        if list(graph.parents.items()) == list(self.graph.parents.items()) and cadence == self.cadence:
            return self, None
        changed = dataclasses.replace(self, graph=graph, cadence=cadence)
        return changed, Event("declare", (), {"graph": graph.plain(), "cadence": cadence})

    def register(self, batch: Batch) -> tuple["Lineage", Event | None]:
        """A training has ended.

        The first batch of a model whose parents are current becomes current at once; others wait for `rotate`. What is
        registered already only gets the newer time and folder.

        Raises:
            LineageError: if its parents aren't the graph's, or others than it was registered with.
        """
        self._check_parents(batch)
        if batch.space_id in self.slots.ids():
            return self._refreshed(batch)
        slots = dataclasses.replace(self.slots, trained={**self.trained, batch.space_id: batch})
        first = batch.model not in self.current and _fresh(slots, batch)
        event = Event("register", (batch.space_id,), {"batch": batch.plain(), "current": first})
        return dataclasses.replace(self, slots=slots.pushed(batch) if first else slots), event

    def rotate(self, space_ids: Iterable[str], now: float) -> tuple["Lineage", Event | None]:
        """Let batches that wait serve: each becomes current, what was current legacy, and what was legacy is dropped.

        Legacy and waiting batches that read what is dropped are dropped with it. What is current already stays.

        Args:
            space_ids: of one or several models, in any order; all are rotated in, or none.
            now: seconds since 1970; readers whose time is over don't count.

        Raises:
            Unknown: if one isn't registered.
            Stale: if one isn't trained on what is current upstream, after those before it were rotated in.
            Mixed: if one would read two batches of a model upstream.
            StillServes: if a current batch reads what would be dropped.
            StillRead: if a reader does.
            LineageError: if two are of one model, or one is legacy.
        """
        chosen: dict[str, Batch] = {}
        for batch in map(self.slots.batch, dict.fromkeys(space_ids)):
            if (other := chosen.setdefault(batch.model, batch)) != batch:
                raise LineageError(f"{other.space_id} and {batch.space_id} are of one model; rotate in one of them")
            if self.legacy.get(batch.model) == batch:
                raise LineageError(f"{batch.space_id} is the legacy batch; roll {batch.model!r} back to it")
        rotated = [chosen[m] for m in self.graph.order if m in chosen and self.current.get(m) != chosen[m]]
        if not rotated:
            return self, None
        slots = self.slots
        for batch in rotated:
            slots.check_fresh(batch)
            slots = slots.pushed(batch)
        slots = slots.without_those_from(self.slots.ids() - slots.ids(), self.graph.order)
        dropped = sorted(self.slots.ids() - slots.ids())
        readers = {name: reader for name, reader in self.readers.items() if reader.counts(now)}
        for _, reader in sorted(readers.items()):
            if read := sorted(reader.space_ids.intersection(dropped)):
                raise StillRead(f"{reader} reads {read[0]}, which would be dropped; wait until it is done, or end it")
        details = {
            "current": {batch.model: batch.space_id for batch in rotated},
            "legacy": {b.model: self.current[b.model].space_id for b in rotated if b.model in self.current},
            "dropped": dropped,
        }
        event = Event("rotate", tuple(batch.space_id for batch in rotated), details)
        return dataclasses.replace(self, slots=slots, readers=readers), event

    def rollback(self, model: str) -> tuple["Lineage", Event]:
        """Let the legacy batch serve again: it and the current one change places.

        So do those downstream whose current batch comes from what is rolled back, if all that their legacy batch reads
        is current then. Others serve on as they are, since what they read is kept as legacy, and are due.

        Raises:
            Unknown: if the graph hasn't the model, or it has no legacy batch.
        """
        if self._model(model) not in self.legacy:
            raise Unknown(f"{model!r} has no legacy batch to go back to; train it anew, and rotate that in")
        current, legacy = dict(self.current), dict(self.legacy)
        bad = current[model].space_id
        swapped, kept = [], []
        for one in (model, *self.graph.downstream(model)):
            if one not in current or bad not in self.slots.spaces(current[one]).values():
                continue
            fits = one in legacy and all(current[p].space_id == read for p, read in legacy[one].parents.items())
            if one == model or fits:
                current[one], legacy[one] = legacy[one], current[one]
                swapped.append(one)
            else:
                kept.append(one)
        details = {
            "current": {one: current[one].space_id for one in swapped},
            "legacy": {one: legacy[one].space_id for one in swapped},
            "kept": {one: current[one].space_id for one in kept},
        }
        event = Event("rollback", tuple(current[one].space_id for one in swapped), details)
        return dataclasses.replace(self, slots=Slots(current, legacy, self.trained)), event

    def read(self, reader: Reader) -> "Lineage":
        """Somebody begins to read, or reads on; see `rotate`.

        Raises:
            Unknown: if something that it reads isn't there.
            Mixed: if it would read two batches of a model, itself or upstream.
        """
        self.slots.spaces(*(self.slots.batch(space_id) for space_id in sorted(reader.space_ids)))
        return dataclasses.replace(self, readers={**self.readers, reader.name: reader})

    def release(self, reader_name: str) -> "Lineage":
        """Somebody is done; without an effect if it was so before."""
        readers = {name: reader for name, reader in self.readers.items() if name != reader_name}
        return dataclasses.replace(self, readers=readers)

    def _model(self, model: str) -> str:
        if model not in self.graph.parents:
            raise Unknown(f"there is no model {model!r} in the chain; it has {', '.join(self.graph.parents)}")
        return model

    def _check_parents(self, batch: Batch) -> None:
        wanted = set(self.graph.parents[self._model(batch.model)])
        if batch.parents.keys() != wanted:
            raise LineageError(
                f"{batch.space_id} was trained on {sorted(batch.parents) or 'nothing'}, but {batch.model!r} reads "
                f"{sorted(wanted) or 'nothing'}; train it on those, or declare the graph anew"
            )

    def _refreshed(self, batch: Batch) -> tuple["Lineage", Event | None]:
        """One that is there, with what a later registration says of it."""
        old = self.slots.batch(batch.space_id)
        if old.parents != batch.parents:
            raise LineageError(
                f"{batch.space_id} is registered as trained on {old.parents}, and now on {batch.parents}; another "
                "training has another id"
            )
        if old == batch:
            return self, None
        places = (self.current, self.legacy, self.trained)
        new = ({key: batch if one == old else one for key, one in place.items()} for place in places)
        return dataclasses.replace(self, slots=Slots(*new)), Event(
            "refresh", (batch.space_id,), {"batch": batch.plain()}
        )


def _fresh(slots: Slots, batch: Batch) -> bool:
    try:
        slots.check_fresh(batch)
    except (Stale, Mixed):
        return False
    return True
