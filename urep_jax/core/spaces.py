"""Vector spaces: each trained encoder has one of its own, and vectors may be compared only within one.

A space's id is told by what its training made. Items that come in later, in a growth, are put after those that there
were, and play no role in it.

Source: Generalized User Representations for Transfer Learning, §4.4 ("batch identification", "consistent comparisons").
"""

import dataclasses
import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np


class SpaceMismatch(ValueError):
    """Vectors of two spaces were about to be compared, averaged, indexed or trained on together."""


@dataclasses.dataclass(frozen=True)
class Space:
    """What an encoder maps into, and what it read.

    Attributes:
        id: the encoder's name, and a digest of all that decides what comes out: `users-0123456789abcdef`.
        parents: the spaces whose vectors it reads.

    Raises:
        ValueError: if the id has no such form.
        SpaceMismatch: if two of the spaces that it comes from are of one encoder, but not the same one.

    Example:
        >>> sound = Space("audio-00000000000000aa")
        >>> Space("users-00000000000000bb", (sound,)).ids
        {'users': 'users-00000000000000bb', 'audio': 'audio-00000000000000aa'}
    """

    id: str
    parents: tuple["Space", ...] = ()

    def __post_init__(self) -> None:
        name, _, digest = self.id.rpartition("-")
        if not name or not digest:
            raise ValueError(f"the space {self.id!r} must be called by a name and a digest, such as users-0123abcd")
        # The names of all that it comes from are looked at here, once.
        self.ids  # noqa: B018

    @property
    def name(self) -> str:
        """Of the encoder."""
        return self.id.rpartition("-")[0]

    @functools.cached_property
    def ids(self) -> dict[str, str]:
        """Ids of this space and of all that it comes from, by the encoders' names; its own is the first."""
        found: dict[str, str] = {}
        for one in self._all():
            if found.setdefault(one.name, one.id) != one.id:
                raise SpaceMismatch(
                    f"{self.id} comes from both {found[one.name]} and {one.id}; train what it reads again, so that all "
                    f"of it reads one {one.name}"
                )
        return found

    def plain(self) -> dict[str, Any]:
        """As JSON has it; `space_of` reads it."""
        return {"id": self.id, "parents": [parent.plain() for parent in self.parents]}

    def _all(self) -> Iterator["Space"]:
        yield self
        for parent in self.parents:
            yield from parent._all()


def space_of(plain: Mapping[str, Any]) -> Space:
    """A space from what `Space.plain` made of it."""
    return Space(plain["id"], tuple(space_of(parent) for parent in plain["parents"]))


def trained_space(name: str, arrays: Iterable[np.ndarray], parents: Sequence[Space] = ()) -> Space:
    """The space of an encoder: the same encoder has the same wherever it lies, and another one has another.

    Args:
        name: of the encoder, such as `users`.
        arrays: all that decides what it makes of its input, in an order of their own.
        parents: the spaces that it reads vectors of.

    Example:
        >>> trained_space("users", [np.zeros(2)]) == trained_space("users", [np.zeros(2)])
        True
        >>> sound = trained_space("audio", [np.ones(2)])
        >>> trained_space("users", [np.zeros(2)], [sound]).id == trained_space("users", [np.zeros(2)]).id
        False
    """
    told = hashlib.sha256()
    for parent in parents:
        told.update(f"{len(parent.id)}:{parent.id};".encode())
    for array in arrays:
        told.update(f"{array.dtype.str}{array.shape};".encode())
        told.update(np.ascontiguousarray(array).tobytes())
    return Space(f"{name}-{told.hexdigest()[:16]}", tuple(parents))


def text_arrays(words: Iterable[str]) -> Iterator[np.ndarray]:
    """Words as arrays of numbers, for `trained_space`: how long they are, and their letters."""
    letters = [word.encode() for word in words]
    yield np.array([len(word) for word in letters], np.int64)
    yield np.frombuffer(b"".join(letters), np.uint8)


def refuse_mixed(doing: str, *spaces: Space) -> None:
    """Refuse to put vectors of several spaces together.

    Args:
        doing: what was to be done, such as `compare`.
        spaces: of the vectors.

    Raises:
        SpaceMismatch: if they aren't all the same one.
    """
    for other in spaces[1:]:
        if other.id != spaces[0].id:
            mend = (
                f"encode both by one of the two trainings of {other.name!r}"
                if other.name == spaces[0].name
                else f"{spaces[0].name!r} and {other.name!r} are different encoders, with nothing in common"
            )
            raise SpaceMismatch(f"can't {doing} vectors of {spaces[0].id} and of {other.id}: {mend}")
