"""What may be asked, as JSON. Fields that are not here are refused."""

from typing import Annotated

from msgspec import Meta, Struct

from urep_jax.serving.http.limits import MOST_EVENTS, MOST_IDS, MOST_NEAR
from urep_jax.serving.online.messages import Event, Id, Onboarding, Profile, Time, Words

Ids = Annotated[list[Id], Meta(min_length=1, max_length=MOST_IDS)]
K = Annotated[int, Meta(ge=1, le=MOST_NEAR)]


class AskedVectors(Struct, kw_only=True, forbid_unknown_fields=True):
    """Whose vectors.

    Attributes:
        space_id: the space that they must be of; without it, the one that is served.
    """

    user_ids: Ids
    space_id: Id | None = None


class AskedNearest(Struct, kw_only=True, forbid_unknown_fields=True):
    """How many neighbours of a user, and in which space, if it matters."""

    k: K
    space_id: Id | None = None


class AskedNearestTracks(Struct, kw_only=True, forbid_unknown_fields=True):
    """How many neighbours of a track, and by what: a modality, or all of them."""

    k: K
    modality: Id | None = None
    space_id: Id | None = None


class AskedRank(Struct, kw_only=True, forbid_unknown_fields=True):
    """What to rank, for which station, and by what."""

    item_ids: Ids
    station_id: Id | None = None
    by: Id | None = None


class ToldEvents(Struct, kw_only=True, forbid_unknown_fields=True):
    """What users heard. All of it is accepted, or nothing."""

    events: Annotated[list[Event], Meta(min_length=1, max_length=MOST_EVENTS)]


class ToldProfiles(Struct, kw_only=True, forbid_unknown_fields=True):
    """Who users are. All of it is accepted, or nothing."""

    profiles: Annotated[list[Profile], Meta(min_length=1, max_length=MOST_EVENTS)]


class OwnProfile(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A `Profile` whose user is known from where it stands."""

    told_at: Time
    categories: Words = {}
    age: Annotated[int, Meta(ge=0, le=150)] | None = None
    registered_at: Time | None = None

    def of(self, user_id: str) -> Profile:
        """Whose it is."""
        return Profile(
            user_id=user_id,
            told_at=self.told_at,
            categories=self.categories,
            age=self.age,
            registered_at=self.registered_at,
        )


class ToldOnboarding(Onboarding, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="onboarding"):
    """What a new user picked, and who it is."""

    profile: OwnProfile | None = None

    def parts(self) -> list[Onboarding | Profile]:
        """What is told, one by one."""
        picked = Onboarding(
            user_id=self.user_id, answered_at=self.answered_at, artists=self.artists, languages=self.languages
        )
        return [picked] if self.profile is None else [picked, self.profile.of(self.user_id)]
