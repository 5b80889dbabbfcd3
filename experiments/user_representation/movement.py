"""How far z_u moves when taste does, and how still it stays otherwise (§4.2)."""

import numpy as np
from jaxtyping import Bool, Float64
from scipy.sparse import csr_array

from experiments.user_representation.item_groups import artists_of
from experiments.user_representation.representations import Vectors
from experiments.user_representation.tasks import Answer, Results, Trained
from urep_jax.baselines.play_counts import play_counts
from urep_jax.core.streams import numpy_stream
from urep_jax.core.types import SECONDS_PER_DAY
from urep_jax.data.moments import Moments, established_users
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.movement import cosine_distance, rank_correlation

BACK = (7, 28, 84)
"""Days before users are asked about at which they are looked at, too."""

_WINDOW = 28 * SECONDS_PER_DAY
"""Of listening that is compared with the listening of another time."""


def movement(trained: Trained) -> Answer:
    """`movement/<days>/<z_u|average>/<distance|least_moved|most_moved|correlation>`: how far vectors have moved.

    Of users who were established so many days before they are asked about: the cosine distance between what they are
    and were, its mean over the quarter whose listening moved least and over that whose listening moved most, and
    Spearman's correlation of both movements over users. Listening moves by the cosine distance between the plays of
    artists in the four weeks before either moment; who played nothing in one of them counts for `distance` only. Where
    nobody tells whose tracks are, they stand for themselves. `movement/others/<r>/distance` is how far users are from a
    random other one: what far is. Days are left out whose earlier four weeks begin before the log does.
    """
    people, log = trained.people, trained.sources.log
    user, vectors = people.established.user, _vectors(trained, people.established)
    rng = numpy_stream(trained.settings.seed, "movement")
    other_N = (np.arange(len(user)) + rng.integers(1, len(user), len(user))) % len(user)
    results: Results = {
        f"movement/others/{name}": {"distance": _by_user(user, cosine_distance(of_users, of_users[other_N]))}
        for name, of_users in vectors.items()
    }
    numbers: dict[str, float] = {}
    for days in BACK:
        then = people.now - days * SECONDS_PER_DAY
        if then - _WINDOW < log.timestamp.min():
            continue
        earlier = established_users(log, trained.sources.profiles, then, days=trained.settings.asked.established_days)
        now_U, then_U = np.isin(user, earlier.user), np.isin(earlier.user, user)
        # An interval wants two users.
        if now_U.sum() < 2:
            continue
        moments = people.established.where(now_U), earlier.where(then_U)
        listening_U = cosine_distance(*(_listening(trained, asked) for asked in moments))
        listens_U = ~np.isnan(listening_U)
        for name, before_UxD in _vectors(trained, moments[1]).items():
            moved_U, key = cosine_distance(vectors[name][now_U], before_UxD), f"movement/{days}/{name}"
            results[key] = of_key = {"distance": _by_user(moments[0].user, moved_U)}
            both_U = listens_U & ~np.isnan(moved_U)
            if not both_U.any():
                continue
            low, high = np.quantile(listening_U[both_U], (0.25, 0.75))
            for kind, quarter_U in (("least", listening_U <= low), ("most", listening_U >= high)):
                of_key |= {f"{kind}_moved": _by_user(moments[0].user, moved_U, both_U & quarter_U)}
            found = rank_correlation(moved_U[both_U], listening_U[both_U])
            numbers |= {f"{key}/correlation": found.value, f"{key}/correlation_ci95": found.ci95}
    return Answer(results, numbers)


def _vectors(trained: Trained, asked: Moments) -> Vectors:
    vectors = trained.represented(asked)
    return {name: vectors[name] for name in ("z_u", "average") if name in vectors}


def _listening(trained: Trained, asked: Moments) -> csr_array:
    """Plays of each artist in the four weeks before a moment: U x A, or U x V where nobody tells of artists."""
    log = trained.sources.log
    plays = play_counts(log, asked.user, asked.time) - play_counts(log, asked.user, asked.time - _WINDOW)
    return csr_array(plays @ artists_of(trained.sources)) if len(trained.sources.profiles.artist_ids) else plays


def _by_user(user: np.ndarray, value: Float64[np.ndarray, "U"], where: Bool[np.ndarray, "U"] | None = None) -> ByUser:
    """Of users who have a value."""
    kept = ~np.isnan(value) if where is None else where & ~np.isnan(value)
    return ByUser(user[kept], value[kept])
