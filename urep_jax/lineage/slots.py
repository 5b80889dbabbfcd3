"""`Slots`: the batches of a chain, each in its place, and how they move; what may be done is judged by `state`."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from urep_jax.lineage.batch import Batch
from urep_jax.lineage.errors import Mixed, Stale, StillServes, Unknown


@dataclasses.dataclass(frozen=True)
class Slots:
    """The batches of a chain.

    Attributes:
        current: by model, the batch that new trainings downstream read.
        legacy: by model, the batch that was current before, which some may still read.
        trained: by id of its space, what waits to be rotated in.
    """

    current: Mapping[str, Batch] = dataclasses.field(default_factory=dict)
    legacy: Mapping[str, Batch] = dataclasses.field(default_factory=dict)
    trained: Mapping[str, Batch] = dataclasses.field(default_factory=dict)

    def kept(self) -> Iterator[Batch]:
        """Those that are current or legacy."""
        yield from self.current.values()
        yield from self.legacy.values()

    def all(self) -> Iterator[Batch]:
        """Those that are current, legacy or waiting."""
        yield from self.kept()
        yield from self.trained.values()

    def ids(self) -> set[str]:
        """Of all."""
        return {batch.space_id for batch in self.all()}

    def batch(self, space_id: str) -> Batch:
        """The batch of a space.

        Raises:
            Unknown: if it was never registered, or dropped.
        """
        for batch in self.all():
            if batch.space_id == space_id:
                return batch
        there = ", ".join(sorted(self.ids())) or "nothing"
        raise Unknown(f"{space_id!r} isn't registered, or was dropped; there is {there}. Register it first")

    def spaces(self, *batches: Batch) -> dict[str, str]:
        """Ids of these and of all upstream that is there, by model.

        Raises:
            Mixed: if two of them are of one model.
        """
        there = {batch.space_id: batch for batch in self.all()}
        found: dict[str, str] = {}
        ahead = [(batch.model, batch.space_id) for batch in batches]
        while ahead:
            model, space_id = ahead.pop(0)
            if found.setdefault(model, space_id) != space_id:
                who = " and ".join(batch.space_id for batch in batches)
                both = " and ".join(sorted((found[model], space_id)))
                raise Mixed(f"{who} would read both {both}: train or take what reads one batch of {model!r} only")
            if space_id in there:
                ahead.extend(there[space_id].parents.items())
        return found

    def check_fresh(self, batch: Batch) -> None:
        """Whether a batch that waits can become current now.

        Raises:
            Stale: if it wasn't trained on its parents' current batches.
            Mixed: if it would read two batches of a model upstream.
        """
        for parent, read in batch.parents.items():
            if parent not in self.current:
                raise Stale(
                    f"{batch.space_id} was trained on {read}, but no batch of {parent!r} is current: "
                    + (
                        f"rotate {read} in too"
                        if read in self.trained
                        else f"train {parent!r}, then {batch.model!r} on it"
                    )
                )
            if (now := self.current[parent].space_id) != read:
                other = f", or rotate {read} in too" if read in self.trained else ""
                raise Stale(
                    f"{batch.space_id} was trained on {read}, but {now} is current: retrain {batch.model!r} on "
                    f"{now}{other}"
                )
        self.spaces(batch)

    def pushed(self, batch: Batch) -> "Slots":
        """One becomes current, what was current legacy; what was legacy is no more, whoever reads it."""
        was = {batch.model: self.current[batch.model]} if batch.model in self.current else {}
        trained = {space_id: other for space_id, other in self.trained.items() if space_id != batch.space_id}
        return Slots({**self.current, batch.model: batch}, {**self.legacy, **was}, trained)

    def without_those_from(self, gone: set[str], order: Sequence[str]) -> "Slots":
        """Less the legacy and waiting batches that come from some that are no more.

        Args:
            gone: ids of those that are no more.
            order: models, parents first.

        Raises:
            StillServes: if a current batch comes from one.
        """
        gone = set(gone)
        legacy, trained = dict(self.legacy), dict(self.trained)
        for model in order:
            mine = [batch for batch in self.all() if batch.model == model and gone.intersection(batch.parents.values())]
            for batch in mine:
                if batch == self.current.get(model):
                    read = min(gone.intersection(batch.parents.values()))
                    raise StillServes(
                        f"{batch.space_id} is current and reads {read}, which would be dropped: retrain {model!r} "
                        "first, on what is current now, or rotate its next batch in together with this"
                    )
                gone.add(batch.space_id)
                if legacy.get(model) == batch:
                    del legacy[model]
                trained.pop(batch.space_id, None)
        return Slots(self.current, legacy, trained)
