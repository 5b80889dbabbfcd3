"""Two towers, trained on what users went on to listen to: with z_u, curated features or average embeddings (§4.1)."""

import dataclasses
from functools import partial
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float32, Int64
from scipy.sparse import csr_array

from experiments.user_representation.items import scaled
from experiments.user_representation.representations import Vectors, averages, curated
from experiments.user_representation.sources import TEST, TRAIN, VALIDATION, People
from experiments.user_representation.tasks import Trained
from experiments.watch import WatchedFit
from urep_jax.baselines.play_counts import play_counts
from urep_jax.core.types import SECONDS_PER_DAY
from urep_jax.data.chosen_items import ChosenBatches
from urep_jax.data.moments import Moments
from urep_jax.evaluation.candidates import found_among
from urep_jax.evaluation.future_listening import future_items
from urep_jax.models import two_tower
from urep_jax.models.two_tower import TwoTowerConfig
from urep_jax.serving.neighbours import NONE, Neighbours, exact_neighbours
from urep_jax.training.objective import Params
from urep_jax.training.optimizers import adam
from urep_jax.training.two_tower import two_tower_objective

CANDIDATES = 100
"""Items that are found for each user."""

RECALL = f"recall@{CANDIDATES}"


@dataclasses.dataclass(frozen=True, eq=False)
class Week:
    """Users at moments, and what they listen to in the days that follow.

    Attributes:
        asked: users who train, week by week before everybody is asked; those who validate and test, then; and all users
            at `People.end`.
        train, validation, test, end: their rows.
        wanted: N x V, not 0 where the user listens to the item in the days that follow.
        heard: N x V, how often they have listened to it before.
    """

    asked: Moments
    train: slice
    validation: slice
    test: slice
    end: slice
    wanted: csr_array
    heard: csr_array


class Finders(NamedTuple):
    """Trained towers.

    Attributes:
        earlier: finds what users who train are given, by items as they were known before anybody is asked.
        now: finds what all others are given, by items as they are known when these are asked.
    """

    earlier: "Finder"
    now: "Finder"


@dataclasses.dataclass(frozen=True, eq=False)
class Finder:
    """Towers' vectors, by which the items nearest to users are found.

    Attributes:
        users: of each row of `Week.asked`.
        items: of each item.
        known: which items can be found: those that have any vector.
    """

    users: Float32[np.ndarray, "N D"]
    items: Float32[np.ndarray, "V D"]
    known: Int64[np.ndarray, "_"]

    def __call__(self, rows: slice, without: csr_array | None = None) -> Neighbours:
        """The candidates of some rows; items that `without` has for a row are out of the question."""
        out = None if without is None else without[rows][:, self.known]
        return self.numbered(exact_neighbours(self.users[rows], self.items[self.known], CANDIDATES, without=out))

    def numbered(self, found: Neighbours) -> Neighbours:
        """The log's numbers of what was found among the known items."""
        return found._replace(item=np.where(found.item == NONE, NONE, self.known[found.item]))


def the_week(trained: Trained) -> Week:
    """What candidates are learnt from, and judged by.

    Raises:
        ValueError: if nobody who trains was there a week before users are asked about.
    """
    log, people, seconds = trained.sources.log, trained.people, trained.settings.asked.days * SECONDS_PER_DAY
    end = people.end
    every_S = np.arange(log.num_sequences, dtype=np.int64)
    parts = [
        _earlier(people),
        *(people.of(people.established, part) for part in (VALIDATION, TEST)),
        Moments(every_S, np.full(len(every_S), end, np.int64)),
    ]
    stop = np.cumsum([len(part) for part in parts])
    train, validation, test, at_end = (slice(int(b) - len(part), int(b)) for b, part in zip(stop, parts, strict=True))
    asked = Moments.join(parts)
    wanted = future_items(log, asked.user, asked.time, seconds, where=trained.items.known)
    return Week(asked, train, validation, test, at_end, wanted, play_counts(log, asked.user, asked.time))


def _earlier(people: People) -> Moments:
    """Users who train, in the weeks before everybody is asked."""
    weekly = people.of(people.weekly, TRAIN)
    earlier = weekly.where(weekly.time < people.now)
    if not len(earlier):
        raise ValueError(
            "no user to train on was there a week before users are asked about; lower evaluation.established_days, or "
            "take a longer log"
        )
    return earlier


def users_of(trained: Trained, week: Week) -> Vectors:
    """What towers are given of users, each on one scale."""
    features = trained.chain.features
    x = features.of(week.asked)
    vectors = {"z_u": trained.chain.z(x), "curated": curated(features, x), "average": averages(features, x)}
    wanted = ("z_u", "curated", *trained.settings.asked.beside)
    # Without modalities, or windows, there is nothing to be averaged.
    return {name: scaled(of, week.train) for name, of in vectors.items() if name in wanted and of.shape[1]}


def earlier_items(trained: Trained) -> Float32[np.ndarray, "V I"]:
    """Items as they were known before anybody is asked: what is learnt from has no play in it that is asked about."""
    return trained.items.at(int(trained.people.weekly.time.min()))


def finders_of(trained: Trained, week: Week, name: str, users: Float32[np.ndarray, "N U"]) -> Finders:
    """Train towers on users' vectors, or go on where an earlier call stopped.

    Args:
        trained: the chain, and what it is asked with.
        week: what is learnt from.
        name: of the vectors.
        users: a vector for each row of `week.asked`.
    """
    settings, known = trained.settings.two_tower, np.flatnonzero(trained.items.known)
    earlier, now = earlier_items(trained), trained.items.at(trained.people.now)
    model = dataclasses.replace(settings.model, user_width=users.shape[1], item_width=trained.items.width)

    def finder(params: Params, items: Float32[np.ndarray, "V I"]) -> Finder:
        return Finder(*_embedded(params, users, items, model), known)

    def validate(params: Params) -> tuple[float, dict[str, float]]:
        found = finder(params, now)(week.validation)
        return found_among(found.item, week.wanted[week.validation], week.asked.user[week.validation])[RECALL].value, {}

    row_P, item_P = week.wanted[week.train].nonzero()
    ids = trained.sources.log.sequence_ids.take(week.asked.user)
    training = settings.training
    batches = ChosenBatches(
        row_P.astype(np.int64),
        item_P.astype(np.int64),
        users,
        earlier,
        ids,
        settings.block,
        training.batch_size,
        trained.settings.seed,
    )
    train = WatchedFit(trained.folder.path / "two_tower" / name, f"two towers by {name}", RECALL, trained.console)
    config = {"system": "user_representation", "model": dataclasses.asdict(model)}
    fitted = train(two_tower_objective(model), adam(training.learning_rate), batches, validate, training.fit, config)
    return Finders(finder(fitted.params, earlier), finder(fitted.params, now))


def _embedded(
    params: Params, users: Float32[np.ndarray, "N U"], items: Float32[np.ndarray, "V I"], model: TwoTowerConfig
) -> tuple[Float32[np.ndarray, "N D"], Float32[np.ndarray, "V D"]]:
    found: tuple[np.ndarray, np.ndarray] = jax.device_get(_towers(params, users, items, model))
    return found


@partial(jax.jit, static_argnames="model")
def _towers(params: Params, users: jax.Array, items: jax.Array, model: TwoTowerConfig) -> tuple[jax.Array, jax.Array]:
    return two_tower.user_vectors(params, users, model), two_tower.item_vectors(params, items, model)
