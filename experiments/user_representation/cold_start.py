"""What new users listen to in their first hours (§5.2.1, Table 2)."""

import dataclasses

import numpy as np

from experiments.user_representation.sources import TRAIN
from experiments.user_representation.tasks import Answer, Trained
from experiments.user_representation.transfer import Pairs, calibrated
from urep_jax.baselines.demographic_popularity import demographic_popularity
from urep_jax.baselines.play_counts import play_counts
from urep_jax.core.types import SECONDS_PER_DAY
from urep_jax.data.labelled_pairs import LabelledPairs
from urep_jax.data.moments import Moments


def cold_start(trained: Trained) -> Answer:
    """`cold_start/<completed|not_completed>/<r>`: as future listening, from the answers, or the registration, on.

    The onboarding is completed by those who picked artists and languages. Of users who picked no artists the average is
    nobody's: it knows their tracks only. Nothing is told of data without new users.
    """
    profiles, asked, settings = trained.sources.profiles, trained.people.new, trained.settings
    if not len(asked):
        return Answer()
    drawn = trained.listened(asked, settings.asked.hours * 3600, "cold_start")
    pairs = trained.pairs(drawn, asked)
    # New users are few: the one classifier learns from their first days, and from what established ones go for as well.
    days, established = settings.asked.days * SECONDS_PER_DAY, trained.learnt_from
    learning = trained.listened(asked, days, "cold_start/days")
    learning = learning.where(trained.people.part[asked.user[learning.user]] == TRAIN)
    known = trained.listened(established, days, "cold_start/established")
    known = dataclasses.replace(known, user=known.user + len(asked))
    everybody = Moments.join([asked, established])
    both = Pairs(LabelledPairs.join([learning, known]), pairs.validation, pairs.test, everybody)
    ours = trained.represented(asked, new=True)
    theirs = trained.represented(established)
    vectors = {name: np.concatenate([of_new, theirs[name]]) for name, of_new in ours.items()}
    found = trained.classified("cold_start", both, vectors)
    found["popularity"] = trained.by_popularity(pairs)
    # What established users who train have listened to: none of it is of a user who validates or tests.
    train, group_S = trained.learnt_from, _demographic(trained)
    counts = play_counts(trained.sources.log, train.user, train.time)
    found["demographic_popularity"] = calibrated(
        pairs,
        lambda asked_P: demographic_popularity(
            counts, group_S[train.user], group_S[asked.user[asked_P.user]], asked_P.item
        )[:, None],
    )
    status = {"completed": np.flatnonzero(profiles.completed), "not_completed": np.flatnonzero(~profiles.completed)}
    results = {
        f"cold_start/{kind}/{name}": {metric: result.among(users) for metric, result in of_all.items()}
        for kind, users in status.items()
        for name, of_all in found.items()
    }
    # An interval wants two users.
    return Answer({name: of_kind for name, of_kind in results.items() if len(of_kind["auc"].user) > 1})


def _demographic(trained: Trained) -> np.ndarray:
    """Each user's country and decade of age, as a number; -1 where the country isn't known."""
    profiles = trained.sources.profiles
    decade_S = np.nan_to_num(profiles.age // 10, nan=0.0).astype(np.int32)
    country_S = profiles.category.get("country", np.zeros(len(decade_S), np.int32))
    return np.where(country_S >= 0, country_S * (decade_S.max(initial=0) + 1) + decade_S, -1)
