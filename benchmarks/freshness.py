"""What fresh vectors are worth over several runs, and how much there is in a world that only they could tell.

    python -m benchmarks.freshness RUNS

RUNS are of `experiment=user_representation_freshness`, or of others with `evaluation.tasks=[freshness]`. Their results
are pooled: differences are those of users, each of whom counts once, by the mean over the runs that test them; they are
others in each simulated world. Where all runs are of such worlds it is told besides, of the same pairs of tracks (shows
are left out):

- how well the world's own taste of the user tells them, without the mood of the moment and with it: the difference is
  all that a vector could gain by knowing a mood, which lasts some days;
- z_u after a mood has begun: a change of taste that no log tells, but the world does. It is at most 3 days old, and 5
  plays or more have been heard in it;
- which share of the plays of the half-year before was heard in the last hour and days, and which share of what follows
  had been heard before.

Nothing is trained. It prints JSON, and tables to the terminal besides.

Source: Generalized User Representations, §4.2.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import yaml
from hydra.utils import instantiate
from jaxtyping import Bool, Float32, Float64, Int64
from omegaconf import DictConfig
from rich.console import Console

import urep_jax
from benchmarks.machine import describe
from experiments.report.intervals import Estimate, by_users, estimate, mean_by_user
from experiments.report.runs import Run
from experiments.tables import markdown_table
from experiments.user_representation.freshness import AGES, FRESH, HORIZONS, OWN, aged
from experiments.user_representation.items import side_by_side
from experiments.user_representation.session_moments import GROUPS, RECENT_DAYS, session_moments
from experiments.user_representation.settings import Settings
from experiments.user_representation.sources import TEST, find_people, load_sources
from urep_jax.baselines.play_counts import play_counts
from urep_jax.core.streams import numpy_stream
from urep_jax.core.types import SECONDS_PER_DAY
from urep_jax.data.datasets.streaming import StreamingConfig
from urep_jax.data.log import EventLog
from urep_jax.data.moments import Moments
from urep_jax.data.plays_over_time import plays_over_time
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.future_listening import future_pairs, told_apart
from urep_jax.metrics.group_mean import GroupMean
from urep_jax.models import preference
from urep_jax.serving.preference import restore_preference
from urep_jax.simulation.streaming import StreamingParams, make_streaming_world
from urep_jax.simulation.streaming.affinity import track_offer, track_wishes
from urep_jax.simulation.streaming.keys import streaming_keys
from urep_jax.simulation.streaming.users import mood_at, taste_at

MOOD = "mood"
"""The group of those whose mood has begun lately."""
_LEAST = 5
_HALF_YEAR = 182
_WORLD = {"taste": False, "taste and mood": True}

Values = Mapping[str, Mapping[str, ByUser]]
"""By group, and by what tells the pairs."""


class Column(NamedTuple):
    """One result of some users.

    Attributes:
        ids: whose.
        values: it.
    """

    ids: np.ndarray
    values: Float64[np.ndarray, "U"]


def seen(run: Run, console: Console) -> Values:
    """AUC of the session's tracks by group and by what tells them, and shares: of each user."""
    cfg = DictConfig(yaml.safe_load((run.folder / "config.yaml").read_text()))
    source = instantiate(cfg.data.source, _convert_="all")
    if not isinstance(source, StreamingConfig):
        raise ValueError(f"{run.folder} is of {cfg.data.name}, but must be of a simulated streaming service")
    settings, sources = Settings.from_config(cfg), load_sources(cfg, console)
    log, people = sources.log, find_people(sources, settings.asked, settings.seed)
    encoder = urep_jax.restore_encoder(run.folder)
    inputs = encoder.features.read(log, sources.tables)
    items = side_by_side(inputs.modalities, plays_over_time(log, people.now))
    found = session_moments(sources, people, settings.asked, items.vectors, settings.seed)
    asked, seconds_N = found.asked, np.maximum(found.until - found.asked.time, 1)
    rng = numpy_stream(settings.seed, "freshness/session")
    most, known = settings.asked.most, items.known
    pairs = future_pairs(log, asked.user, asked.time, seconds_N, rng, most=most, where=known)
    pairs = pairs.where((people.part[asked.user[pairs.user]] == TEST) & (pairs.item < source.params.num_tracks))

    one = restore_preference(run.folder, f"freshness/session/{FRESH}")
    items_PxI = items.asked(asked.time)(pairs.user, pairs.item)
    odds_of = jax.jit(lambda users, of_items: preference.log_odds(one.params, users, of_items, one.cfg))
    odds: dict[str, Float64[np.ndarray, "P"]] = {}
    row, place_P = np.unique(pairs.user, return_inverse=True)
    for age, seconds in AGES.items():
        late = aged(Moments(asked.user[row], asked.time[row]), seconds)
        z_RxZ = encoder.encode(inputs, late.user, late.time).values
        users_PxZ = ((z_RxZ - one.read.user_mean) / one.read.user_spread)[place_P].astype(np.float32)
        odds[age] = np.asarray(odds_of(users_PxZ, items_PxI), np.float64)
    wishes = {name: _wishes(source.params, source.world, asked, row, mood=mood) for name, mood in _WORLD.items()}
    offer = track_offer(source.params, make_streaming_world(source.params, source.world).catalogue)
    for name, wishes_RxK in wishes.items():
        liked_P = np.einsum("pk,pk->p", np.asarray(offer.parts)[pairs.item], wishes_RxK[place_P])
        odds[name] = (np.asarray(offer.log_weight)[pairs.item] + source.params.response * liked_P).astype(np.float64)

    groups = {**found.groups, MOOD: found.groups["established"] & _mood_is_new(source, log, asked)}
    played = play_counts(log, asked.user[row], asked.time[row])
    heard_P = np.asarray(played[place_P, pairs.item]).ravel() > 0
    values: dict[str, dict[str, ByUser]] = {}
    for group, is_in_N in groups.items():
        in_P = is_in_N[pairs.user]
        test = pairs.where(in_P)
        own = {name: told_apart(odds_P[in_P], test, asked.user)["auc"] for name, odds_P in odds.items()}
        told_P = in_P & pairs.label
        before = GroupMean.from_batch(heard_P[told_P], pairs.user[told_P], len(asked))
        own["heard before"] = ByUser.from_cases(before, asked.user)
        values[group] = own | _shares(log, Moments(asked.user[row], asked.time[row]).where(is_in_N[row]))
    return values


def _wishes(
    params: StreamingParams, world: int, asked: Moments, row: Int64[np.ndarray, "R"], *, mood: bool
) -> Float32[np.ndarray, "R K"]:
    """What users want of tracks at moments, by the world."""
    keys, users = streaming_keys(world), make_streaming_world(params, world).users

    def wishes(number: jax.Array, seconds: jax.Array) -> jax.Array:
        user = jax.tree.map(lambda x: jnp.asarray(x)[number], users)
        taste = taste_at(params, user, seconds)
        return track_wishes(params, user, taste + mood_at(params, user, seconds, keys=keys) if mood else taste)

    seconds_R = (asked.time[row] - params.start).astype(np.int32)
    return np.asarray(jax.jit(jax.vmap(wishes))(asked.user[row].astype(np.int32), seconds_R))


def _mood_is_new(source: StreamingConfig, log: EventLog, asked: Moments) -> Bool[np.ndarray, "N"]:
    """At which moments the mood is at most 3 days old, and some plays have been heard in it."""
    params = source.params
    phase_N = np.asarray(make_streaming_world(params, source.world).users.mood_phase)[asked.user]
    days_N = ((asked.time - params.start) / SECONDS_PER_DAY + phase_N) % params.mood_days
    began_N = asked.time - (days_N * SECONDS_PER_DAY).astype(np.int64)
    plays_N = [play_counts(log, asked.user, time_N).sum(axis=1) for time_N in (asked.time, began_N)]
    return (days_N <= RECENT_DAYS) & (plays_N[0] - plays_N[1] >= _LEAST)


def _shares(log: EventLog, asked: Moments) -> dict[str, ByUser]:
    """Of the plays of the half-year before, those of the last hour and days."""
    until = {0: asked.time, **{age: asked.time - age for age in AGES.values()}}
    plays = {age: play_counts(log, asked.user, time_N).sum(axis=1) for age, time_N in until.items()}
    before_N = play_counts(log, asked.user, asked.time - _HALF_YEAR * SECONDS_PER_DAY).sum(axis=1)
    all_N = np.asarray(plays[0] - before_N, np.float64)
    shares = {}
    for age, seconds in AGES.items():
        if age != FRESH:
            share_N = np.divide(plays[0] - plays[seconds], all_N, out=np.full(len(all_N), np.nan), where=all_N > 0)
            mean = GroupMean.from_batch(share_N, np.arange(len(all_N)), len(all_N), ~np.isnan(share_N))
            shares[f"last {age}"] = ByUser.from_cases(mean, asked.user)
    return shares


def _pooled(found: Sequence[Column], less: Sequence[Column] | None = None) -> Estimate:
    """Over the users of all runs."""
    ids, values = [], []
    for n, own in enumerate(found):
        user, value = own
        if less is not None:
            user, here, there = np.intersect1d(own.ids, less[n].ids, return_indices=True)
            value = own.values[here] - less[n].values[there]
        ids.append(user)
        values.append(value)
    return by_users(mean_by_user(np.concatenate(ids), np.concatenate(values)))


def _column(run: Run, name: str) -> Column:
    if name not in run.users:
        return Column(np.zeros(0, str), np.zeros(0))
    value_U = run.users[name].astype(np.float64)
    return Column(run.user_ids[~np.isnan(value_U)], value_U[~np.isnan(value_U)])


def _of_worlds(found: Sequence[ByUser]) -> list[Column]:
    """The same of users who are numbered, and others in each world."""
    return [Column(np.char.add(f"{n}/", own.user.astype(str)), own.values) for n, own in enumerate(found)]


def results(runs: Sequence[Run]) -> dict[str, list[list[str]]]:
    """A table for each horizon: AUC of fresh vectors, and what older ones have more."""
    late, tables = [age for age in AGES if age != FRESH], {}
    for horizon in HORIZONS:
        rows = [["", "users", "0s, AUC", *late, *(f"{age}, by runs" for age in late), *(f"{a}, own" for a in late)]]
        for group in GROUPS:
            key = f"freshness/{group}/{horizon}"
            fresh = [_column(run, f"{key}/{FRESH}/auc") for run in runs]
            # In small worlds nobody may be of a group.
            if not any(len(own.ids) for own in fresh):
                continue
            level = _pooled(fresh)
            cells = []
            for by in ("", f"/{OWN}"):
                gains = [
                    _pooled([_column(run, f"{key}/{age}{by}/auc") for run in runs], fresh).told(3, sign=True)
                    for age in late
                ]
                cells += gains
                if not by:
                    metrics = (f"{key}/{age}/auc_over_fresh" for age in late)
                    worlds = ([run.metrics[name] for run in runs if name in run.metrics] for name in metrics)
                    cells += [estimate(own).told(3, sign=True) if own else "" for own in worlds]
            rows.append([group, f"{level.number:,}", level.told(3), *cells])
        tables[horizon] = rows
    moved = [["", *late]]
    for group in GROUPS:
        columns = [[_column(run, f"freshness/{group}/moved/{age}/distance") for run in runs] for age in late]
        if any(len(own.ids) for own in columns[0]):
            moved.append([group, *(_pooled(of_age).told(3) for of_age in columns)])
    return {**tables, "how far z_u moved": moved}


def why(by_world: Sequence[Values]) -> dict[str, list[list[str]]]:
    """Tables of what the world itself tells, and of shares of listening."""
    late = [age for age in AGES if age != FRESH]
    told = [["", "users", "z_u, 0s", *late, "taste", "with the mood, over taste"]]
    shares = [["", *(f"heard in the last {age}, of half a year" for age in late), "heard before, of what follows"]]
    for group in (*GROUPS, MOOD):
        of = {name: _of_worlds([one[group][name] for one in by_world]) for name in by_world[0][group]}
        if not all(any(len(own.ids) for own in of[name]) for name in of):
            continue
        gains = [_pooled(of[age], of[FRESH]).told(3, sign=True) for age in late]
        mood = _pooled(of["taste and mood"], of["taste"]).told(3, sign=True)
        fresh, taste = _pooled(of[FRESH]), _pooled(of["taste"])
        told.append([group, f"{fresh.number:,}", fresh.told(3), *gains, taste.told(3), mood])
        names = (*(f"last {age}" for age in late), "heard before")
        shares.append([group, *(_pooled(of[name]).told(3) for name in names)])
    return {"tracks of the session, by the world": told, "shares": shares}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the numbers as JSON, and the tables on the standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.freshness",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="RUN", help="run folders, or folders of them")
    given = parser.parse_args(arguments)
    console = Console(stderr=True)
    # A report is of runs that tell of future listening, too; these needn't.
    paths = [path.parent for folder in given.folders for path in sorted(folder.rglob("metrics.json"))]
    runs = [Run(path) for path in paths]
    if not runs:
        raise SystemExit(f"error: no run has ended below {', '.join(map(str, given.folders))}; name a run's folder")
    tables = results(runs)
    if all("data.source.world" in run.config for run in runs):
        tables |= why([seen(run, console) for run in runs])
    print(json.dumps({"machine": describe(), "freshness": tables}, indent=1))
    for title, rows in tables.items():
        console.print(f"{title}\n\n{markdown_table(rows)}\n", soft_wrap=True, markup=False)


if __name__ == "__main__":
    main()
