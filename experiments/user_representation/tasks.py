"""What all tasks on top of representations are given, and what they tell."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int
from rich.console import Console
from scipy.sparse import csr_array

from experiments.user_representation import transfer
from experiments.user_representation.chain import Chain
from experiments.user_representation.components import Components
from experiments.user_representation.representations import Vectors
from experiments.user_representation.settings import Settings
from experiments.user_representation.sources import TEST, TRAIN, VALIDATION, People, Sources
from experiments.user_representation.transfer import Pairs, classify, scaled
from experiments.watch import WatchedFit
from urep_jax.baselines.play_counts import play_counts
from urep_jax.core.streams import numpy_stream
from urep_jax.data.labelled_pairs import LabelledPairs
from urep_jax.data.moments import Moments
from urep_jax.data.user_features.profiles import NOT_KNOWN
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.future_listening import future_pairs, told_apart

Results = dict[str, Mapping[str, ByUser]]
"""Metrics by task and representation, such as `future_listening/z_u`."""


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """A trained chain, and all that it is asked with.

    Attributes:
        sources: the data.
        people: whom it is asked about.
        chain: the chain.
        components: the principal components of what it learnt from.
        settings: the knobs.
        folder: of the run.
        console: where progress is told.
    """

    sources: Sources
    people: People
    chain: Chain
    components: Components
    settings: Settings
    folder: Path
    console: Console

    @functools.cached_property
    def items(self) -> tuple[Float32[np.ndarray, "V I"], Bool[np.ndarray, "V"]]:
        """What classifiers read of items, all their vectors side by side and how often they were played; and which
        items have any vector.

        Plays, log(1 + plays), are those of `People.before_all`.
        """
        aligned = self.chain.features.inputs.modalities
        before = self.people.before_all
        plays_V = play_counts(self.sources.log, before.user, before.time).sum(axis=0)
        columns = [scaled(np.log1p(plays_V)[:, None])]
        for one in aligned:
            vectors = scaled(one.vectors, np.flatnonzero(one.known))
            columns += [np.where(one.known[:, None], vectors, 0), one.known[:, None]]
        return np.concatenate(columns, axis=1).astype(np.float32), np.any([one.known for one in aligned], axis=0)

    @functools.cached_property
    def artists(self) -> Float32[np.ndarray, "A I"]:
        """What classifiers read of artists: the mean over their tracks; zeros where no track has a vector."""
        vectors, known_V = self.items
        artist_V = self.sources.profiles.item_artist
        has_V = np.flatnonzero(known_V & (artist_V != NOT_KNOWN))
        shape = (len(self.sources.profiles.artist_ids), len(known_V))
        by_track = csr_array((np.ones(len(has_V), np.float32), (artist_V[has_V], has_V)), shape=shape)
        tracks_A = np.maximum(by_track.sum(axis=1), 1.0)
        return np.asarray(by_track @ vectors / tracks_A[:, None], np.float32)

    @property
    def learnt_from(self) -> Moments:
        """Established users who train, when users are asked about."""
        return self.people.of(self.people.established, TRAIN)

    @functools.cached_property
    def training_plays(self) -> csr_array:
        """How often each of them had listened to each item then."""
        train = self.learnt_from
        return play_counts(self.sources.log, train.user, train.time)

    def listened(self, asked: Moments, seconds: int, stream: str) -> LabelledPairs:
        """Tracks with a vector that users listen to in the `seconds` from their moments on, and others."""
        return future_pairs(
            self.sources.log,
            asked.user,
            asked.time,
            seconds,
            numpy_stream(self.settings.seed, stream),
            most=self.settings.asked.most,
            where=self.items[1],
        )

    def pairs(self, drawn: LabelledPairs, user: Int[np.ndarray, "N"]) -> Pairs:
        """Pairs by the part that their users belong to.

        Raises:
            ValueError: if a part has none.
        """
        part_P = self.people.part[user[drawn.user]]
        train, validation, test = (drawn.where(part_P == part) for part in (TRAIN, VALIDATION, TEST))
        for name, found in (("train", train), ("validate", validation), ("test", test)):
            if not len(found):
                raise ValueError(f"no user to {name} on listens to anything in the time that is asked about")
        return Pairs(train, validation, test, user)

    def classified(
        self, task: str, pairs: Pairs, vectors: Vectors, items: Float32[np.ndarray, "V I"] | None = None
    ) -> dict[str, Mapping[str, ByUser]]:
        """How well one classifier tells pairs apart by each representation; `items` are tracks by default."""
        odds = self.odds(task, pairs, vectors, items)
        return {name: told_apart(odds_P, pairs.test, pairs.user) for name, odds_P in odds.items()}

    def odds(
        self, task: str, pairs: Pairs, vectors: Vectors, items: Float32[np.ndarray, "V I"] | None = None
    ) -> dict[str, Float64[np.ndarray, "P"]]:
        """The log-odds that it gives to the pairs of tested users."""
        items = self.items[0] if items is None else items
        ids = self.sources.log.sequence_ids.take(pairs.user)
        found = {}
        for name, of_users in vectors.items():
            path = self.folder / "transfer" / task / name
            train = WatchedFit(path, f"{task.replace('_', ' ')} by {name}", transfer.UNIT, self.console)
            of_users = scaled(of_users, np.unique(pairs.train.user))
            found[name] = classify(pairs, of_users, items, ids, self.settings, train)
        return found
