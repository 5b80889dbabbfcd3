"""What is answered, as JSON. Whatever comes from vectors says of which spaces they are."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from urep_jax.serving.online import parts
from urep_jax.serving.online.parts import StoredVector

MOST_DEAD = 100
"""Messages that could not be used, of which is told; the latest."""

MOST_TOLD = 4096
"""Letters of such a message, and of the reason: who wrote it past the service may have written anything."""


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


class Near(Struct, frozen=True):
    """A neighbour.

    Attributes:
        id: of a user or a track.
        score: how near, the larger the nearer.
    """

    id: str
    score: float


class Neighbours(Struct, frozen=True):
    """Who or what is nearest, nearest first, less the one that was asked about.

    Attributes:
        space_id: the space that it was measured in.
        near: at most k.
        spaces: ids of all spaces that it comes from, by name.
    """

    space_id: str
    near: Sequence[Near]
    spaces: Mapping[str, str]


class Ranked(Struct, frozen=True):
    """An item with its score; None for one that is unknown."""

    item_id: str
    score: float | None


class Ranking(Struct, frozen=True):
    """All items that were asked about, best first, unknown ones last.

    Attributes:
        by: what it was ranked by.
        space_id: the space of the user's vector that it was made with; None where it needs no vector.
        items: with scores that mean something among each other only.
        spaces: ids of all spaces that it comes from, by name.
    """

    by: str
    space_id: str | None
    items: Sequence[Ranked]
    spaces: Mapping[str, str]


class Heard(Struct, frozen=True):
    """An event as it is remembered.

    Attributes:
        timestamp: seconds since 1970, UTC.
        item_id: None where only its digest is known.
        feedback: `play`, `up`, `down` or `skip`.
        station_id: None for none, or where only its digest is known.
        played_ratio: None where unknown.
    """

    timestamp: int
    item_id: str | None
    feedback: str
    station_id: str | None = None
    played_ratio: float | None = None


class Move(Struct, frozen=True):
    """A user's vector as it was at a moment.

    Attributes:
        as_of: the moment, seconds since 1970, UTC.
        events: how many of those that are kept had happened before.
        before: cosine with the vector of the moment before; None for the first.
        latest: cosine with the latest vector.
    """

    as_of: int
    events: int
    before: float | None
    latest: float


class User(Struct, frozen=True):
    """What is known of a user.

    Attributes:
        user_id: of whom.
        events: how many are kept; those that are too old for any vector are not.
        recent: the latest of them, the latest first.
        artists: picked in the onboarding.
        languages: picked in the onboarding.
        categories: what the profile tells.
        space_id: the space of the vector; None if there is none yet.
        near: artists that are nearest to what was heard lately, nearest first.
        moves: how the vector moved with the latest events, the latest first.
        spaces: ids of all spaces that the vector comes from, by name.
    """

    user_id: str
    events: int
    recent: Sequence[Heard]
    artists: Sequence[str]
    languages: Sequence[str]
    categories: Mapping[str, str]
    space_id: str | None
    near: Sequence[Near]
    moves: Sequence[Move]
    spaces: Mapping[str, str]


class Freshness(Struct, frozen=True):
    """Seconds from the acceptance of what happened until the vector that knows of it was stored.

    Attributes:
        median: of those that were measured lately.
        p99: ninety-nine of a hundred were faster.
        measured: how many that is.
    """

    median: float
    p99: float
    measured: int


class Status(Struct, frozen=True):
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
