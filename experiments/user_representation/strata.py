"""Established users by country, plan or gender, and tenure (§5.1.2): whom z_u serves how well."""

from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Int64

from experiments.user_representation.sources import People, Sources
from experiments.user_representation.tasks import Results
from urep_jax.core.types import SECONDS_PER_DAY
from urep_jax.data.moments import first_seen
from urep_jax.evaluation.by_user import ByUser

_TENURES = ((0, 90), (90, 180), (180, None))
"""Days since a user was there first: from, and up to, but not."""

_LEAST = 10
"""Users of a stratum whose mean is told."""


def by_stratum(sources: Sources, people: People, results: Results) -> Mapping[str, Mapping[str, ByUser]]:
    """Future listening's AUC of each stratum and representation, such as `plan/premium` and `z_u`.

    Strata of fewer than ten tested users are left out. Nothing is told where future listening wasn't asked for.
    """
    task = "future_listening/"
    found = {name.removeprefix(task): one["auc"] for name, one in results.items() if name.startswith(task)}
    if not found:
        return {}
    by_name = {name: {r: one.among(users) for r, one in found.items()} for name, users in _strata(sources, people)}
    return {name: own for name, own in by_name.items() if min(len(one.user) for one in own.values()) >= _LEAST}


def _strata(sources: Sources, people: People) -> Iterator[tuple[str, Int64[np.ndarray, "_"]]]:
    """Name and users of each stratum."""
    log, profiles, user = sources.log, sources.profiles, people.established.user
    for category in ("country", "plan", "gender"):
        for code, word in enumerate(profiles.values.get(category, [])):
            yield f"{category}/{word}", user[profiles.category[category][user] == code]
    # Who was there before the log begins has been there for longer than it tells, unless profiles do.
    days = (people.now - first_seen(log, profiles)[user]) // SECONDS_PER_DAY
    for first, last in _TENURES:
        told = f"{first} days or more" if last is None else f"{first} to {last - 1} days"
        yield f"tenure/{told}", user[(days >= first) & (days < (np.inf if last is None else last))]
