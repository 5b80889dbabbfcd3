"""`Batch`, one training of a model, and `Reader`, one who must find the batches that it began with until its end."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from urep_jax.core.spaces import Space


@dataclasses.dataclass(frozen=True)
class Batch:
    """One training of a model: its space, and the spaces that it was trained on and must be used with.

    Source: Generalized User Representations for Transfer Learning, §4.4 ("batch identification").

    Attributes:
        model: that was trained.
        space_id: what it maps into; the model's name and a digest, as in `core.spaces.Space`.
        parents: by the names of the models whose vectors it reads, the ids of their spaces.
        trained_at: when its training ended, in seconds since 1970.
        run: folder of the training.

    Raises:
        ValueError: if an id isn't of its model, or the time is no number.

    Example:
        >>> sound = Space("audio-aa")
        >>> Batch.of(Space("users-bb", (sound,)), trained_at=0, run="runs/users").parents
        {'audio': 'audio-aa'}
    """

    model: str
    space_id: str
    parents: Mapping[str, str] = dataclasses.field(default_factory=dict)
    trained_at: float = 0.0
    run: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "parents", dict(self.parents))
        object.__setattr__(self, "trained_at", float(self.trained_at))
        for model, space_id in {self.model: self.space_id, **self.parents}.items():
            name, _, digest = space_id.rpartition("-")
            if name != model or not digest:
                raise ValueError(f"{space_id!r} is no space of {model!r}; its id must be {model}- and a digest")
        if self.model in self.parents:
            raise ValueError(f"{self.space_id} reads a space of its own model, {self.parents[self.model]}; name others")
        if not math.isfinite(self.trained_at):
            raise ValueError(f"trained_at is {self.trained_at}, but must be seconds since 1970")

    @classmethod
    def of(cls, space: Space, trained_at: float, run: str) -> "Batch":
        """The batch of a trained encoder.

        Args:
            space: of the encoder; those that it reads directly become the batch's parents.
            trained_at: when its training ended, in seconds since 1970.
            run: folder of the training.
        """
        return cls(space.name, space.id, {parent.name: parent.id for parent in space.parents}, trained_at, run)

    def plain(self) -> dict[str, Any]:
        """As JSON has it; `Batch(**plain)` reads it."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Reader:
    """Who uses batches, and must find them until it is done: an inference job ends in the space that it began in.

    Attributes:
        name: of the reader.
        space_ids: of all that it reads.
        until: when it counts no longer if it doesn't say so anew, in seconds since 1970.
        host: where it runs.
        pid: its process there.

    Raises:
        ValueError: if it has no name, reads nothing, or `until` is no number.
    """

    name: str
    space_ids: frozenset[str]
    until: float
    host: str = ""
    pid: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "until", float(self.until))
        if not self.name or not self.space_ids:
            raise ValueError(
                f"reader {self.name!r} reads {sorted(self.space_ids)}; it needs a name, and at least one id"
            )
        if math.isnan(self.until):
            raise ValueError(f"reader {self.name!r} reads until {self.until}, but must tell seconds since 1970")

    def counts(self, now: float) -> bool:
        """Whether its time isn't over."""
        return self.until >= now

    def __str__(self) -> str:
        where = f" (process {self.pid} on {self.host})" if self.host else ""
        return f"reader {self.name!r}{where}"
