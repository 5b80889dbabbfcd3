"""Users in the plane, near to each other where their z_u are (Fig. 7)."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array
from sklearn.manifold import TSNE

from experiments import figures
from experiments.user_representation.item_groups import artists_of, countries_of, genres_of, most_played
from experiments.user_representation.tasks import Answer, Trained
from urep_jax.baselines.play_counts import play_counts
from urep_jax.core.streams import numpy_stream
from urep_jax.data.moments import Moments

MOST = 2_000
"""Users that are drawn at most."""


def user_map(trained: Trained) -> Answer:
    """Draws `figures/map.png`: t-SNE of established users' z_u, coloured by a cluster that z_u isn't told.

    That is the country of the artists that a user listened to most, or the genre where nobody tells of countries, or
    none. Vectors are brought to length 1, so that near is what it is to `clusters`: by the cosine. The numbers behind
    it go to `figures/map.csv`: `user_id`, `x`, `y` and `cluster`. It tells no metric.
    """
    asked, seed = trained.people.established, trained.settings.seed
    if len(asked) > MOST:
        drawn = numpy_stream(seed, "map").choice(len(asked), MOST, replace=False)
        asked = asked.where(np.isin(np.arange(len(asked)), drawn))
    z_NxZ = trained.chain.z(trained.chain.features.of(asked))
    z_NxZ = z_NxZ / np.maximum(np.linalg.norm(z_NxZ, axis=1, keepdims=True), 1e-12)
    # The usual perplexity, but it must be smaller than what there is.
    perplexity = min(30.0, (len(asked) - 1) / 3)
    init = "pca" if z_NxZ.shape[1] > 1 else "random"
    with trained.console.status("drawing the map of users"):
        place_Nx2 = TSNE(init=init, perplexity=perplexity, random_state=seed).fit_transform(z_NxZ)
    title, cluster_N = _clusters(trained, asked)
    figures.scattered(place_Nx2, cluster_N, title, trained.folder.figures / "map.png")
    ids = trained.sources.log.sequence_ids.take(asked.user).to_pylist()
    rows = [(name, x, y, cluster) for name, (x, y), cluster in zip(ids, place_Nx2, cluster_N, strict=True)]
    trained.folder.write_table("map.csv", ("user_id", "x", "y", "cluster"), rows)
    return Answer()


def _clusters(trained: Trained, asked: Moments) -> tuple[str, Sequence[str]]:
    """What clusters are, and each user's; empty for users who have none."""
    sources = trained.sources
    plays = play_counts(sources.log, asked.user, asked.time)
    countries = countries_of(sources) if len(sources.profiles.artist_ids) else None
    if countries is not None:
        by_country = csr_array(plays @ artists_of(sources) @ countries.members)
        return "country of most listened artists", _most(by_country, countries.names)
    genres = genres_of(sources)
    if genres is not None:
        return "most listened genre", _most(csr_array(plays @ genres.members), genres.names)
    return "", [""] * len(asked)


def _most(plays: csr_array, names: Sequence[str]) -> list[str]:
    """The name of what each row has most of."""
    first = most_played(plays, 1)
    found = [""] * first.shape[0]
    for row, column in zip(*first.nonzero(), strict=True):
        found[row] = names[column]
    return found
