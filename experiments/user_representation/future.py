"""What established users listen to in the next days (§5.2.1, Table 1)."""

import importlib.util

from experiments.user_representation.tasks import Answer, Trained
from urep_jax.baselines.lightfm import lightfm_vectors
from urep_jax.baselines.nmf import nmf_vectors
from urep_jax.baselines.play_counts import play_counts
from urep_jax.core.types import SECONDS_PER_DAY

_SWEEPS = 30
"""Of the factorisation; further ones change little."""
_EPOCHS = 3
"""Of LightFM: users who train are there once for each of their weeks."""


def future_listening(trained: Trained) -> Answer:
    """`future_listening/<r>`: how well tracks that users listen to are told from others, by each representation."""
    log, asked, settings = trained.sources.log, trained.people.established_by_week, trained.settings
    drawn = trained.listened(asked, settings.asked.days * SECONDS_PER_DAY, "future_listening")
    pairs = trained.pairs(drawn, asked)
    vectors, beside = trained.represented(asked), settings.asked.beside
    counts = play_counts(log, asked.user, asked.time)
    if "lightfm" in beside and importlib.util.find_spec("lightfm"):
        vectors["lightfm"] = lightfm_vectors(counts, width=settings.model.width, seed=settings.seed, epochs=_EPOCHS)
    if "nmf" in beside:
        vectors["nmf"] = nmf_vectors(counts, width=settings.model.width, seed=settings.seed, sweeps=_SWEEPS)
    found = trained.classified("future_listening", pairs, vectors)
    found["popularity"] = trained.by_popularity(pairs)
    return Answer({f"future_listening/{name}": results for name, results in found.items()})
