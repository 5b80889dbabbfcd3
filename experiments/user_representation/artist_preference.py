"""Whom users begin to follow in the next days (§4.1, §5.2.2, Table 3): with z_u, or with curated features instead."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from experiments.user_representation.representations import curated
from experiments.user_representation.sources import Sources
from experiments.user_representation.tasks import Answer, Trained
from experiments.user_representation.transfer import calibrated
from urep_jax.core.streams import numpy_stream
from urep_jax.core.types import SECONDS_PER_DAY
from urep_jax.evaluation.artist_preference import Follows, follow_pairs


def artist_preference(trained: Trained) -> Answer:
    """`artist_preference/<with|without|popularity>`: how well artists whom users begin to follow are told from others.

    The same classifier is given z_u (`with`) or features that one would curate for it (`without`). It learns from the
    users who train week by week; nothing is told of data without times of follows.
    """
    follows = _follows(trained.sources)
    if follows is None:
        return Answer()
    people, settings = trained.people, trained.settings
    asked = people.established_by_week
    drawn = follow_pairs(
        follows,
        asked.user,
        asked.time,
        settings.asked.days * SECONDS_PER_DAY,
        numpy_stream(settings.seed, "artist_preference"),
        most=settings.asked.most,
    )
    pairs = trained.pairs(drawn, asked)
    x = trained.chain.features.of(asked)
    vectors = {"with": trained.chain.z(x), "without": curated(trained.chain.features, x)}
    found = trained.classified("artist_preference", pairs, vectors, trained.artists)
    followers_A = np.zeros(len(trained.artists.known), np.int64)
    np.add.at(followers_A, follows.artist[follows.time < people.weekly.time.min()], 1)
    found["popularity"] = calibrated(pairs, lambda asked_P: np.log1p(followers_A[asked_P.item, None]))
    return Answer({f"artist_preference/{name}": results for name, results in found.items()})


def _follows(sources: Sources) -> Follows | None:
    """Who follows whom since when, by numbers; None if nobody tells, or not since when."""
    table = sources.tables.get("follows")
    if table is None or "timestamp" not in table.column_names:
        return None
    user = pc.index_in(table["user_id"], value_set=sources.log.sequence_ids)
    artist = pc.index_in(table["artist_id"], value_set=sources.profiles.artist_ids)
    known = pc.and_(pc.and_(pc.is_valid(user), pc.is_valid(artist)), pc.is_valid(table["timestamp"]))
    columns = (pc.cast(column.filter(known), pa.int64()) for column in (user, artist, table["timestamp"]))
    return Follows(*(column.to_numpy() for column in columns))
