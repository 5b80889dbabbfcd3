"""How well users are known the longer they have been there, through the fading of the onboarding (RQ2, §4.3)."""

import numpy as np

from experiments.user_representation.paper import DAYS
from experiments.user_representation.representations import Vectors
from experiments.user_representation.tasks import Answer, Results, Trained
from urep_jax.core.types import SECONDS_PER_DAY
from urep_jax.data.moments import Moments
from urep_jax.evaluation.future_listening import told_apart


def since_registration(trained: Trained) -> Answer:
    """`since_registration/<days>/<completed|not_completed>/<z_u|average>`: listening in the next days, from then on.

    One classifier for all of these days; the same users are asked about at several of them. The average is of what they
    listened to: at first of nothing. Nothing is told of data without new users.
    """
    people, settings = trained.people, trained.settings
    later = [
        Moments(people.new.user, people.new.time + days * SECONDS_PER_DAY).where(
            people.new.time + days * SECONDS_PER_DAY <= people.now
        )
        for days in DAYS
    ]
    asked, days_N = Moments.join(later), np.repeat(DAYS, [len(moments) for moments in later])
    if not len(asked):
        return Answer()
    drawn = trained.listened(asked, settings.asked.days * SECONDS_PER_DAY, "since_registration")
    pairs = trained.pairs(drawn, asked)
    vectors = trained.represented(asked)
    wanted: Vectors = {name: vectors[name] for name in ("z_u", "average") if name in vectors}
    completed_S = trained.sources.profiles.completed
    found: Results = {}
    row_P = pairs.test.user
    for name, odds_P in trained.odds("since_registration", pairs, wanted).items():
        for days in DAYS:
            for kind, told in (("completed", True), ("not_completed", False)):
                here_P = (days_N[row_P] == days) & (completed_S[asked.user[row_P]] == told)
                results = told_apart(odds_P[here_P], pairs.test.where(here_P), asked.user)
                # An interval wants two users.
                if len(results["auc"].user) > 1:
                    found[f"since_registration/{days}/{kind}/{name}"] = results
    return Answer(found)
