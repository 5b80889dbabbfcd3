"""`portrait`: what is known of one user, for people to look at."""

import numpy as np

from urep_jax.core.types import Feedback
from urep_jax.serving.http.answers import Heard, Move, Near, User
from urep_jax.serving.online.models import Models
from urep_jax.serving.online.near import nearest_to
from urep_jax.serving.online.parts import UserState
from urep_jax.serving.online.states import moments_of, tables_of

_RECENT = 50
"""Events that are shown."""

_NEAR = 10
"""Artists that are shown."""

_MOVES = 20
"""Moments at which the vector is shown."""


def portrait(user_id: str, state: UserState, models: Models) -> User:
    """What is known of a user.

    How the vector moved is made anew from the events: what it was at a moment hangs on nothing that came later.

    Args:
        user_id: whose.
        state: all that is known.
        models: that are served.
    """
    categories = models.users.encoder.features.categories
    tables = tables_of([state], categories)
    (person,), answers = tables["users"].to_pylist(), tables["onboarding"].to_pylist()
    picked = answers[0] if answers else {}
    return User(
        user_id,
        len(state.records),
        _heard(models, state.records[-_RECENT:][::-1]),
        picked.get("artists") or [],
        picked.get("languages") or [],
        {name: person[name] for name in categories if person[name] is not None},
        models.space_id,
        _near(models, state),
        _moves(models, state),
        models.spaces,
    )


def _near(models: Models, state: UserState) -> list[Near]:
    """Artists near the mean of what was heard, in the space of the first modality."""
    taste = models.users.taste(state)
    if taste is None:
        return []
    return [Near(artist, score) for artist, score in nearest_to(models.users.encoder.features.artists[0], taste, _NEAR)]


def _moves(models: Models, state: UserState) -> list[Move]:
    """The vector after each of the latest events, and at the latest moment."""
    times = state.records["time"]
    moment_N = np.unique(np.append(times[-_MOVES + 1 :] + 1, moments_of([state])))
    z_NxZ = models.users.encode_at(state, moment_N)
    unit_NxZ = z_NxZ / np.maximum(np.linalg.norm(z_NxZ, axis=1, keepdims=True), 1e-12)
    before = [None, *np.sum(unit_NxZ[1:] * unit_NxZ[:-1], axis=1).tolist()]
    latest = (unit_NxZ @ unit_NxZ[-1]).tolist()
    events = np.searchsorted(times, moment_N).tolist()
    return [Move(*move) for move in zip(moment_N.tolist(), events, before, latest, strict=True)][::-1]


def _heard(models: Models, records: np.ndarray) -> list[Heard]:
    """Events as people read them."""
    items, stations = models.items.names(records["item"]), models.stations.names(records["station"])
    return [
        Heard(
            int(record["time"]),
            item,
            Feedback(int(record["feedback"])).word,
            station,
            None if np.isnan(record["played_ratio"]) else float(record["played_ratio"]),
        )
        for record, item, station in zip(records, items, stations, strict=True)
    ]
