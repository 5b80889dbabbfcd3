"""An A/B test of the artist-preference model, with curated features and with z_u, on a simulated service (§5.2.2)."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow.compute as pc
from jaxtyping import Bool, Float32, Float64, Int64

from experiments.user_representation.artist_preference import TASK, Question, asked_of, followers
from experiments.user_representation.item_groups import artists_of
from experiments.user_representation.sources import TEST
from experiments.user_representation.tasks import Answer, Results, Trained
from experiments.user_representation.transfer import Classifier
from urep_jax.baselines.play_counts import play_counts
from urep_jax.core.streams import numpy_stream
from urep_jax.data.datasets.streaming import StreamingConfig
from urep_jax.data.datasets.streaming.tables import names
from urep_jax.evaluation.arms import detectable, difference_of_arms, drawn_test, power, share_told_apart
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.paired import paired_difference
from urep_jax.models import autoencoder, preference
from urep_jax.models.preference import PreferenceConfig
from urep_jax.simulation.streaming import make_streaming_world
from urep_jax.simulation.streaming.keys import streaming_keys
from urep_jax.simulation.streaming.shown import follow_chances
from urep_jax.training.objective import Params
from urep_jax.training.operations import operations

SHOWN = 10
"""Artists that a user is shown."""

TESTS = 1_000
"""Tests whose users are divided anew, of each two arms."""

MODELS: Mapping[str, str] = {"z_u": "with", "curated": "without"}
"""The arms that are tested, and what the artist-preference model is called in them."""

TESTED = {"aa": ("curated", "curated"), "z_u_curated": ("z_u", "curated"), "z_u_popularity": ("z_u", "popularity")}
"""Which arms are tested against each other again and again: one against itself, both, and one against a simple rule."""

COSTS = {"features": "numbers of a user", "bytes": "bytes of a user", "operations": "operations for a user"}
"""What serving costs on any machine, and what a person is told of it."""

LEAST = 20
"""Users of whom a test is told: with fewer, an arm might be left with one of them, or none."""

_TIMED = 200
"""Users whose answers are timed, at most."""

_BYTES = np.dtype(np.float32).itemsize


class Audience(NamedTuple):
    """Who is shown artists, and what may be shown.

    Attributes:
        row: of each user among those that the model is asked about.
        user: the log's numbers.
        may: which artists a user may be shown: those with a vector whom they neither follow nor have listened to.
    """

    row: Int64[np.ndarray, "U"]
    user: Int64[np.ndarray, "U"]
    may: Bool[np.ndarray, "U A"]


def ab_test(trained: Trained) -> Answer:
    """`ab_test/<z_u|curated|popularity|random|oracle>/follows`: how many of ten artists shown a tested user follows.

    Each arm orders the artists whom a user neither follows nor has listened to, and shows ten; what comes of it is
    known of the simulated service (`simulation.streaming.shown`), so that these are expectations, every user's under
    every arm. `oracle` orders by that truth, `popularity` by followers. Users with fewer than ten such artists are left
    out.

    - `ab_test/paired/<difference|detectable>`: z_u over curated on the same users, as only a simulation can have it,
      and the difference that would be told from none in four of five cases.
    - `ab_test/randomised/<z_u|curated|difference|detectable|power>`: users divided into two arms, and follows drawn, as
      a service would run it, once; Welch's interval. The power is that of telling the paired difference from none.
    - `ab_test/told_apart/<aa|z_u_curated|z_u_popularity>`: the share of a thousand such tests in which two arms are
      told apart; `aa` are curated features in both.
    - `ab_test/cost/<z_u|curated>/<features|bytes|operations|seconds>`: numbers and bytes of a user, operations of the
      matrix products in ordering all artists for a user, and seconds of doing that for a thousand, which hang on the
      machine. `ab_test/cost/z_u/encoder_operations` are those of making z_u from x_u, once for all models.

    Nothing is told of data that isn't simulated: no log holds what would have been followed.
    """
    simulated = trained.simulated
    question = None if simulated is None else asked_of(trained)
    if simulated is None or question is None:
        return Answer()
    audience = _audience(trained, question)
    if len(audience.user) < LEAST:
        return Answer()
    found = trained.classifiers(TASK, question.pairs, question.vectors, trained.artists)
    models = {name: found[as_told] for name, as_told in MODELS.items()}
    chances_UxA = _truth(trained, simulated, audience.user)
    rng = numpy_stream(trained.settings.seed, "ab_test/random")
    scores: dict[str, np.ndarray] = {}
    numbers: dict[str, float] = {}
    for name, one in models.items():
        served = _served(one, trained.people.now)
        scores[name] = np.array([served(one.users[row]) for row in audience.row])
        numbers |= {f"ab_test/cost/{name}/{what}": value for what, value in _cost(one, served, trained).items()}
    numbers["ab_test/cost/z_u/encoder_operations"] = float(_encoder_operations(trained))
    followers_A = followers(trained, question.follows, trained.people.now)
    scores |= {
        "popularity": np.broadcast_to(followers_A, chances_UxA.shape),
        "random": rng.random(chances_UxA.shape),
        "oracle": chances_UxA,
    }
    # What each arm would show, by the chance that it is followed.
    arms = {
        name: np.take_along_axis(chances_UxA, _shown(of_arm, audience.may), axis=1) for name, of_arm in scores.items()
    }
    results: Results = {
        f"ab_test/{name}": {"follows": ByUser(audience.user, chance_UxK.sum(axis=1))}
        for name, chance_UxK in arms.items()
    }
    ids = trained.sources.log.sequence_ids.take(audience.user).to_pylist()
    return Answer(results, numbers | _tested(arms, results, ids, trained.settings.seed))


def _audience(trained: Trained, question: Question) -> Audience:
    """Tested users, now, who may be shown enough."""
    people, asked = trained.people, question.pairs.asked
    row_U = np.flatnonzero(people.part[asked.user] == TEST)
    user_U = asked.user[row_U]
    heard_UxA = (play_counts(trained.sources.log, user_U, asked.time[row_U]) @ artists_of(trained.sources)).toarray()
    may_UxA = trained.artists.known & (heard_UxA == 0)
    follows = question.follows
    theirs_W = (follows.time < people.now) & np.isin(follows.user, user_U)
    # A user is asked about once, in order of their numbers.
    may_UxA[np.searchsorted(user_U, follows.user[theirs_W]), follows.artist[theirs_W]] = False
    kept_U = may_UxA.sum(axis=1) >= SHOWN
    return Audience(row_U[kept_U], user_U[kept_U], may_UxA[kept_U])


def _truth(trained: Trained, simulated: StreamingConfig, user: Int64[np.ndarray, "U"]) -> Float64[np.ndarray, "U A"]:
    """The chance that each user follows each artist who is shown now, by the world that made the log."""
    params, profiles = simulated.params, trained.sources.profiles
    world = make_streaming_world(params, simulated.world)
    ids, artist_ids = names("user", np.arange(params.num_users)), names("artist", np.arange(params.num_artists))
    number_U = pc.index_in(trained.sources.log.sequence_ids.take(user), value_set=ids).to_numpy()
    number_A = pc.index_in(profiles.artist_ids, value_set=artist_ids).to_numpy()
    users = jax.tree.map(lambda x: np.asarray(x)[number_U], world.users)
    seconds = jnp.int32(trained.people.now - params.start)
    keys = streaming_keys(simulated.world)
    chances_UxA = follow_chances(params, world.catalogue, users, seconds, keys=keys)
    return np.asarray(chances_UxA, np.float64)[:, number_A]


def _shown(scores: np.ndarray, may: Bool[np.ndarray, "U A"]) -> Int64[np.ndarray, "U K"]:
    """The artists with the greatest scores among those that may be shown, greatest first."""
    return np.argsort(np.where(may, -scores.astype(np.float64), np.inf), axis=1, kind="stable")[:, :SHOWN]


def _tested(
    arms: Mapping[str, Float64[np.ndarray, "U K"]], results: Results, ids: list[str], seed: int
) -> dict[str, float]:
    """The test as it would be run, once and again and again, and what it can tell."""
    paired = paired_difference(results["ab_test/z_u"]["follows"], results["ab_test/curated"]["follows"])
    rng = numpy_stream(seed, "ab_test/follows")
    z, curated = drawn_test(arms["z_u"], arms["curated"], ids, f"{seed}/z_u_curated", rng)
    once = difference_of_arms(z, curated)
    numbers = {
        "ab_test/paired/difference": paired.mean,
        "ab_test/paired/difference_ci95": paired.ci95,
        "ab_test/paired/detectable": detectable(paired.standard_error),
        "ab_test/randomised/z_u": float(z.mean()),
        "ab_test/randomised/curated": float(curated.mean()),
        "ab_test/randomised/difference": once.mean,
        "ab_test/randomised/difference_ci95": once.ci95,
        "ab_test/randomised/detectable": detectable(once.standard_error),
    }
    # Where nobody follows anything there is nothing to be told apart.
    if once.standard_error:
        numbers["ab_test/randomised/power"] = power(paired.mean, once.standard_error)
    for name, (a, b) in TESTED.items():
        share = share_told_apart(arms[a], arms[b], ids, TESTS, f"{seed}/{name}", rng)
        numbers |= {f"ab_test/told_apart/{name}": share.value, f"ab_test/told_apart/{name}_ci95": share.ci95}
    return numbers


def _served(one: Classifier, now: int) -> Callable[[Float32[np.ndarray, "_"]], np.ndarray]:
    """What answers a user's request: the log-odds of all artists, as `serving.preference` computes them."""
    items_AxI = jnp.asarray(one.items.at(now))
    return lambda user: np.asarray(_odds(one.params, jnp.asarray(user), items_AxI, one.model))


@partial(jax.jit, static_argnames="model")
def _odds(params: Params, user: jax.Array, items: jax.Array, model: PreferenceConfig) -> jax.Array:
    return preference.log_odds(params, jnp.broadcast_to(user, (len(items), len(user))), items, model)


def _cost(one: Classifier, served: Callable[[np.ndarray], np.ndarray], trained: Trained) -> dict[str, float]:
    """What it costs to order all artists for users whose vectors are stored."""
    array: Any = jax.ShapeDtypeStruct
    width, (artists, of_artist) = one.model.user_width, (len(one.items.known), one.items.width)
    user, items = array((width,), np.float32), array((artists, of_artist), np.float32)
    timed = one.users[: min(_TIMED, len(one.users))]
    began = time.perf_counter()
    for vector in timed:
        np.argsort(-served(vector), kind="stable")
    return {
        "features": float(width),
        "bytes": float(width * _BYTES),
        "operations": float(operations(partial(_odds, model=one.model), one.params, user, items)),
        "seconds": (time.perf_counter() - began) / len(timed) * 1_000,
    }


def _encoder_operations(trained: Trained) -> int:
    """Operations of making one user's z_u from x_u."""
    array: Any = jax.ShapeDtypeStruct
    chain = trained.chain
    x = array((1, chain.model.num_features), np.float32)
    return operations(partial(autoencoder.encode, cfg=chain.model), chain.params, x)
