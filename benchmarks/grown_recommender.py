"""What a recommender that grows is worth, and what it leaves as it is: a fifth of the tracks appears late.

    python -m benchmarks.grown_recommender

In each of several simulated radios, a fifth of the tracks, drawn at random, is first played 90 days before the test
begins; their earlier plays are left out of the log. Three recommenders are tested on the last month:

- not grown: trained when the tracks appear, on all that came before;
- grown: the same, into which the new tracks have come by `task=grow` of the log up to the test;
- trained anew: on the log up to the test. For old tracks as well it knows 90 days more than the others have learnt.

Told are the accuracy on pairs of an up and a down, and NDCG@10 of ups. Pairs: of two old tracks, and of two of which
one or both are new. NDCG: of old tracks among the old ones, and of new tracks among all. The models are compared user
by user, users of all worlds together. Besides, how far any score of an old track moves by the growth, where the same
users are asked about when the new tracks appear, and have listened to none.

It prints JSON, and the tables to the terminal besides.

Source: Generalized User Representations, §4.4; the test: Negative Feedback for Music Personalization, §4.
"""

import argparse
import dataclasses
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hydra import compose, initialize_config_dir
from jaxtyping import Bool
from rich.console import Console

from benchmarks.grown_space import SHARE, only
from benchmarks.machine import describe
from experiments.data import load_log, made
from experiments.knobs import CONF
from experiments.negative_feedback.beginning import content_of
from experiments.negative_feedback.grow import grown_recipe
from experiments.negative_feedback.protocols import protocol_of
from experiments.negative_feedback.recipe import Recipe
from experiments.negative_feedback.training import train
from experiments.tables import markdown_table, short
from experiments.watch import watched
from urep_jax.core.streams import numpy_stream
from urep_jax.core.types import SECONDS_PER_DAY, Feedback
from urep_jax.data.cases import Cases, Split
from urep_jax.data.log import EventLog
from urep_jax.data.sequences import Sequences
from urep_jax.data.vocabulary import Vocabulary, build_vocabulary, grown_vocabulary
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.full_ranking import target_ranks
from urep_jax.evaluation.model_scorer import transformer_scorer
from urep_jax.evaluation.paired import paired_difference
from urep_jax.evaluation.scorer import Scorer, candidate_scores
from urep_jax.metrics.auc import pair_auc
from urep_jax.metrics.group_mean import GroupMean
from urep_jax.metrics.ranking import ndcg_at
from urep_jax.serving.recommender import Recommender

DAYS = 90
"""For how long new tracks have been there when the test begins."""
NOT_GROWN, GROWN, ANEW = "not grown", "grown", "trained anew"
METRICS = {
    "pairs_old": "pairs of old tracks",
    "pairs_new": "pairs with new tracks",
    "ndcg_old": "NDCG@10, old tracks",
    "ndcg_new": "NDCG@10, new tracks",
}

Seen = Mapping[str, Mapping[str, ByUser]]
"""By model and by metric."""


class World(NamedTuple):
    """A radio in which some tracks appear late.

    Attributes:
        log: all of it.
        is_new: which of its tracks appear late.
        first: what trains, and what validates, when they appear.
        last: likewise when the test begins; and the test.
    """

    log: EventLog
    is_new: Bool[np.ndarray, "V"]
    first: Split
    last: Split


class Bench:
    """One world and its recommenders."""

    def __init__(self, knobs: Sequence[str], seed: int, folder: Path, console: Console) -> None:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            given = ["experiment=negative_feedback", *knobs, f"seed={seed}", f"workspace={folder}"]
            self.cfg = compose("config", overrides=given)
        self.folder, self.console, self.seconds = folder, console, dict[str, float]()
        self.protocol = protocol_of(self.cfg.data.protocol)
        self.world = self._world(seed)

    def _world(self, seed: int) -> World:
        log, split_by = load_log(self.cfg, self.console), made(self.cfg.data.split)
        heard = np.unique(log.item)
        is_new_V = np.zeros(log.num_items, bool)
        is_new_V[numpy_stream(seed, "appears_late").permutation(heard)[: round(SHARE * len(heard))]] = True
        cut = (int(np.max(log.timestamp)) // SECONDS_PER_DAY - split_by.test_days) * SECONDS_PER_DAY
        appears = cut - DAYS * SECONDS_PER_DAY
        log = only(log, ~is_new_V[np.asarray(log.item)] | (np.asarray(log.timestamp) >= appears))
        first, last = (dataclasses.replace(split_by, cut=moment)(log) for moment in (appears, cut))
        return World(log, is_new_V, first, last)

    def _trained(
        self, title: str, split: Split, vocabulary: Vocabulary, recipe: Recipe, was: Recommender | None = None
    ) -> Recommender:
        path, begin = self.folder / title.replace(" ", "_"), time.perf_counter()
        with watched(path, title, self.protocol.title, self.console) as watch:
            how = (recipe, self.world.log, split, vocabulary, self.protocol, path, watch, self.console, was)
            done = train(*how, content=content_of(recipe.item_content, self.world.log, self.cfg))
        self.seconds[title] = round(time.perf_counter() - begin, 1)
        trained_items = len(vocabulary.item_ids) if was is None else was.trained_items
        return Recommender(done.result.params, recipe.model, recipe.sequences, vocabulary, trained_items)

    def models(self) -> dict[str, Recommender]:
        """The three recommenders."""
        log, recipe = self.world.log, Recipe.from_config(self.cfg)
        then, now = (build_vocabulary(log, split) for split in (self.world.first, self.world.last))
        was = self._trained(NOT_GROWN, self.world.first, then, recipe.sized_for(then))
        more = grown_vocabulary(then, log, self.world.last)
        grown = self._trained(GROWN, self.world.last, more, grown_recipe(recipe, was, more), was)
        anew = self._trained(ANEW, self.world.last, now, recipe.sized_for(now))
        return {NOT_GROWN: was, GROWN: grown, ANEW: anew}

    def tested(self, models: Mapping[str, Recommender]) -> tuple[Seen, dict[str, float]]:
        """What each model was seen to do, and what growing has left as it was."""
        world, cases = self.world, self.world.last.test
        seen = {name: self._seen(self._scorer(model, cases)) for name, model in models.items()}
        then = dataclasses.replace(cases, stop=np.minimum(cases.stop, world.first.stop[cases.sequence]))
        asked = np.flatnonzero(then.stop > then.start)
        everything = slice(0, world.log.num_items)
        before, after = (
            np.asarray(self._scorer(models[name], then).catalogue(asked, everything))[:, ~world.is_new]
            for name in (NOT_GROWN, GROWN)
        )
        trained = np.isfinite(before)
        return seen, {
            "same_space": float(models[NOT_GROWN].space == models[GROWN].space),
            "cases": float(len(asked)),
            "scores_of_old_tracks": float(trained.sum()),
            "largest_change_of_these": float(np.abs(after[trained] - before[trained]).max(initial=0)),
        }

    def _scorer(self, model: Recommender, cases: Cases) -> Scorer:
        sequences = Sequences(self.world.log, model.vocabulary, model.sequences)
        return transformer_scorer(model.params, model.cfg, sequences, cases)

    def _seen(self, scorer: Scorer) -> dict[str, ByUser]:
        world, cases = self.world, self.world.last.test
        is_new_N, is_up_N = world.is_new[cases.item], cases.feedback == Feedback.UP
        every, old = (self._pairs(scorer, cases, where_N) for where_N in (is_up_N | True, ~is_new_N))
        with_new = GroupMean(every.total - old.total, every.count - old.count)

        def catalogue(rows_B: np.ndarray, items: slice) -> np.ndarray:
            return np.where(world.is_new[items], -np.inf, np.asarray(scorer.catalogue(rows_B, items)))

        def ndcg(scorer: Scorer, where_N: np.ndarray) -> ByUser:
            gain_N = ndcg_at(target_ranks(scorer, world.log, cases), 10)
            return by_user(GroupMean.from_batch(gain_N, cases.case, len(cases), where_N))

        def by_user(of_cases: GroupMean) -> ByUser:
            return ByUser.from_cases(of_cases, np.asarray(cases.sequence))

        return {
            "pairs_old": by_user(old),
            "pairs_new": by_user(with_new),
            "ndcg_old": ndcg(scorer._replace(catalogue=catalogue), is_up_N & ~is_new_N),
            "ndcg_new": ndcg(scorer, is_up_N & is_new_N),
        }

    def _pairs(self, scorer: Scorer, cases: Cases, where: Bool[np.ndarray, "N"]) -> GroupMean:
        scores_N = candidate_scores(scorer, cases.offsets, cases.item, chunk=256)
        asked_N = where & (cases.feedback != Feedback.PLAY)
        is_up = cases.feedback[asked_N] == Feedback.UP
        return pair_auc(scores_N[asked_N], is_up, cases.case[asked_N], len(cases))


def together(worlds: Sequence[Seen]) -> dict[str, dict[str, ByUser]]:
    """Users of all worlds, each of them another."""
    first = [1_000_000 * number for number in range(len(worlds))]

    def joined(model: str, metric: str) -> ByUser:
        found = [seen[model][metric] for seen in worlds]
        users = np.concatenate([own + one.user for own, one in zip(first, found, strict=True)])
        return ByUser(users, np.concatenate([one.values for one in found]))

    return {model: {metric: joined(model, metric) for metric in METRICS} for model in worlds[0]}


def differences(seen: Seen) -> dict[str, dict[str, float]]:
    """How far the grown one is ahead of each of the others, user by user."""
    found: dict[str, dict[str, float]] = {}
    for other in (NOT_GROWN, ANEW):
        paired = {metric: paired_difference(seen[GROWN][metric], seen[other][metric]) for metric in METRICS}
        found[f"grown less {other}"] = {
            **{metric: one.mean for metric, one in paired.items()},
            **{f"{metric}_ci95": one.ci95 for metric, one in paired.items()},
        }
    return found


def _tables(models: Mapping[str, Mapping[str, float]], left: Sequence[Mapping[str, float]]) -> Iterator[str]:
    """For a person."""

    def cell(of: Mapping[str, float], name: str) -> str:
        return f"{short(of[name], 4)} ±{short(of[f'{name}_ci95'], 4)}"

    rows = ([name, *(cell(of, metric) for metric in METRICS)] for name, of in models.items())
    yield markdown_table([["", *METRICS.values()], *rows])
    yield markdown_table(
        [["", *(f"world {number}" for number in range(len(left)))]]
        + [[name.replace("_", " "), *(f"{one[name]:,.4g}" for one in left)] for name in left[0]]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the numbers as JSON, and the tables on the standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.grown_recommender",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of the worlds")
    parser.add_argument(
        "--knobs", nargs="+", default=["data.source.params.num_listeners=2000"], help="as of experiments.run"
    )
    given = parser.parse_args(arguments)
    console = Console(stderr=True)
    worlds: list[Seen] = []
    left, seconds, about = [], [], []
    for seed in given.seeds:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(given.knobs, seed, Path(folder), console)
            seen, unchanged = bench.tested(bench.models())
        worlds.append(seen)
        left.append(unchanged)
        seconds.append(bench.seconds)
        about.append({"seed": seed, "events": bench.world.log.num_events, "new_tracks": int(bench.world.is_new.sum())})
    pooled = together(worlds)
    models = {
        name: {
            key: number
            for metric, one in of.items()
            for key, number in ((metric, one.value), (f"{metric}_ci95", one.ci95), (f"{metric}_users", len(one.user)))
        }
        for name, of in pooled.items()
    } | differences(pooled)
    by_world = [{name: {m: one.value for m, one in of.items()} for name, of in seen.items()} for seen in worlds]
    found = {"models": models, "by_world": by_world, "left_as_it_was": left, "seconds": seconds}
    told = {"knobs": given.knobs, "worlds": about}
    print(json.dumps({"machine": describe(), "about": told, "grown_recommender": found}, indent=1))
    for table in _tables(models, left):
        console.print(table, soft_wrap=True, markup=False)


if __name__ == "__main__":
    main()
