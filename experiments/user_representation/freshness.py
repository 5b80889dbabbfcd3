"""What it is worth that vectors are fresh: listening told by z_u of now, of an hour ago, and of days ago (§4.2)."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32, Float64, Int64

from experiments import figures
from experiments.user_representation.session_moments import SessionMoments, session_moments
from experiments.user_representation.sources import TEST
from experiments.user_representation.tasks import Answer, Results, Trained
from experiments.user_representation.transfer import Pairs
from urep_jax.data.labelled_pairs import LabelledPairs
from urep_jax.data.moments import Moments
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.future_listening import told_apart
from urep_jax.evaluation.movement import cosine_distance
from urep_jax.evaluation.paired import paired_difference
from urep_jax.metrics.group_mean import GroupMean

AGES: Mapping[str, int] = {"0s": 0, "1h": 3_600, "1d": 86_400, "3d": 3 * 86_400}
"""Seconds by which a vector is older than the moment: of near-real time, and of an hour, a day, and three days ago."""
FRESH = "0s"
HORIZONS = ("session", "hours")
"""What is predicted: the tracks of the session from the moment on, and those of the next hours."""
OWN = "own_classifier"
"""What is told by a classifier that learnt from vectors of the age itself."""


def freshness(trained: Trained) -> Answer:
    """`freshness/<group>/<session|hours>/<age>`: how well what follows is told by a z_u of that age.

    The moments and groups are those of `session_moments`; a vector of some age is made at the moment less that age,
    from nothing later. All ages are asked the same pairs, and tracks are known as of the moment. One classifier learns
    from fresh vectors and is asked with all of them, so that nothing but the vectors makes a difference. Who has only
    late vectors would learn from late ones: `own_classifier` is such a classifier of each age. Two trainings differ by
    chance, too, which intervals by users don't tell; `still` shows how far.

    `auc_over_fresh` are the differences on the same users, and `freshness/<group>/moved/<age>` tells how far z_u was
    from that of the moment, by the cosine.
    """
    found = session_moments(
        trained.sources, trained.people, trained.settings.asked, trained.items.vectors, trained.settings.seed
    )
    if not len(found.asked):
        return Answer()
    z_by_age = {age: _z(trained, aged(found.asked, seconds)) for age, seconds in AGES.items()}
    results = _moved(trained, found, z_by_age)
    horizons = {
        # Where several events have one time nothing may be left of a session.
        "session": np.maximum(found.until - found.asked.time, 1),
        "hours": np.full(len(found.asked), trained.settings.asked.hours * 3600),
    }
    for horizon, seconds_N in horizons.items():
        results |= _told(trained, found, horizon, seconds_N, z_by_age)
    numbers = _over_fresh(results)
    _draw(trained, results, numbers)
    return Answer(results, numbers)


def aged(asked: Moments, seconds: int) -> Moments:
    """The moments at which vectors are made that are so many seconds old when users are asked about."""
    return Moments(asked.user, asked.time - seconds)


def _z(trained: Trained, asked: Moments) -> Float32[np.ndarray, "N Z"]:
    return trained.chain.z(trained.chain.features.of(asked))


def _told(
    trained: Trained,
    found: SessionMoments,
    horizon: str,
    seconds_N: Int64[np.ndarray, "N"],
    z_by_age: Mapping[str, Float32[np.ndarray, "N Z"]],
) -> Results:
    """Every group's results at every age, by the classifier of fresh vectors and by that of the age."""
    asked, ages = found.asked, list(z_by_age)
    pairs = trained.pairs(trained.listened(asked, seconds_N, f"freshness/{horizon}"), asked)
    # The moments once for each age: vectors differ, and what is known of tracks doesn't.
    z_AxZ = np.concatenate(list(z_by_age.values()))
    every = Moments.join([asked] * len(ages))
    of_age = [_of_age(pairs, n, every) for n in range(len(ages))]
    odds: dict[str, Float64[np.ndarray, "P"]] = {}
    for age, own in zip(ages, of_age, strict=True):
        if age == FRESH:
            own = own._replace(test=LabelledPairs.join([one.test for one in of_age]))
        odds_P = trained.odds(f"freshness/{horizon}/{age}", own, {"z_u": z_AxZ})["z_u"]
        if age == FRESH:
            odds |= dict(zip(ages, np.split(odds_P, len(ages)), strict=True))
        else:
            odds[f"{age}/{OWN}"] = odds_P
    results: Results = {}
    for group, is_in_N in found.groups.items():
        in_P = is_in_N[pairs.test.user]
        test = pairs.test.where(in_P)
        # An interval wants two users.
        if len(np.unique(asked.user[test.user])) > 1:
            for age, odds_P in odds.items():
                results[f"freshness/{group}/{horizon}/{age}"] = told_apart(odds_P[in_P], test, asked.user)
    return results


def _of_age(pairs: Pairs, n: int, every: Moments) -> Pairs:
    """The same pairs, asked of vectors of the `n`-th age: of its rows among those of `every` age."""
    train, validation, test = (
        dataclasses.replace(one, user=one.user + n * len(pairs.asked))
        for one in (pairs.train, pairs.validation, pairs.test)
    )
    return Pairs(train, validation, test, every)


def _moved(trained: Trained, found: SessionMoments, z_by_age: Mapping[str, Float32[np.ndarray, "N Z"]]) -> Results:
    """How far z_u of each age is from that of the moment, of tested users."""
    tested_N = trained.people.part[found.asked.user] == TEST
    results: Results = {}
    for group, is_in_N in found.groups.items():
        kept_N = is_in_N & tested_N
        user = found.asked.user[kept_N]
        if len(np.unique(user)) < 2:
            continue
        for age, z_NxZ in z_by_age.items():
            if age != FRESH:
                far = cosine_distance(z_by_age[FRESH][kept_N], z_NxZ[kept_N])
                mean = GroupMean.from_batch(far, np.arange(len(far)), len(far), ~np.isnan(far))
                results[f"freshness/{group}/moved/{age}"] = {"distance": ByUser.from_cases(mean, user)}
    return results


def _over_fresh(results: Results) -> dict[str, float]:
    """How much more AUC is had at each age than with fresh vectors, on the same users: less than 0 is lost."""
    numbers: dict[str, float] = {}
    for name, found in results.items():
        task, group, horizon, age, *_ = name.split("/")
        if horizon in HORIZONS and age != FRESH:
            gain = paired_difference(found["auc"], results[f"{task}/{group}/{horizon}/{FRESH}"]["auc"])
            numbers |= {f"{name}/auc_over_fresh": gain.mean, f"{name}/auc_over_fresh_ci95": gain.ci95}
    return numbers


def _draw(trained: Trained, results: Results, numbers: Mapping[str, float]) -> None:
    """AUC over the age by group; bars are the intervals of the differences from fresh vectors."""
    panels: dict[str, dict[str, tuple[list[float], list[float]]]] = {horizon: {} for horizon in HORIZONS}
    for name in results:
        _, group, horizon, _age, *further = name.split("/")
        if horizon in HORIZONS and not further:
            values, halves = panels[horizon].setdefault(group, ([], []))
            values.append(results[name]["auc"].value)
            halves.append(numbers.get(f"{name}/auc_over_fresh_ci95", 0.0))
    titles = {"session": "the session", "hours": f"the next {trained.settings.asked.hours} hours"}
    if any(panels.values()):
        named = {titles[horizon]: own for horizon, own in panels.items()}
        figures.over_ages(named, list(AGES), "test AUC", trained.folder.figures / "freshness.png")
