"""The worker: takes what happened, adds it to what is known of users, and encodes those users anew.

Each message is delivered at least once, and adding is idempotent, so its effect is there exactly once. The order of
writes says that nothing is lost, wherever a worker is killed: first what is known, then the vector, and only then the
message is done. Events that no vector can hang on any more are removed at the end. Who is to be forgotten is removed
first of all, and the message that tells so is the last trace that goes; only then is it told that it is done.

Source: Generalized User Representations for Transfer Learning, §4.2 and Fig. 5.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from urep_jax.serving.online.keep import Keep
from urep_jax.serving.online.messages import Event, Forget, Onboarding, Profile, fact_of, read_message, records_of
from urep_jax.serving.online.parts import RECORD, Addition, Delivery, Store, StoredVector, Stream, UserState
from urep_jax.serving.online.states import StateEncoder, moments_of

_NONE = np.zeros(0, RECORD)

_MOMENTS = {Event: ("timestamp",), Onboarding: ("answered_at",), Profile: ("told_at", "registered_at")}
"""What says when something was, of each kind of message."""


@dataclasses.dataclass(frozen=True)
class WorkerConfig:
    """How a worker goes about it.

    Attributes:
        most: messages that are taken at once. Those of one user are one encoding: the more there are waiting, the less
            each costs.
        wait: seconds to wait for the first.
        max_ahead: seconds that an event may lie in the future when it is accepted; clocks differ, and what comes later
            can't be believed.
        keep: which events are kept.

    Raises:
        ValueError: if a value is out of range.
    """

    most: int = 512
    wait: float = 0.05
    max_ahead: int = 86_400
    keep: Keep = dataclasses.field(default_factory=Keep)

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ValueError(f"most is {self.most}, but must be at least 1")
        for name in ("wait", "max_ahead"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least 0")


class Step(NamedTuple):
    """What one round did.

    Attributes:
        messages: taken.
        users: encoded.
        dead: messages that could not be used.
        forgotten: of each receipt that is owed, whether anything was known of the user; see `receipts`.
        waited: seconds from the acceptance of each message until its effect was there.
    """

    messages: int = 0
    users: int = 0
    dead: int = 0
    forgotten: Mapping[str, bool] = MappingProxyType({})
    waited: tuple[float, ...] = ()


def step(
    stream: Stream,
    store: Store,
    encoders: Mapping[str, StateEncoder],
    cfg: WorkerConfig,
    *,
    clock: Callable[[], float] = time.time,
) -> Step:
    """Take messages, and bring their users' vectors up to date in each space.

    Args:
        stream: what happened.
        store: what is known.
        encoders: of the spaces that are served, by the space's id.
        cfg: how much at once.
        clock: tells when vectors were computed and how long messages waited; no vector hangs on it.
    """
    deliveries = stream.take(cfg.most, cfg.wait)
    if not deliveries:
        return Step()
    told, dead = _read(deliveries, cfg.max_ahead)
    forgets = [one for own in told.values() for one in own if isinstance(one, Forget)]
    known = {one.user_id: not isinstance(told[one.user_id][0], Forget) for one in forgets}
    for user_id in known:
        known[user_id] |= store.forget(user_id, stream.claim)
    additions = [_addition(user_id, own) for user_id, own in told.items()]
    additions = [one for one in additions if len(one.records) or one.facts]
    users = [one.user_id for one in additions]
    states = store.add(additions, stream.claim) if additions else []
    if additions:
        encode_anew(store, users, states, encoders, clock())
    now = clock()
    stream.bury(dead)
    for user_id in known:
        known[user_id] |= stream.forget(user_id) > 0
    # Until now all that was taken would be delivered again to whoever comes after this worker, and once more forgotten.
    buried = {delivery.place for delivery, _ in dead}
    stream.done([delivery for delivery in deliveries if delivery.place not in buried])
    # Last: no vector hangs on it, and who is killed before trims with the user's next event.
    if encoders and (due := cfg.keep.due(users, states, max(one.reach for one in encoders.values()))):
        store.trim(due, stream.claim)
    waited = tuple(max(0.0, now - delivery.accepted_at) for delivery in deliveries)
    owed = {one.receipt: known[one.user_id] for one in forgets}
    return Step(len(deliveries), len(additions), len(dead), owed, waited)


def encode_anew(
    store: Store,
    user_ids: Sequence[str],
    states: Sequence[UserState],
    encoders: Mapping[str, StateEncoder],
    now: float,
) -> None:
    """Write vectors of users in each space, of the moment at which all that is known of them has happened.

    Where a vector is there that is about a later moment, as those of batch inference can be, it is of that moment.
    """
    earliest = moments_of(states)
    for space_id, encoder in encoders.items():
        there = store.vectors(user_ids, space_id)
        before = np.array([0 if vector is None else vector.as_of for vector in there], np.int64)
        as_of = np.maximum(earliest, before)
        made = zip(user_ids, states, as_of, encoder.events(states, as_of), encoder.encode(states, as_of), strict=True)
        store.write(
            [
                StoredVector(user_id, space_id, int(moment), state.revision, events, now, z_Z)
                for user_id, state, moment, events, z_Z in made
            ]
        )


def fill(store: Store, space_id: str, encoder: StateEncoder, portion: int = 256) -> Iterator[int]:
    """Encode everybody who is known in a space that is new, portion by portion.

    Who has a vector there that was made from all that is known is passed over, so that it goes on where it was stopped.

    Yields:
        How many users of each portion were encoded; whoever calls does what else there is to do in between.
    """
    after = ""
    while users := store.users(after, portion):
        states = store.add([Addition(user_id, _NONE) for user_id in users])
        left = [
            (user_id, state)
            for user_id, state, there in zip(users, states, store.vectors(users, space_id), strict=True)
            if state.revision and (there is None or there.revision < state.revision)  # 0: forgotten meanwhile.
        ]
        if left:
            encode_anew(store, [one for one, _ in left], [state for _, state in left], {space_id: encoder}, time.time())
        after = users[-1]
        yield len(left)


def _read(
    deliveries: Sequence[Delivery], max_ahead: int
) -> tuple[dict[str, list[Event | Onboarding | Profile | Forget]], list[tuple[Delivery, str]]]:
    """What messages tell, by user and in their order, and those that can't be used, with the reason."""
    told: dict[str, list[Event | Onboarding | Profile | Forget]] = {}
    dead = []
    for delivery in deliveries:
        try:
            one = read_message(delivery.message)
            _refuse_future(one, delivery.accepted_at + max_ahead)
        except ValueError as error:
            dead.append((delivery, str(error)))
        else:
            told.setdefault(one.user_id, []).append(one)
    return told, dead


def _refuse_future(told: Event | Onboarding | Profile | Forget, latest: float) -> None:
    for moment in _MOMENTS.get(type(told), ()):
        value = getattr(told, moment)
        if value is not None and value > latest:
            raise ValueError(
                f"its {moment} is {value}, too far after the moment at which it was accepted; send seconds since 1970, "
                "and look at the sender's clock"
            )


def _addition(user_id: str, told: Sequence[Event | Onboarding | Profile | Forget]) -> Addition:
    """What is to be added: what was told after the user was last forgotten."""
    last = max((place for place, one in enumerate(told) if isinstance(one, Forget)), default=-1)
    kept = told[last + 1 :]
    events = [one for one in kept if isinstance(one, Event)]
    facts = tuple(fact_of(one) for one in kept if isinstance(one, Onboarding | Profile))
    return Addition(user_id, records_of(events), facts)
