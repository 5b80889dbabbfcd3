"""What may be told of a user, as it is accepted: an event, an onboarding's answers, a profile, or to forget it all."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

import msgspec
import numpy as np
from jaxtyping import UInt64
from msgspec import Meta, Struct

from urep_jax.core.types import Feedback
from urep_jax.serving.online.parts import RECORD, Message

MOST_PICKED = 256
"""Artists, or languages, that an onboarding may tell of."""

Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=128)]
"""An id of the source."""

Time: TypeAlias = Annotated[int, Meta(ge=-(1 << 40), lt=1 << 40)]
"""Seconds since 1970, UTC; below 0 before it."""

Words: TypeAlias = Annotated[dict[Id, Id], Meta(max_length=32)]

Age: TypeAlias = Annotated[int, Meta(ge=0, le=150)]
"""Years."""


class Event(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="kind", tag="event"):
    """Something that a user heard.

    Attributes:
        event_id: names the event: another one with this id, of the same user, is the same. Without it, one of the same
            item, second, feedback and station is.
    """

    user_id: Id
    item_id: Id
    timestamp: Time
    feedback: Literal["play", "up", "down", "skip"]
    event_id: Id | None = None
    station_id: Id | None = None
    device: Id | None = None
    played_ratio: Annotated[float, Meta(ge=0, le=1)] | None = None
    utc_offset: Annotated[int, Meta(ge=-86400, le=86400)] | None = None


class Onboarding(
    Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="kind", tag="onboarding"
):
    """What a new user picked. Of several answers of a user the earliest counts, as in batch inference."""

    user_id: Id
    answered_at: Time
    artists: Annotated[list[Id], Meta(max_length=MOST_PICKED)] = []
    languages: Annotated[list[Id], Meta(max_length=MOST_PICKED)] = []


class Profile(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="kind", tag="profile"):
    """Who a user is. Of what is told of one thing, the latest counts.

    Attributes:
        told_at: when it was told.
        categories: such as `country`, `device`, `language` and `plan`.
        age: in years.
        registered_at: when the user registered.
    """

    user_id: Id
    told_at: Time
    categories: Words = {}
    age: Age | None = None
    registered_at: Time | None = None


class Forget(Struct, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="forget"):
    """The user is to be forgotten: everything that was told before.

    Attributes:
        receipt: the name of the note that says that it is done; see `receipts`.
    """

    user_id: Id
    receipt: Id


Told: TypeAlias = Event | Onboarding | Profile | Forget
"""All that a message may be."""

_ENCODER, _DECODER = msgspec.json.Encoder(order="deterministic"), msgspec.json.Decoder(Told)
_FACT_DECODER: msgspec.json.Decoder[Onboarding | Profile] = msgspec.json.Decoder(Onboarding | Profile)


def message_of(told: Told) -> Message:
    """What goes into a stream."""
    return Message(told.user_id, _ENCODER.encode(told))


def read_message(message: Message) -> Told:
    """What comes out of it.

    Raises:
        ValueError: if it isn't what `message_of` makes: another program may have written it.
    """
    try:
        told = _DECODER.decode(message.body)
    except msgspec.MsgspecError as error:
        raise ValueError(f"it can't be read: {error}") from error
    if told.user_id != message.user_id:
        raise ValueError("it was accepted for another user than it tells of; give both the same user_id")
    return told


def digest(text: str | None) -> int:
    """A number that stands for an id, below 2^64; 0 for none.

    Numbers of all ids of a catalogue are different but for an accident: among a hundred million it happens with a
    probability below one in three thousand, and one track would then pass for another.
    """
    if text is None:
        return 0
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") or 1


def digests(texts: Sequence[str | None]) -> UInt64[np.ndarray, "N"]:
    """`digest` of each."""
    return np.fromiter((digest(text) for text in texts), np.uint64, len(texts))


def records_of(events: Sequence[Event]) -> np.ndarray:
    """Events as a store keeps them, of `RECORD`, in the order given."""
    return np.array([_record(event) for event in events], RECORD)


def _record(event: Event) -> tuple[float, ...]:
    if event.event_id is None:
        key = event_key(event.item_id, event.timestamp, event.feedback, event.station_id)
    else:
        key = digest(f"id\n{event.event_id}")
    ratio = np.nan if event.played_ratio is None else event.played_ratio
    ids = (digest(event.item_id), digest(event.station_id), digest(event.device))
    return (key, event.timestamp, *ids, ratio, event.utc_offset or 0, Feedback.from_word(event.feedback))


def event_key(item_id: str, timestamp: int, feedback: str, station_id: str | None, again: int = 0) -> int:
    """What stands for an event that has no id of its own.

    Args:
        item_id: what was heard.
        timestamp: when.
        feedback: its word.
        station_id: where.
        again: how many events of the same user before it were all the same: a log may tell of them, a stream takes them
            for deliveries of one.
    """
    return digest("\n".join(["event", item_id, str(timestamp), feedback, station_id or "", str(again)]))


def fact_of(told: Onboarding | Profile) -> bytes:
    """What a store keeps of it."""
    return _ENCODER.encode(told)


def read_fact(fact: bytes) -> Onboarding | Profile:
    """What `fact_of` made of it.

    Raises:
        ValueError: if it isn't such.
    """
    try:
        return _FACT_DECODER.decode(fact)
    except msgspec.MsgspecError as error:
        raise ValueError(f"it is no onboarding and no profile that could be told: {error}") from error
