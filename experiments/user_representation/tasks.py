"""What all tasks on top of representations are given, and what they tell."""

import dataclasses
import functools
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64, Int64
from rich.console import Console

from experiments.folder import RunFolder
from experiments.user_representation import transfer
from experiments.user_representation.chain import Chain
from experiments.user_representation.components import Components
from experiments.user_representation.items import Items, scale_of, scaled, side_by_side
from experiments.user_representation.representations import Vectors, represent
from experiments.user_representation.settings import Settings
from experiments.user_representation.sources import TEST, TRAIN, VALIDATION, People, Sources
from experiments.user_representation.transfer import Classifier, Pairs, calibrated, classify
from experiments.watch import WatchedFit
from urep_jax.core.streams import numpy_stream
from urep_jax.data.datasets.streaming import StreamingConfig
from urep_jax.data.labelled_pairs import LabelledPairs
from urep_jax.data.moments import Moments
from urep_jax.data.plays_over_time import plays_over_time
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.future_listening import future_pairs, told_apart
from urep_jax.serving.preference import Read, save_read

Results = dict[str, Mapping[str, ByUser]]
"""Metrics by task and representation, such as `future_listening/z_u`."""


@dataclasses.dataclass(frozen=True, eq=False)
class Answer:
    """What a task tells.

    Attributes:
        results: what each user has a value of.
        numbers: what no user has alone, such as a correlation over users, by its name in `metrics.json`.
    """

    results: Results = dataclasses.field(default_factory=dict)
    numbers: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """A trained chain, and all that it is asked with.

    Attributes:
        sources: the data.
        people: whom it is asked about.
        chain: the chain.
        components: the principal components of what it learnt from.
        settings: the knobs.
        tasks: names of all that it is asked.
        folder: of the run.
        console: where progress is told.
        simulated: the simulated service that the data is of; None for any other.
    """

    sources: Sources
    people: People
    chain: Chain
    components: Components
    settings: Settings
    tasks: tuple[str, ...]
    folder: RunFolder
    console: Console
    simulated: StreamingConfig | None = None

    @functools.cached_property
    def items(self) -> Items:
        """What downstream models read of tracks."""
        plays = plays_over_time(self.sources.log, self.people.now)
        return side_by_side(self.chain.features.inputs.modalities, plays)

    @functools.cached_property
    def artists(self) -> Items:
        """What they read of artists."""
        profiles = self.sources.profiles
        return self.items.by(profiles.item_artist, len(profiles.artist_ids))

    @property
    def learnt_from(self) -> Moments:
        """Established users who train, when users are asked about."""
        return self.people.of(self.people.established, TRAIN)

    def represented(self, asked: Moments, *, new: bool = False) -> Vectors:
        """z_u of users at moments and what `evaluation.beside` names of `represent`."""
        vectors = represent(self.chain, self.components, asked, new=new)
        return {name: found for name, found in vectors.items() if name in ("z_u", *self.settings.asked.beside)}

    def listened(self, asked: Moments, seconds: int | Int64[np.ndarray, "N"], stream: str) -> LabelledPairs:
        """Tracks with a vector that users listen to in the `seconds` from their moments on, and others."""
        return future_pairs(
            self.sources.log,
            asked.user,
            asked.time,
            seconds,
            numpy_stream(self.settings.seed, stream),
            most=self.settings.asked.most,
            where=self.items.known,
        )

    def pairs(self, drawn: LabelledPairs, asked: Moments) -> Pairs:
        """Pairs by the part that their users belong to.

        Args:
            drawn: pairs of rows of `asked`.
            asked: who is asked about, and when.

        Raises:
            ValueError: if a part has none.
        """
        part_P = self.people.part[asked.user[drawn.user]]
        train, validation, test = (drawn.where(part_P == part) for part in (TRAIN, VALIDATION, TEST))
        for name, found in (("train", train), ("validate", validation), ("test", test)):
            if not len(found):
                raise ValueError(f"no user to {name} on listens to anything in the time that is asked about")
        return Pairs(train, validation, test, asked)

    def classified(
        self, task: str, pairs: Pairs, vectors: Vectors, items: Items | None = None
    ) -> dict[str, Mapping[str, ByUser]]:
        """How well one classifier tells pairs apart by each representation; `items` are tracks by default."""
        odds = self.odds(task, pairs, vectors, items)
        return {name: told_apart(odds_P, pairs.test, pairs.asked.user) for name, odds_P in odds.items()}

    def by_popularity(self, pairs: Pairs) -> Mapping[str, ByUser]:
        """How well pairs are told apart by how often tracks had been played when their users are asked about."""
        items, time = self.items.plays, pairs.asked.time
        return calibrated(pairs, lambda asked_P: items.before(time[asked_P.user], asked_P.item))

    def odds(
        self, task: str, pairs: Pairs, vectors: Vectors, items: Items | None = None
    ) -> dict[str, Float64[np.ndarray, "P"]]:
        """The log-odds that it gives to the pairs of tested users."""
        return {name: one.odds(pairs.test) for name, one in self.classifiers(task, pairs, vectors, items).items()}

    def classifiers(
        self, task: str, pairs: Pairs, vectors: Vectors, items: Items | None = None
    ) -> dict[str, Classifier]:
        """The classifier by each representation; one that an earlier task has trained isn't trained again."""
        items = self.items if items is None else items
        ids, found = self.sources.log.sequence_ids.take(pairs.asked.user), {}
        for name, of_users in vectors.items():
            path = self.folder.path / "transfer" / task / name
            train = WatchedFit(path, f"{task.replace('_', ' ')} by {name}", transfer.UNIT, self.console)
            learnt = np.unique(pairs.train.user)
            found[name] = classify(pairs, scaled(of_users, learnt), items, ids, self.settings, train)
            # What orders tracks by z_u can be put to use on its own.
            if name == "z_u" and items is self.items:
                mean, spread = scale_of(of_users, learnt)
                log = self.sources.log
                read = Read(
                    mean.astype(np.float32), spread, log.item_ids, items.at(self.people.now), self.chain.encoder.space
                )
                save_read(read, path / "reads")
        return found
