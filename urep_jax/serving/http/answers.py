"""What is answered, as JSON. Whatever comes from vectors says of which spaces they are."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from urep_jax.serving.http.backend import Freshness
from urep_jax.serving.online.parts import StoredVector


class Vector(Struct, frozen=True):
    """A user's vector.

    Attributes:
        space_id: the space that it lies in; compare it only with others of this one.
        as_of: it knows what happened before this moment, seconds since 1970, UTC.
        computed_at: when it was made, seconds since 1970.
        events: how many it was made from: those of the longest window.
    """

    user_id: str
    space_id: str
    as_of: int
    computed_at: float
    events: int
    values: list[float]


class OneVector(Vector, frozen=True):
    """A user's vector, and the spaces that it comes from, by the encoders' names."""

    spaces: Mapping[str, str]


class Vectors(Struct, frozen=True):
    """Vectors in the order asked, null for a user who has none, and the spaces that they come from."""

    spaces: Mapping[str, str]
    vectors: Sequence[Vector | None]


class Accepted(Struct, frozen=True):
    """How much was accepted; it is on disk."""

    accepted: int


class Forgotten(Struct, frozen=True):
    """The user is forgotten; `known` tells whether anything was known before."""

    user_id: str
    known: bool


class HowItGoes(Struct, frozen=True):
    """How far behind the workers are, and how much is known.

    Attributes:
        waiting: messages that were accepted, but no vector knows of.
        oldest: when the oldest of them was accepted, seconds since 1970; null if there is none.
        dead: messages that could not be used.
    """

    waiting: int
    oldest: float | None
    dead: int
    freshness: Freshness | None
    users: int
    vectors: int


class Fine(Struct, frozen=True):
    """It works."""

    ok: bool = True


def plain(vector: StoredVector) -> Vector:
    """A stored vector as it is told."""
    return Vector(
        vector.user_id, vector.space_id, vector.as_of, vector.computed_at, vector.events, vector.values.tolist()
    )


def one_vector(vector: StoredVector, spaces: Mapping[str, str]) -> OneVector:
    """A stored vector as it is told when it is the only one."""
    return OneVector(
        *(vector.user_id, vector.space_id, vector.as_of, vector.computed_at, vector.events),
        vector.values.tolist(),
        spaces,
    )
