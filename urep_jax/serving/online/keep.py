"""`Keep`: which of a user's events are kept, and when it is time to remove the others."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Int64

from urep_jax.core.types import SECONDS_PER_DAY
from urep_jax.serving.online.parts import UserState
from urep_jax.serving.online.records import wasteful


@dataclasses.dataclass(frozen=True)
class Keep:
    """What is kept of a user's events beside those that a vector can still hang on.

    A vector hangs on the events of its longest window, on the latest event, and on nothing else that an event tells
    (`FeatureConfig.reach`). It is made for a moment after the latest event, and the latest event only ever becomes
    later: so what is `reach` before it, or longer, is in no window any more, whatever comes, and in whichever order. An
    event that is told again after it was removed is just as old as it was, and of two with one key the later counts
    (`records.union`), which is the one that is still there.

    What is removed stays removed: a model with longer windows than all before it finds what `days` left.

    Attributes:
        days: before the latest events, at least 0. Where a window is longer, its days.
        events: the latest ones, at least 1, however old: what people are shown, and what a ranker by events reads. Each
            is kept with the days before it, so that it can be told what the vector was then.

    Raises:
        ValueError: if a number is out of range.
    """

    days: int = 365
    events: int = 512

    def __post_init__(self) -> None:
        for name, least in (("days", 0), ("events", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"keep.{name} is {getattr(self, name)}, but must be at least {least}")

    def since(self, time: Int64[np.ndarray, "E"], reach: int) -> int:
        """From when on a user's events are kept, seconds since 1970, UTC.

        Args:
            time: of all of the user's events, ascending; at least one.
            reach: the longest `FeatureConfig.reach` of all spaces that vectors are made in.
        """
        # The earliest vector that has this event is of the moment after it.
        return int(time[-self.events :][0]) + 1 - max(reach, self.days * SECONDS_PER_DAY)

    def due(self, user_ids: Iterable[str], states: Sequence[UserState], reach: int) -> dict[str, int]:
        """Users of whose events so many can go that it is worth writing the others anew, and since when they are kept.

        At least a fifth of the events are removed, so that each that comes is written anew a few times at most.

        Args:
            user_ids: of users.
            states: all that is known of each.
            reach: as in `since`.
        """
        found: dict[str, int] = {}
        for user_id, state in zip(user_ids, states, strict=True):
            time = state.records["time"]
            if len(time):
                since = self.since(time, reach)
                if wasteful(len(time), len(time) - int(np.searchsorted(time, since))):
                    found[user_id] = since
        return found
