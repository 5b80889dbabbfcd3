"""What is answered, as JSON. Whatever comes from vectors says of which spaces they are."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from urep_jax.serving.http.backend import Freshness
from urep_jax.serving.http.limits import MOST_DEAD, MOST_TOLD
from urep_jax.serving.online import parts
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
        freshness: of the workers that live; null while nothing was measured.
        workers: how many live; without any, vectors are read as they were.
        users: of whom something is known.
        vectors: of users, in the space that is served.
    """

    waiting: int
    oldest: float | None
    dead: int
    freshness: Freshness | None
    workers: int
    users: int
    vectors: int


class Dead(Struct, frozen=True):
    """A message that could not be used.

    Attributes:
        user_id: whom it was accepted for.
        reason: why it could not be used.
        accepted_at: seconds since 1970.
        body: what was accepted, its first 4096 letters; what isn't UTF-8 is replaced.
    """

    user_id: str
    reason: str
    accepted_at: float
    body: str


class TheDead(Struct, frozen=True):
    """The latest messages that could not be used, the latest first; `/v1/status` tells how many there are."""

    messages: Annotated[list[Dead], Meta(max_length=MOST_DEAD)]


class Fine(Struct, frozen=True):
    """It works."""

    ok: bool = True


def plain(vector: StoredVector) -> Vector:
    """A stored vector as it is told."""
    return Vector(
        vector.user_id, vector.space_id, vector.as_of, vector.computed_at, vector.events, vector.values.tolist()
    )


def dead(found: parts.Dead) -> Dead:
    """A message that could not be used, as it is told."""
    message, reason, accepted_at = found
    body = message.body.decode(errors="replace")
    return Dead(message.user_id, reason[:MOST_TOLD], accepted_at, body[:MOST_TOLD])


def one_vector(vector: StoredVector, spaces: Mapping[str, str]) -> OneVector:
    """A stored vector as it is told when it is the only one."""
    return OneVector(
        *(vector.user_id, vector.space_id, vector.as_of, vector.computed_at, vector.events),
        vector.values.tolist(),
        spaces,
    )
