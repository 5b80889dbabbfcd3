"""Whom users begin to follow in the next days (§4.1, §5.2.2, Table 3): with z_u, or with curated features instead."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int64

from experiments.user_representation.representations import Vectors, curated
from experiments.user_representation.sources import Sources
from experiments.user_representation.tasks import Answer, Trained
from experiments.user_representation.transfer import Pairs, calibrated
from urep_jax.core.streams import numpy_stream
from urep_jax.core.types import SECONDS_PER_DAY
from urep_jax.evaluation.artist_preference import Follows, follow_pairs

TASK = "artist_preference"


class Question(NamedTuple):
    """What the classifier is asked.

    Attributes:
        follows: who follows whom since when.
        pairs: users and artists whom they begin to follow, and others.
        vectors: of the users: z_u (`with`), and features that one would curate for this (`without`).
    """

    follows: Follows
    pairs: Pairs
    vectors: Vectors


def artist_preference(trained: Trained) -> Answer:
    """`artist_preference/<with|without|popularity>`: how well artists whom users begin to follow are told from others.

    The same classifier is given z_u (`with`) or features that one would curate for it (`without`). It learns from the
    users who train week by week; nothing is told of data without times of follows.
    """
    question = asked_of(trained)
    if question is None:
        return Answer()
    follows, pairs, vectors = question
    found = trained.classified(TASK, pairs, vectors, trained.artists)
    followers_A = followers(trained, follows, int(trained.people.weekly.time.min()))
    found["popularity"] = calibrated(pairs, lambda asked_P: np.log1p(followers_A[asked_P.item, None]))
    return Answer({f"{TASK}/{name}": results for name, results in found.items()})


def asked_of(trained: Trained) -> Question | None:
    """Whom users begin to follow in the days from their moments on; None if nobody tells, or not since when."""
    follows = _follows(trained.sources)
    if follows is None:
        return None
    people, settings = trained.people, trained.settings
    asked = people.established_by_week
    drawn = follow_pairs(
        follows,
        asked.user,
        asked.time,
        settings.asked.days * SECONDS_PER_DAY,
        numpy_stream(settings.seed, TASK),
        most=settings.asked.most,
    )
    x = trained.chain.features.of(asked)
    vectors = {"with": trained.chain.z(x), "without": curated(trained.chain.features, x)}
    return Question(follows, trained.pairs(drawn, asked), vectors)


def followers(trained: Trained, follows: Follows, time: int) -> Int64[np.ndarray, "A"]:
    """How many follow each artist before a time."""
    return np.bincount(follows.artist[follows.time < time], minlength=len(trained.artists.known))


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
