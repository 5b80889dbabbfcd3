"""Candidates: the tracks nearest to users by two towers, beside what they listen to in the next days (§4.1)."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from experiments.folder import write_parquet
from experiments.user_representation.tasks import Answer, Results, Trained
from experiments.user_representation.towers import CANDIDATES, RECALL, Finder, Week, finders_of, the_week, users_of
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.candidates import found_again, found_among
from urep_jax.serving.neighbours import NONE, Neighbours, faiss_search


def candidates(trained: Trained) -> Answer:
    """`candidates/<z_u|curated|average|popularity>`: what users listen to next, among the hundred nearest to each.

    All items that have a vector may be found, those that the user has listened to before too; `..._new@100` are of
    those alone that the user hasn't, with the others left out. `index_recall@100` is the share of the nearest that an
    index finds as well. What z_u finds for all users at `People.end` goes to `candidates.parquet`.
    """
    week = the_week(trained)
    found: Results = {}
    for name, users in users_of(trained, week).items():
        finder = finders_of(trained, week, name, users).now
        found[f"candidates/{name}"] = {**_judged(finder, week), **_by_index(finder, week, trained)}
        if name == "z_u":
            _write(trained, finder(week.end), trained.folder.path / "candidates.parquet")
    found["candidates/popularity"] = _judged(popularity(trained, week), week)
    return Answer(found)


def popularity(trained: Trained, week: Week) -> Finder:
    """Finds for everybody what was listened to most in the last four weeks."""
    items = trained.items
    every_V = np.arange(len(items.known))
    recent_V = items.plays.before(np.full(len(every_V), trained.people.now), every_V)[:, 1]
    return Finder(np.ones((len(week.asked), 1), np.float32), recent_V[:, None], np.flatnonzero(items.known))


def _judged(finder: Finder, week: Week) -> Mapping[str, ByUser]:
    """Recall and nDCG of tested users' candidates, among all items and among new ones."""
    wanted, heard, user = week.wanted[week.test], week.heard[week.test], week.asked.user[week.test]
    new = wanted - wanted.multiply(heard != 0)
    new.eliminate_zeros()
    among_new = found_among(finder(week.test, without=week.heard).item, new, user)
    return {
        **found_among(finder(week.test).item, wanted, user),
        **{name.replace("@", "_new@"): one for name, one in among_new.items()},
    }


def _by_index(finder: Finder, week: Week, trained: Trained) -> Mapping[str, ByUser]:
    """The share of tested users' candidates that faiss finds; nothing if it isn't asked."""
    description = trained.settings.two_tower.index
    if description is None:
        return {}
    search = faiss_search(finder.items[finder.known], description)
    found = finder.numbered(search(finder.users[week.test], CANDIDATES))
    return {f"index_{RECALL}": found_again(found.item, finder(week.test).item, week.asked.user[week.test])}


def _write(trained: Trained, found: Neighbours, path: Path) -> None:
    """Candidates of all users, as `task=rank` of a recommender reads them.

    | column | holds |
    |---|---|
    | `user_id` | the log's id |
    | `item_id` | the log's id; a user's rows are in the order of their scores |
    | `score` | the dot product |
    """
    log, is_there = trained.sources.log, found.item != NONE
    user, _ = np.nonzero(is_there)
    columns = {
        "user_id": log.sequence_ids.take(user),
        "item_id": log.item_ids.take(found.item[is_there]),
        "score": found.score[is_there],
    }
    write_parquet(path, pa.table(columns))
