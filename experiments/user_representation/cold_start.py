"""What new users listen to in their first hours (§5.2.1, Table 2)."""

import numpy as np

from experiments.user_representation.representations import represent
from experiments.user_representation.tasks import Results, Trained
from experiments.user_representation.transfer import calibrated
from urep_jax.baselines.demographic_popularity import demographic_popularity
from urep_jax.core.streams import numpy_stream
from urep_jax.evaluation.future_listening import future_pairs


def cold_start(trained: Trained) -> Results:
    """`cold_start/<completed|not_completed>/<r>`: as future listening, from the answers, or the registration, on.

    The onboarding is completed by those who picked artists and languages. Of users who picked no artists the average is
    nobody's: it knows their tracks only. Nothing is told of data without new users.
    """
    log, profiles, asked, settings = trained.sources.log, trained.sources.profiles, trained.people.new, trained.settings
    if not len(asked):
        return {}
    _, known_V = trained.items
    drawn = future_pairs(
        log,
        asked.user,
        asked.time,
        settings.asked.hours * 3600,
        numpy_stream(settings.seed, "cold_start"),
        most=settings.asked.most,
        where=known_V,
    )
    pairs = trained.pairs(drawn, asked.user)
    found = trained.classified("cold_start", pairs, represent(trained.chain, trained.components, asked, new=True))
    # Popularity is what established users who train have listened to: none of it is of a new user.
    train, counts = trained.learnt_from, trained.training_plays
    plays_V = np.log1p(counts.sum(axis=0))
    found["popularity"] = calibrated(pairs, lambda asked_P: plays_V[asked_P.item])
    group_S = _demographic(trained)
    found["demographic_popularity"] = calibrated(
        pairs,
        lambda asked_P: demographic_popularity(
            counts, group_S[train.user], group_S[asked.user[asked_P.user]], asked_P.item
        ),
    )
    picked = (np.diff(profiles.artist_offsets) > 0) & (np.diff(profiles.language_offsets) > 0)
    status = {"completed": np.flatnonzero(picked), "not_completed": np.flatnonzero(~picked)}
    results = {
        f"cold_start/{kind}/{name}": {metric: result.among(users) for metric, result in of_all.items()}
        for kind, users in status.items()
        for name, of_all in found.items()
    }
    # An interval wants two users.
    return {name: of_kind for name, of_kind in results.items() if len(of_kind["auc"].user) > 1}


def _demographic(trained: Trained) -> np.ndarray:
    """Each user's country and decade of age, as a number; -1 where the country isn't known."""
    profiles = trained.sources.profiles
    decade_S = np.nan_to_num(profiles.age // 10, nan=0.0).astype(np.int32)
    country_S = profiles.category.get("country", np.zeros(len(decade_S), np.int32))
    return np.where(country_S >= 0, country_S * (decade_S.max(initial=0) + 1) + decade_S, -1)
