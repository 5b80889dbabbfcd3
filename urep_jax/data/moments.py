"""Users at moments: of whom a representation is asked, and when."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int8, Int64

from urep_jax.core.streams import numpy_stream
from urep_jax.core.types import SECONDS_PER_DAY
from urep_jax.data.log import EventLog
from urep_jax.data.user_features.profiles import NEVER, Profiles
from urep_jax.data.user_features.windows import events_before


@dataclasses.dataclass(frozen=True, eq=False)
class Moments:
    """Rows of a user and a time.

    Attributes:
        user: the log's numbers of users; a user may be there at several moments.
        time: seconds since 1970, UTC, for each of them.
    """

    user: Int64[np.ndarray, "N"]
    time: Int64[np.ndarray, "N"]

    def __len__(self) -> int:
        return len(self.user)

    def where(self, kept: Bool[np.ndarray, "N"]) -> "Moments":
        """Some of the rows."""
        return Moments(self.user[kept], self.time[kept])

    @classmethod
    def join(cls, parts: Sequence["Moments"]) -> "Moments":
        """The rows of several, one after the other."""
        return cls(np.concatenate([part.user for part in parts]), np.concatenate([part.time for part in parts]))


def first_seen(log: EventLog, profiles: Profiles) -> Int64[np.ndarray, "S"]:
    """When each user was there first: registered, or heard something; `NEVER` if neither is known."""
    first_S = profiles.registered.copy()
    has_S = np.diff(log.offsets) > 0
    first_S[has_S] = np.minimum(first_S[has_S], log.timestamp[log.offsets[:-1][has_S]])
    return first_S


def established_users(
    log: EventLog, profiles: Profiles, time: int, *, days: int = 30, active_days: int = 182
) -> Moments:
    """The users who were there `days` before `time`, or longer, and heard something in the last `active_days`.

    Args:
        log: the log.
        profiles: its users.
        time: seconds since 1970, UTC.
        days: at least 0.
        active_days: at least 1.

    Raises:
        ValueError: if a number of days is out of range.
    """
    for name, value, least in (("days", days, 0), ("active_days", active_days, 1)):
        if value < least:
            raise ValueError(f"{name} is {value}, but must be at least {least}")
    every_S = np.arange(log.num_sequences, dtype=np.int64)
    now_S = np.full(len(every_S), time, np.int64)
    since_S = events_before(log, every_S, now_S - active_days * SECONDS_PER_DAY)
    is_active_S = events_before(log, every_S, now_S) > since_S
    # Nobody was there before the beginning, so the moment is moved and not the first day: that one may be NEVER.
    is_known_S = first_seen(log, profiles) <= time - days * SECONDS_PER_DAY
    return Moments(every_S, now_S).where(is_active_S & is_known_S)


def new_users(profiles: Profiles, since: int, until: int) -> Moments:
    """The users who registered from `since` on and before `until`, when they answered the onboarding.

    Who never answered, or not within a day, is there at the moment of the registration.

    Args:
        profiles: all users.
        since: seconds since 1970, UTC.
        until: seconds since 1970, UTC.
    """
    registered_S, answered_S = profiles.registered, profiles.answered
    # NEVER is so large that nothing can be added to it.
    at_once_S = (answered_S >= registered_S) & (answered_S - np.minimum(registered_S, answered_S) < SECONDS_PER_DAY)
    is_new_S = (registered_S != NEVER) & (since <= registered_S) & (registered_S < until)
    time_S = np.where(at_once_S, answered_S, registered_S)
    return Moments(np.arange(len(time_S), dtype=np.int64), time_S).where(is_new_S)


def user_parts(num_users: int, shares: Sequence[float], seed: int) -> Int8[np.ndarray, "S"]:
    """To which part of a split by users each belongs, at random: 0 for the first share, 1 for the second, and so on.

    A user's part hangs on the seed and the user's number alone, however many users there are.

    Args:
        num_users: S.
        shares: of the parts, each at least 0, with a sum of 1.
        seed: of the random choice.

    Raises:
        ValueError: if the shares don't add up to 1.

    Example:
        >>> user_parts(6, (0.5, 0.5), seed=0)
        array([1, 1, 1, 0, 1, 0], dtype=int8)
    """
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
        raise ValueError(f"shares are {', '.join(f'{s:g}' for s in shares)}, but must be at least 0 and add up to 1")
    drawn_S = numpy_stream(seed, "user_parts").random(num_users)
    return np.searchsorted(np.cumsum(shares)[:-1], drawn_S, side="right").astype(np.int8)
