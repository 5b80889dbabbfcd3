"""What the HTTP face calls: someone who has the stores and the models."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from urep_jax.serving.http.answers import Neighbours, Ranking, Status, User
from urep_jax.serving.online.messages import Told
from urep_jax.serving.online.parts import Dead, Message, StoredVector


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

    def waiting(self) -> int:
        """How many messages were accepted that no vector knows of yet."""

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
