"""Moments around sessions at which freshness is asked about, and the groups of users that they belong to."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float32, Int64

from experiments.user_representation.settings import Asked
from experiments.user_representation.sources import TRAIN, People, Sources
from urep_jax.baselines.play_counts import play_counts
from urep_jax.core.streams import numpy_stream
from urep_jax.core.types import SECONDS_PER_DAY
from urep_jax.data.log import EventLog
from urep_jax.data.moments import Moments, first_seen
from urep_jax.data.sessions import Sessions, sessions_of
from urep_jax.evaluation.movement import cosine_distance

MOST = 4
"""Sessions of an established user that are asked about at most."""
AWAY_DAYS = 30
"""Without an event, after which a user returns."""
STILL_DAYS = 3
"""Without an event before a session: of the control."""
RECENT_DAYS, BEFORE_DAYS = 3, 30
"""What was heard last is compared with what had been heard before it."""
LEAST = 10
"""Plays in either time without which nothing is told of a change."""
SHARE = 0.2
"""Of the moments, those at which the two are least alike: a change of taste."""

GROUPS = ("established", "changed", "returned", "new", "beginnings", "still")
"""In the order in which they are told."""


@dataclasses.dataclass(frozen=True, eq=False)
class SessionMoments:
    """Moments around sessions.

    Attributes:
        asked: users, and when.
        until: when the session is over that a moment belongs to: the second after its last event.
        groups: by name, which moments belong to it; those of `GROUPS`.
    """

    asked: Moments
    until: Int64[np.ndarray, "N"]
    groups: Mapping[str, Bool[np.ndarray, "N"]]


def session_moments(
    sources: Sources, people: People, asked: Asked, vectors: Float32[np.ndarray, "V I"], seed: int
) -> SessionMoments:
    """Whom freshness is asked about, and when.

    A moment within a session is the second after one of its events, any but the last; a beginning is that of the first
    event, which isn't known yet. A session counts that begins in the days that are asked about, and of users who train
    in the weeks before as well; its whole horizon lies within these days.

    | group | moments |
    |---|---|
    | `established` | within up to `MOST` sessions of a user who has been there for `established_days` |
    | `changed` | the fifth of them at which the mean vector of the last 3 days is farthest from that of the 30 before |
    | `returned` | within the session that ends 30 days without listening, also in the weeks before |
    | `new` | within sessions of the first day after the registration, whenever that was, as in `cold_start` |
    | `beginnings` | the beginnings of the sessions of `established` |
    | `still` | those of them before which nothing was heard for 3 days: the control |

    Args:
        sources: the log, and who its users are.
        people: whom the chain is asked about.
        asked: the knobs of it.
        vectors: of items; what is heard is compared by them.
        seed: of the choice of sessions and moments.
    """
    log, sessions = sources.log, sessions_of(sources.log)
    rng = numpy_stream(seed, "freshness/moments")
    begin_N, user_N = np.asarray(log.timestamp[sessions.first]), sessions.user
    in_time_N = begin_N < people.end - asked.hours * 3600
    in_weeks_N = in_time_N & (begin_N >= people.now - 7 * (asked.weeks - 1) * SECONDS_PER_DAY)
    since_N = first_seen(log, sources.profiles)[user_N]
    known_N = (sessions.away >= 0) & (since_N <= begin_N - asked.established_days * SECONDS_PER_DAY)
    wanted_N = known_N & in_weeks_N & ((people.part[user_N] == TRAIN) | (begin_N >= people.now))
    chosen_N = np.zeros(len(user_N), bool)
    chosen_N[_at_most(user_N, np.flatnonzero(wanted_N), MOST, rng)] = True
    returned_N = known_N & in_weeks_N & (sessions.away >= AWAY_DAYS * SECONDS_PER_DAY)
    new_N = in_time_N & _first_day(people.new, user_N, begin_N)

    # Something has to have been heard, and something to come.
    within = np.flatnonzero((chosen_N | returned_N | new_N) & (sessions.stop - sessions.first > 1))
    first, stop = sessions.first[within], sessions.stop[within]
    heard = first + (rng.random(len(within)) * (stop - first - 1)).astype(np.int64)
    beginning = np.flatnonzero(chosen_N)
    row = np.concatenate([within, beginning])
    is_within = np.arange(len(row)) < len(within)
    time = np.concatenate([log.timestamp[heard] + 1, begin_N[beginning]])
    moments = Moments(user_N[row], time)
    groups = {
        "established": is_within & chosen_N[row],
        "returned": is_within & returned_N[row],
        "new": is_within & new_N[row],
        "beginnings": ~is_within,
        "still": ~is_within & (sessions.away[row] >= STILL_DAYS * SECONDS_PER_DAY),
    }
    groups["changed"] = np.zeros(len(row), bool)
    groups["changed"][groups["established"]] = changed(log, moments.where(groups["established"]), vectors)
    return SessionMoments(moments, _ends(log, sessions, people.end)[row], {name: groups[name] for name in GROUPS})


def changed(log: EventLog, asked: Moments, vectors: Float32[np.ndarray, "V I"]) -> Bool[np.ndarray, "N"]:
    """At which moments what was heard in the last 3 days is least like what was heard in the 30 days before them.

    The cosine of the mean vectors decides: the lowest fifth has changed. Moments with fewer than `LEAST` plays in
    either time aren't among them, nor among those that they are the fifth of: of few plays any mean is far off.

    Args:
        log: the log.
        asked: the moments.
        vectors: of items.
    """
    time_N = asked.time
    now, recent, before = (
        play_counts(log, asked.user, time_N - days * SECONDS_PER_DAY)
        for days in (0, RECENT_DAYS, RECENT_DAYS + BEFORE_DAYS)
    )
    spans = (now - recent, recent - before)
    enough_N = np.all([span.sum(axis=1) >= LEAST for span in spans], axis=0)
    distance_N = cosine_distance(*(span @ vectors for span in spans))
    enough_N &= ~np.isnan(distance_N)
    if not enough_N.any():
        return enough_N
    return enough_N & (distance_N >= np.quantile(distance_N[enough_N], 1 - SHARE))


def _first_day(new: Moments, user_N: np.ndarray, begin_N: np.ndarray) -> Bool[np.ndarray, "N"]:
    """Which sessions begin within a day after their users registered, or answered."""
    row_N = np.searchsorted(new.user, user_N)
    is_new_N = np.isin(user_N, new.user)
    found_N = np.zeros(len(user_N), bool)
    since = begin_N[is_new_N] - new.time[row_N[is_new_N]]
    found_N[is_new_N] = (since >= 0) & (since < SECONDS_PER_DAY)
    return found_N


def _ends(log: EventLog, sessions: Sessions, end: int) -> Int64[np.ndarray, "N"]:
    return np.minimum(log.timestamp[sessions.stop - 1] + 1, end)


def _at_most(user_N: np.ndarray, place: np.ndarray, most: int, rng: np.random.Generator) -> Int64[np.ndarray, "_"]:
    """Of places at most `most` of each user, chosen at random."""
    order = place[np.lexsort((rng.random(len(place)), user_N[place]))]
    _, first, count = np.unique(user_N[order], return_index=True, return_counts=True)
    return order[np.arange(len(order)) - np.repeat(first, count) < most]
