"""What the HTTP face calls: someone who has the stores and the models."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from msgspec import Struct

from urep_jax.serving.online.messages import Told
from urep_jax.serving.online.parts import Dead, Lag, Message, StoredVector


class NotReady(RuntimeError):
    """It can't be answered yet, but will be: an index is being built, a model is being loaded."""


class Refused(ValueError):
    """What is asked can be read, but makes no sense: a modality or a ranker that there isn't.

    Its text goes to who asked: the value, the rule and the mend.
    """


class Found(NamedTuple):
    """Vectors, and what they come from.

    Attributes:
        vectors: None for a user who has none.
        space_id: the space that they lie in.
        spaces: ids of all spaces that they come from, by name, their own among them.
    """

    vectors: Sequence[StoredVector | None]
    space_id: str
    spaces: Mapping[str, str]


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
    """How it goes.

    Attributes:
        lag: how far behind the workers are.
        freshness: of the workers that live; None while nothing was measured.
        workers: how many have told that they live, some seconds ago at most.
        users: of whom something is known.
        vectors: of users, in the space that is served.
    """

    lag: Lag
    freshness: Freshness | None
    workers: int
    users: int
    vectors: int


@runtime_checkable
class Backend(Protocol):
    """All that the HTTP face calls.

    Every method may block, and is called in a thread that is not the event loop's. `vectors` is called by one thread,
    always the same one, `accept` by another one, and all others by several at once.

    Any of them may raise `StoreAway`, `NotReady` or the lineage's `Busy`, which is told as 503: ask again;
    `SpaceMismatch`, told as 409; and `Refused`, told as 422 with its text. Anything else is told as 500, and logged
    without its text, which may name users.
    """

    def vectors(self, user_ids: Sequence[str]) -> Found:
        """Vectors of users, in the order asked, an id as often as asked; all of one space."""

    def check(self, told: Told) -> str | None:
        """Why something that can be read can't be used, such as a category that no profile has; None if it can."""

    def accept(self, messages: Sequence[Message]) -> None:
        """Accept messages of several requests, all or none: they are on disk when this returns.

        Raises:
            StoreFull: if there is no room.
        """

    def forget(self, user_id: str) -> bool:
        """Forget all about a user, what is still waiting in the stream too; whether there was anything."""

    def nearest_users(self, user_id: str, k: int) -> Neighbours | None:
        """Users whose vectors are nearest to a user's; None if that one has none."""

    def nearest_tracks(self, item_id: str, modality: str | None, k: int) -> Neighbours | None:
        """Tracks nearest to a track, by a modality or by all of them; None if it is unknown."""

    def rank(self, user_id: str, item_ids: Sequence[str], station_id: str | None, by: str | None) -> Ranking | None:
        """Items ordered for a user, by a ranker or the one that is taken by itself; None if nothing is known."""

    def user(self, user_id: str) -> User | None:
        """What is known of a user; None if nothing is."""

    def lineage(self) -> Mapping[str, Any]:
        """What the vectors come from, as JSON has it."""

    def dead(self, most: int) -> Sequence[Dead]:
        """The latest messages that could not be used, the latest first."""

    def ready(self) -> str | None:
        """Why it can't serve yet; None if it can. Reads need no worker, and whether one lives is told by `status`."""

    def status(self) -> Status:
        """How it goes."""
