"""The two parts that near-real-time inference needs, a stream and a store, as a worker and a service see them.

`sqlite_stream` and `sqlite_store` keep them in files of one folder, `redis_stream` and `redis_store` in a Redis server.
What is promised is the same:

- A message is on disk when `append` returns, and is delivered at least once: it stays until `done`.
- What a store adds is a set: adding again, or in another order, changes nothing that can be read.
- A vector is replaced only by one that knows more.
- Who was forgotten is not known again by what was under way, nor by a log or batch inference; only by what a stream
  tells later.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

RECORD = np.dtype(
    [
        ("key", "<u8"),  # of the event: its id, or a digest of all that it says
        ("time", "<i8"),  # seconds since 1970, UTC
        ("item", "<u8"),  # digest of the item's id
        ("station", "<u8"),  # digest of the station's id; 0 for none
        ("device", "<u8"),  # digest of the device's name; 0 where unknown
        ("played_ratio", "<f4"),  # NaN where unknown
        ("utc_offset", "<i4"),  # seconds
        ("feedback", "<i1"),  # code of `core.types.Feedback`
    ]
)
"""One event as a store keeps it: 49 bytes, from which `user_features` makes the same x_u as from a log."""


class Message(NamedTuple):
    """What happened to one user, as it was accepted.

    Attributes:
        user_id: whom it is about; messages of one user stay together.
        body: JSON, see `messages`; a stream doesn't look into it.
    """

    user_id: str
    body: bytes


class Delivery(NamedTuple):
    """A message as it was taken from a stream.

    Attributes:
        place: where it is in the stream; only the stream reads it.
        message: what was accepted.
        accepted_at: when, in seconds since 1970 by the clock of who accepted it.
    """

    place: str
    message: Message
    accepted_at: float


class Dead(NamedTuple):
    """A message that could not be used.

    Attributes:
        message: what was accepted.
        reason: why it could not be used.
        accepted_at: seconds since 1970.
    """

    message: Message
    reason: str
    accepted_at: float


class Lag(NamedTuple):
    """How far behind the workers are.

    Attributes:
        waiting: messages that were accepted and are not done.
        oldest: when the oldest of them was accepted, seconds since 1970; None if there is none.
        dead: messages that could not be used.
    """

    waiting: int
    oldest: float | None
    dead: int


class Claim(NamedTuple):
    """What a worker shows when it changes what is known of users: messages of theirs are its to take.

    Attributes:
        worker: its name, which no other has.
        partitions: how many there are.
    """

    worker: str
    partitions: int


@runtime_checkable
class Stream(Protocol):
    """Messages between those who accept them and the workers.

    A message belongs to one of `partitions` by its user; a partition is taken by one worker at a time, and when that
    one dies, by another at once.
    """

    partitions: int
    claim: Claim | None
    """None where the system sees to it that a worker has its partitions until it is done, however long it takes."""

    def append(self, messages: Sequence[Message], accepted_at: float) -> None:
        """Accept messages, all or none: they are on disk when this returns."""

    def take(self, most: int, wait: float) -> list[Delivery]:
        """The oldest messages of this worker's partitions that it hasn't taken yet, at most `most`.

        Waits up to `wait` seconds for the first. What an earlier worker took and did not finish is delivered again.
        """

    def done(self, deliveries: Sequence[Delivery]) -> None:
        """Forget messages whose effect is on disk."""

    def bury(self, dead: Sequence[tuple[Delivery, str]]) -> None:
        """Move messages to the dead ones, each with the reason why it can't be used."""

    def dead(self, most: int) -> list[Dead]:
        """The latest dead messages, the latest first."""

    def lag(self) -> Lag:
        """How far behind the workers are."""

    def forget(self, user_id: str) -> int:
        """Remove dead messages of a user, and those of others that have the user's id as JSON.

        Others are `done` by who takes them: those before the message that tells to forget were taken before it, and
        those after it tell of a user who came again.

        Returns:
            How many there were.
        """

    def scrub(self) -> bool:
        """See that what was removed is in no byte of what is kept beside it; whether that could be done at once.

        It can't while somebody reads on and on: ask again later.
        """

    def write_anew(self) -> bool:
        """Write everything anew if a user was forgotten since, for when there is nothing else to do; whether it was.

        A copy that was left behind when things were moved, which is rare, is gone then too.
        """

    def close(self) -> None:
        """Let go of partitions, files and connections."""


class UserState(NamedTuple):
    """All that is known of one user.

    Attributes:
        records: events, of `RECORD`: sorted by time, then key; each key once.
        facts: JSON of what else was told: each once, sorted.
        revision: grows by one or more with each addition, and is never that of a user who was forgotten.
    """

    records: np.ndarray
    facts: tuple[bytes, ...]
    revision: int


class Addition(NamedTuple):
    """What is to be added to what is known of a user.

    Attributes:
        user_id: of whom.
        records: events, of `RECORD`.
        facts: JSON of what else was told.
    """

    user_id: str
    records: np.ndarray
    facts: tuple[bytes, ...] = ()


class StoredVector(NamedTuple):
    """A user's vector, and what it knows.

    Attributes:
        user_id: whose.
        space_id: the space that it lies in.
        as_of: the moment that it is about: it knows what happened before, seconds since 1970, UTC.
        revision: of the state that it was made from; 0 for one that batch inference made.
        events: how many events it was made from: those of the longest window.
        computed_at: when it was made, seconds since 1970.
        values: its numbers.
    """

    user_id: str
    space_id: str
    as_of: int
    revision: int
    events: int
    computed_at: float
    values: Float32[np.ndarray, "Z"]


@runtime_checkable
class Store(Protocol):
    """What is known of users, and their vectors."""

    def add(self, additions: Sequence[Addition], claim: Claim | None = None) -> list[UserState]:
        """Add to what is known of users, all or none, and read all that is known of them then.

        Who was forgotten is known again.

        What is there already is not there twice. Of two different records with one key the later stays, and of those
        of one time the one whose bytes are the lesser, whatever came first. It is on disk when this returns.

        Args:
            additions: of different users; one without records and facts only reads.
            claim: of the stream that they are from; what somebody adds who has lost it is refused.
        """

    def load(self, additions: Sequence[Addition]) -> int:
        """Add what a log tells of users, all or none, but nothing of those who were forgotten.

        Returns:
            Of how many it was added.
        """

    def vectors(self, user_ids: Sequence[str], space_id: str) -> list[StoredVector | None]:
        """Vectors of users in a space; None for who has none."""

    def write(self, vectors: Sequence[StoredVector]) -> int:
        """Store vectors, each unless the one that is there knows more: by `as_of`, then by `revision`.

        One that was made from a state is stored while that user is known: not if the user was forgotten since, even if
        something is known again. One of revision 0 is stored unless the user was forgotten.

        Returns:
            How many were stored. They are on disk when this returns.
        """

    def users(self, after: str = "", most: int = 1024) -> list[str]:
        """Ids of users of whom something is known, sorted, from the one past `after` on."""

    def scan(self, space_id: str, portion: int = 4096) -> Iterator[list[StoredVector]]:
        """All vectors of a space, in portions."""

    def known(self) -> int:
        """Of how many users something is known."""

    def count(self, space_id: str) -> int:
        """How many users have a vector in a space."""

    def drop(self, space_id: str) -> int:
        """Remove all vectors of a space; how many there were."""

    def trim(self, before: Mapping[str, int], claim: Claim | None = None) -> int:
        """Remove users' records of before a moment, each user's own; how many there were."""

    def forget(self, user_id: str, claim: Claim | None = None) -> bool:
        """Remove everything about a user; whether there was anything.

        What is left is a mark, which logs and batch inference heed, and from which nobody can tell whom it is of
        without guessing the id and having the store's secret.
        """

    def scrub(self) -> bool:
        """As `Stream.scrub`."""

    def write_anew(self) -> bool:
        """As `Stream.write_anew`."""

    def holds(self, user_id: str) -> bool:
        """Whether the user's id occurs anywhere: a search through all that is kept, to prove that it doesn't."""

    def note(self, name: str, value: str | None = None) -> str | None:
        """Keep a short text by a name, or read it: what a service has done once, such as loading a log.

        An empty text removes the note. None tells of a user: `forget` looks into none.
        """

    def notes(self, begin: str) -> dict[str, str]:
        """All notes whose names begin so."""

    def close(self) -> None:
        """Let go of files and connections."""


class StoreFull(OSError):
    """There is no room: nothing of what was asked for was kept. The same call works again once there is room."""


class StoreAway(ConnectionError):
    """The server doesn't answer, so it isn't known whether what was asked for was kept: ask again once it is back."""
