"""From what a store keeps of users to z_u, by the function that batch inference makes x_u with."""

import dataclasses
import functools
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Int64

from urep_jax.core.types import LISTENED
from urep_jax.data.log import EventLog
from urep_jax.data.ragged import offsets_of
from urep_jax.data.user_features.inputs import Inputs
from urep_jax.data.user_features.modality import Aligned
from urep_jax.data.user_features.profiles import NOT_KNOWN, read_profiles
from urep_jax.serving.online.digests import DigestIndex, index_of
from urep_jax.serving.online.messages import Onboarding, Profile, read_fact
from urep_jax.serving.online.parts import RECORD, UserState
from urep_jax.serving.user_encoder import UserEncoder

_log = logging.getLogger(__name__)

_NOBODY = np.zeros(1, RECORD)
"""An empty range of events is still looked up, so there has to be one event."""


@dataclasses.dataclass(frozen=True, eq=False)
class StateEncoder:
    """Makes z_u of users' states: the same numbers, by the same functions, as `encoder` makes from a log.

    Attributes:
        encoder: the trained chain.
    """

    encoder: UserEncoder

    def encode(self, states: Sequence[UserState], time: Int64[np.ndarray, "N"]) -> Float32[np.ndarray, "N Z"]:
        """z_u of users.

        Args:
            states: all that is known of each.
            time: the moment of each, seconds since 1970, UTC; what happens then or later plays no role.
        """
        return self.encoder.encode(self.inputs(states), np.arange(len(states)), time).values

    def encode_at(self, state: UserState, time: Int64[np.ndarray, "N"]) -> Float32[np.ndarray, "N Z"]:
        """z_u of one user at several moments, as in `encode`."""
        return self.encoder.encode(self.inputs([state]), np.zeros(len(time), np.int64), time).values

    @property
    def reach(self) -> int:
        """Seconds before a moment in which an event plays a role; see `FeatureConfig.reach`."""
        return self.encoder.features.cfg.reach

    def events(self, states: Sequence[UserState], time: Int64[np.ndarray, "N"]) -> list[int]:
        """How many events each z_u of `encode` is made from: those of the longest window before its moment."""
        around = zip(states, time.tolist(), strict=True)
        found = [np.searchsorted(state.records["time"], [moment - self.reach, moment]) for state, moment in around]
        return [int(stop - first) for first, stop in found]

    def taste(self, state: UserState, *, modality: int = 0) -> Float32[np.ndarray, "D"] | None:
        """The mean vector of what a user heard lately, in the space of a modality; None if none of it has a vector.

        Lately is the longest window before the moment at which all that is known has happened.
        """
        one = self._aligned[modality]
        (moment,) = moments_of([state])
        records = state.records[state.records["time"] >= moment - self.reach]
        row_E = self._items.rows(records["item"])[np.isin(records["feedback"], LISTENED)]
        known_E = row_E[one.known[row_E]]
        return one.vectors[known_E].mean(axis=0) if len(known_E) else None

    def inputs(self, states: Sequence[UserState]) -> Inputs:
        """States as features are made from them."""
        # As bytes: NumPy would look at all fields of each array anew.
        records = np.frombuffer(b"".join([*(state.records.tobytes() for state in states), _NOBODY.tobytes()]), RECORD)
        length_N = np.array([len(state.records) for state in states], np.int64)
        users = pa.array([str(place) for place in range(len(states) + 1)])
        log = EventLog(
            name="states",
            granularity="user",
            offsets=np.append(offsets_of(length_N), len(records)),
            item=self._items.rows(records["item"]),
            timestamp=np.ascontiguousarray(records["time"]),
            feedback=np.ascontiguousarray(records["feedback"]),
            sequence_ids=users,
            item_ids=self._items.ids,
            played_ratio=np.ascontiguousarray(records["played_ratio"]),
        )
        space = self.encoder.features
        tables = tables_of(states, space.categories)
        profiles = read_profiles(
            users,
            pa.array([], pa.string()),
            users=tables["users"],
            onboarding=tables["onboarding"],
            categories=space.categories,
            values=space.words,
        )
        device = None
        if space.knows_devices:
            device = self._devices.rows(records["device"], NOT_KNOWN).astype(np.int16)
        artists = tuple(modality.of(profiles.artist_ids) for modality in space.artists)
        return Inputs(log, profiles, self._aligned, artists, device, space.words["devices"])

    @functools.cached_property
    def _items(self) -> DigestIndex:
        return index_of(*(modality.item_ids for modality in self.encoder.features.modalities))

    @functools.cached_property
    def _devices(self) -> DigestIndex:
        return index_of(self.encoder.features.words["devices"])

    @functools.cached_property
    def _aligned(self) -> tuple[Aligned, ...]:
        """Vectors of all items that any modality knows; the last row is of those that none does."""
        return tuple(modality.of(self._items.ids) for modality in self.encoder.features.modalities)


def tables_of(states: Sequence[UserState], categories: Sequence[str]) -> Mapping[str, pa.Table]:
    """What was told of users beside events, as companion tables of a log whose users are called 0, 1, 2, ...

    Of what was told of one thing several times, the latest counts; of several onboardings the earliest.
    """
    people: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    for place, state in enumerate(states):
        told = _facts(state)
        person: dict[str, Any] = {"user_id": str(place)}
        profiles = (one for one in told if isinstance(one, Profile))
        for profile in sorted(profiles, key=lambda one: (one.told_at, _words(one))):
            known = {name: word for name, word in profile.categories.items() if name in categories}
            numbers = {"age": profile.age, "registered_at": profile.registered_at}
            person |= known | {name: value for name, value in numbers.items() if value is not None}
        people.append(person)
        of_user = (one for one in told if isinstance(one, Onboarding))
        first = min(of_user, key=lambda one: (one.answered_at, one.artists, one.languages), default=None)
        if first is not None:
            picked = {"artists": first.artists, "languages": first.languages}
            answers.append({"user_id": str(place), "timestamp": first.answered_at, **picked})
    lists = pa.list_(pa.string())
    return {
        "users": pa.Table.from_pylist(
            people,
            pa.schema(
                {"user_id": pa.string(), **dict.fromkeys(categories, pa.string()), "age": pa.int32()}
                | {"registered_at": pa.int64()}
            ),
        ),
        "onboarding": pa.Table.from_pylist(
            answers,
            pa.schema({"user_id": pa.string(), "timestamp": pa.int64(), "artists": lists, "languages": lists}),
        ),
    }


def moments_of(states: Sequence[UserState]) -> Int64[np.ndarray, "N"]:
    """The first moment at which all that is known of a user has happened: the one after the last event, if it is later
    than the onboarding and the registration; who never said when that was registered when the profile was told. 0 for
    a user of whom nothing is dated.
    """
    found = np.zeros(len(states), np.int64)
    for place, state in enumerate(states):
        last = [int(state.records["time"][-1]) + 1] if len(state.records) else []
        found[place] = max([*last, *map(_moment, _facts(state))], default=0)
    return found


def _moment(told: Onboarding | Profile) -> int:
    if isinstance(told, Onboarding):
        return told.answered_at
    return told.told_at if told.registered_at is None else told.registered_at


def _facts(state: UserState) -> list[Onboarding | Profile]:
    """What was told of a user beside events. What can't be read costs this user a fact, and nobody a vector."""
    found = []
    for fact in state.facts:
        try:
            found.append(read_fact(fact))
        except ValueError as error:
            _log.warning("a fact is left out that can't be read: %s", error)
    return found


def _words(profile: Profile) -> tuple[str, ...]:
    return (*(f"{name}={word}" for name, word in sorted(profile.categories.items())), str(profile.age))
