"""The order of candidates: a listwise ranker on z_u, or on curated features instead, beside the finder's own (§4.1)."""

import dataclasses
from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float32

from experiments.user_representation.candidates import popularity
from experiments.user_representation.tasks import Answer, Results, Trained
from experiments.user_representation.towers import Finder, Week, earlier_items, finders_of, the_week, users_of
from experiments.watch import WatchedFit
from urep_jax.data.lists import ListBatches, Lists
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.candidates import found_among, gone_for
from urep_jax.models import ranker as rankers
from urep_jax.models.ranker import RankerConfig
from urep_jax.serving.neighbours import NONE
from urep_jax.training.objective import Params
from urep_jax.training.optimizers import adam
from urep_jax.training.ranker import ranker_objective

_K = 10
_NDCG = f"ndcg@{_K}"
_PORTION = 256
"""Lists that are scored at once; it changes no result."""


def ranker(trained: Trained) -> Answer:
    """`ranker/<z_u|curated|z_u_towers|curated_towers|popularity>`: nDCG of the ten that come first of a hundred.

    With z_u, and with curated features instead, towers find a hundred items and a ranker orders them: it is given the
    user's vector, items' vectors and the towers' scores, and learns from candidates of users who train. The ideal is
    all that a user listens to, found or not, so that whole chains are compared; `..._towers` is the order in which they
    were found.
    """
    week = the_week(trained)
    vectors = users_of(trained, week)
    found: Results = {}
    # Of users without static, activity and listening features there is nothing to be curated.
    for name in (name for name in ("z_u", "curated") if name in vectors):
        finders = finders_of(trained, week, name, vectors[name])
        lists = {part: _lists(week, finders.now, getattr(week, part)) for part in ("validation", "test")}
        lists["train"] = _lists(week, finders.earlier, week.train)
        found[f"ranker/{name}"] = {_NDCG: _ranked(trained, week, name, vectors[name], lists)}
        found[f"ranker/{name}_towers"] = {_NDCG: _ndcg(lists["test"].found, lists["test"], week)}
    most_played = _lists(week, popularity(trained, week), week.test)
    found["ranker/popularity"] = {_NDCG: _ndcg(most_played.found, most_played, week)}
    return Answer(found)


def _lists(week: Week, finder: Finder, rows: slice) -> Lists:
    """The candidates of some users, with the finder's scores."""
    found = finder(rows)
    # There may be fewer items than candidates.
    there_M = (found.item != NONE).all(axis=0)
    item, score = found.item[:, there_M], found.score[:, there_M]
    return Lists(np.arange(rows.start, rows.stop), item, score, gone_for(item, week.wanted[rows]))


def _ndcg(scores: Float[np.ndarray, "N M"], lists: Lists, week: Week) -> ByUser:
    """Of the first ten, beside all that users listen to."""
    first_NxK = np.argsort(-scores, axis=1, kind="stable")[:, :_K]
    top_NxK = np.full((len(lists), _K), NONE, np.int64)
    top_NxK[:, : first_NxK.shape[1]] = np.take_along_axis(lists.item, first_NxK, axis=1)
    return found_among(top_NxK, week.wanted[lists.user], week.asked.user[lists.user])[_NDCG]


def _ranked(
    trained: Trained, week: Week, name: str, users: Float32[np.ndarray, "N U"], lists: Mapping[str, Lists]
) -> ByUser:
    """Train a ranker, or go on where an earlier call stopped; how it orders tested users' lists."""
    settings, now = trained.settings, trained.items.at(trained.people.now)
    model = dataclasses.replace(settings.ranker, user_width=users.shape[1], item_width=trained.items.width)
    mean, spread = lists["train"].found.mean(), max(lists["train"].found.std(), 1e-6)
    lists = {part: dataclasses.replace(one, found=(one.found - mean) / spread) for part, one in lists.items()}

    def ndcg(params: Params, part: str) -> ByUser:
        return _ndcg(_scores(params, users, now, lists[part], model), lists[part], week)

    ids, training = trained.sources.log.sequence_ids.take(week.asked.user), settings.ranking
    # A list that holds nothing that its user goes for says nothing.
    learnt_from = lists["train"].where(lists["train"].label.any(axis=1))
    batches = ListBatches(learnt_from, users, earlier_items(trained), ids, training.batch_size, settings.seed)
    train = WatchedFit(trained.folder.path / "ranker" / name, f"ranker by {name}", _NDCG, trained.console)
    fitted = train(
        ranker_objective(model),
        adam(training.learning_rate),
        batches,
        lambda params: (ndcg(params, "validation").value, {}),
        training.fit,
        {"system": "user_representation", "model": dataclasses.asdict(model)},
    )
    return ndcg(fitted.params, "test")


def _scores(
    params: Params,
    users: Float32[np.ndarray, "N U"],
    items: Float32[np.ndarray, "V I"],
    lists: Lists,
    model: RankerConfig,
) -> Float32[np.ndarray, "N M"]:
    """Scores of lists, a portion at a time: their items have many numbers."""
    parts = []
    for first in range(0, len(lists), _PORTION):
        user, item, found = (x[first : first + _PORTION] for x in (lists.user, lists.item, lists.found))
        parts.append(np.asarray(_score(params, jnp.asarray(users[user]), jnp.asarray(items[item]), found, model)))
    return np.concatenate(parts)


@partial(jax.jit, static_argnames="model")
def _score(params: Params, users: jax.Array, items: jax.Array, found: jax.Array, model: RankerConfig) -> jax.Array:
    return rankers.scores(params, users, items, found, model)
