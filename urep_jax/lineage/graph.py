"""`ModelGraph`: which models read the vectors of which.

Source: Generalized User Representations for Transfer Learning, §4.4 and figure 6.
"""

import dataclasses
import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9_]+([.-][A-Za-z0-9_]+)*")


@dataclasses.dataclass(frozen=True)
class ModelGraph:
    """Models, and for each the names of those whose vectors it reads.

    Attributes:
        parents: by the model's name; empty for one that reads no other.

    Raises:
        ValueError: if a name is odd, a parent isn't declared or is named twice, or models read each other in a circle.

    Example:
        >>> chain = ModelGraph({"tasks": ("users", "audio"), "users": ("audio",), "audio": ()})
        >>> chain.order
        ('audio', 'users', 'tasks')
        >>> chain.downstream("audio"), chain.upstream("users")
        (('users', 'tasks'), ('audio',))
    """

    parents: Mapping[str, Sequence[str]]

    def __post_init__(self) -> None:
        read = {model: tuple(parents) for model, parents in self.parents.items()}
        object.__setattr__(self, "parents", read)
        if not read:
            raise ValueError("the graph has no model; declare at least one, such as {'users': ()}")
        for model, parents in read.items():
            if not _NAME.fullmatch(model):
                raise ValueError(
                    f"{model!r} can't name a model, since ids begin with the name; take letters, digits and _, with "
                    "single . or - between them"
                )
            for parent in parents:
                if parent not in read:
                    raise ValueError(
                        f"{model!r} reads {parent!r}, which isn't declared; the graph has {', '.join(read)}"
                    )
                if parents.count(parent) > 1:
                    raise ValueError(f"{model!r} names its parent {parent!r} twice; once is enough")
        # The order is looked for here, once.
        self.order  # noqa: B018

    @functools.cached_property
    def order(self) -> tuple[str, ...]:
        """All models, parents first; where that leaves a choice, as they were declared."""
        placed: dict[str, None] = {}
        while len(placed) < len(self.parents):
            ready = (m for m, parents in self.parents.items() if m not in placed and placed.keys() >= set(parents))
            if (model := next(ready, None)) is None:
                circle = " reads ".join(self._circle([m for m in self.parents if m not in placed]))
                raise ValueError(
                    f"{circle}, in a circle: none of them can be trained first; let one read no other of it"
                )
            placed[model] = None
        return tuple(placed)

    def downstream(self, model: str) -> tuple[str, ...]:
        """All that read a model's vectors, or those of a model that does, parents first."""
        reading = {self.known(model)}
        for other in self.order:
            if reading.intersection(self.parents[other]):
                reading.add(other)
        return tuple(other for other in self.order if other in reading and other != model)

    def upstream(self, model: str) -> tuple[str, ...]:
        """All whose vectors a model reads, or those that it reads do, parents first."""
        read = {self.known(model)}
        for other in reversed(self.order):
            if other in read:
                read.update(self.parents[other])
        return tuple(other for other in self.order if other in read and other != model)

    def known(self, model: str) -> str:
        """The model itself.

        Raises:
            ValueError: if the graph has no such model.
        """
        if model not in self.parents:
            raise ValueError(f"there is no model {model!r} in the graph; it has {', '.join(self.parents)}")
        return model

    def plain(self) -> dict[str, Any]:
        """As JSON has it; `graph_of` reads it."""
        return {model: list(parents) for model, parents in self.parents.items()}

    def _circle(self, left: Sequence[str]) -> list[str]:
        """Models that read each other, the first once more at the end; each of those left reads one of those left."""
        walk = [left[0]]
        while walk[-1] not in walk[:-1]:
            walk.append(next(parent for parent in self.parents[walk[-1]] if parent in left))
        return walk[walk.index(walk[-1]) :]


def graph_of(plain: Mapping[str, Sequence[str]]) -> ModelGraph:
    """A graph from what `ModelGraph.plain` made of it."""
    return ModelGraph(plain)
