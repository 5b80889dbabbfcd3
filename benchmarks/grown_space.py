"""What a space of items that grows is worth, and what it leaves as it is: a fifth of the tracks is held back at first.

    python -m benchmarks.grown_space

The collaborative encoder, the audio encoder, the autoencoder on users and the classifier of future listening are
trained on a simulated streaming service of which 20 % of the tracks are unknown: no playlist, no event and no table has
them. Then these tracks appear, and the spaces grow (`task=grow`): nothing is trained but the new tracks' vectors.

Told are the new tracks' vectors, beside random ones and those of a full retraining, by the purity of their ten nearest
tracks (genre) and by the continuation of playlists that were held out (NDCG@500 of the new tracks in them, given the
others); and old tracks, users and the classifier before and after.

It prints JSON, and the tables to the terminal besides.

Source: Generalized User Representations, §4.4.
"""

import argparse
import contextlib
import dataclasses
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from hydra import compose, initialize_config_dir
from jaxtyping import Bool, Float32
from omegaconf import DictConfig
from rich.console import Console

from benchmarks.machine import describe
from experiments.data import made
from experiments.folder import RunFolder
from experiments.knobs import CONF
from experiments.tables import markdown_table, short
from experiments.user_representation.chain import make_features, train_autoencoder
from experiments.user_representation.components import principal_components
from experiments.user_representation.encoders import NDCG, continued
from experiments.user_representation.future import future_listening
from experiments.user_representation.growth import Grown, grow, growth_split
from experiments.user_representation.settings import Settings
from experiments.user_representation.sources import Sources, find_people, load_sources
from experiments.user_representation.tasks import Trained
from experiments.user_representation.together import sets_of_items
from experiments.watch import WatchedFit
from urep_jax.core.streams import numpy_stream
from urep_jax.core.types import SECONDS_PER_DAY
from urep_jax.data.cases import Cases
from urep_jax.data.log import EventLog
from urep_jax.data.moments import Moments
from urep_jax.data.ragged import running_count
from urep_jax.data.user_features.features import feature_groups, user_features
from urep_jax.data.user_features.groups import Group, columns_of
from urep_jax.data.user_features.inputs import read_inputs
from urep_jax.data.user_features.modality import Modality
from urep_jax.data.user_features.space import FeatureSpace
from urep_jax.evaluation.future_listening import told_apart
from urep_jax.evaluation.movement import cosine_distance
from urep_jax.evaluation.neighbour_purity import neighbour_purity
from urep_jax.evaluation.paired import paired_difference
from urep_jax.metrics.mean import Mean
from urep_jax.models import preference
from urep_jax.serving.online.models import RANKER
from urep_jax.serving.preference import restore_preference
from urep_jax.serving.user_encoder import UserEncoder
from urep_jax.simulation.streaming import make_streaming_world

SHARE = 0.2
NEIGHBOURS = 10


def held_back(sources: Sources, new: pa.StringArray) -> Sources:
    """The same before some tracks appeared: no table and no event has them."""
    log, tables = sources.log, dict(sources.tables)
    kept_E = ~np.asarray(pc.is_in(log.item_ids, value_set=new))[log.item]
    for name in ("items", "playlists"):
        tables[name] = tables[name].filter(pc.invert(pc.is_in(tables[name]["item_id"], value_set=new)))
    return Sources(only(log, kept_E), tables, sources.profiles)


def only(log: EventLog, kept: Bool[np.ndarray, "E"]) -> EventLog:
    """Some events of a log."""
    columns = {name: np.asarray(column)[kept] for name, column in log.columns()}
    return dataclasses.replace(log, offsets=running_count(kept)[log.offsets], **columns)


def world(knobs: Sequence[str], workspace: str) -> tuple[DictConfig, np.ndarray]:
    """The config of the chain on a simulated service, and the genre of each of its tracks, which no model is told."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=["experiment=user_representation", *knobs, f"workspace={workspace}"])
    source = made(cfg.data.source)
    catalogue = make_streaming_world(dataclasses.replace(source.params, num_users=1), source.world).catalogue
    return cfg, np.asarray(catalogue.tracks.artist_genre)[np.asarray(catalogue.tracks.track_artist)]


class Bench:
    """One world, before its new tracks and after."""

    def __init__(self, cfg: DictConfig, genre_T: np.ndarray, names: Sequence[str], folder: Path) -> None:
        self.console = Console(stderr=True)
        self.cfg, self.genre_T, self.folder = cfg, genre_T, folder
        self.settings = Settings.from_config(cfg)
        self.after = load_sources(cfg, self.console)
        tracks = self.after.tables["playlists"]["item_id"].combine_chunks().unique()
        drawn = numpy_stream(self.settings.seed, "held_back").permutation(len(tracks))
        self.new = tracks.take(pa.array(np.sort(drawn[: round(SHARE * len(tracks))])))
        self.before = held_back(self.after, self.new)
        self.encoders = {name: made(cfg.data.modalities[name]) for name in names}
        self.seconds: dict[str, float] = {}

    def fit(self, name: str) -> WatchedFit:
        """Trains in a folder of its own."""
        return WatchedFit(self.folder / name, name, "", self.console)

    @contextlib.contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Note how long something takes."""
        begin = time.perf_counter()
        yield
        self.seconds[what] = round(time.perf_counter() - begin, 1)

    def items(self) -> tuple[dict[str, dict[str, float]], dict[str, Grown], dict[str, Modality]]:
        """Vectors of new tracks: what they are worth; and the spaces before and after."""
        like, collaborative = self.settings.training.fit, self.encoders["collaborative"]
        grown: dict[str, Grown] = {}
        was: dict[str, Modality] = {}
        for name, encoder in self.encoders.items():
            with self.timed(f"train {name}"):
                was[name] = encoder(name, self.before.tables, like, self.fit(f"encoders/{name}")).modality
            with self.timed(f"grow {name}"):
                grown[name] = grow(encoder, was[name], self.folder, self.after.tables, like, self.fit(f"grown/{name}"))
        sets = sets_of_items(collaborative.together, self.after.tables, None, like.seed)
        split = growth_split(collaborative, was["collaborative"], sets, like.seed)
        with self.timed("train collaborative anew, on everything"):
            anew = collaborative.learn("collaborative", sets, split, like, self.fit("anew")).modality
        is_new_V = np.asarray(pc.is_in(sets.item_ids, value_set=self.new))
        number_V = np.array([int(name.split()[1]) for name in sets.item_ids.to_pylist()])
        told = {}
        rng = numpy_stream(self.settings.seed, "random_vectors")
        for title, vectors in {
            **{f"{name}, not grown": one.of(sets.item_ids).vectors for name, one in was.items()},
            "collaborative, random new ones": _random(was["collaborative"].of(sets.item_ids).vectors, is_new_V, rng),
            **{f"{name}, grown": one.modality.of(sets.item_ids).vectors for name, one in grown.items()},
            "collaborative, trained anew": anew.of(sets.item_ids).vectors,
        }.items():
            told[title] = self._worth(vectors, sets, split.test, is_new_V, self.genre_T[number_V])
        return told, grown, was

    def _worth(
        self,
        vectors: Float32[np.ndarray, "V D"],
        sets: EventLog,
        cases: Cases,
        is_new_V: Bool[np.ndarray, "V"],
        genre_V: np.ndarray,
    ) -> dict[str, float]:
        found = continued(vectors, sets, cases)[NDCG]
        told = {"ndcg": found.value, "ndcg_ci95": found.ci95}
        share_N, kept = neighbour_purity(vectors, genre_V, k=NEIGHBOURS).share, vectors.any(axis=1)
        for name, which in (("new", is_new_V[kept]), ("old", ~is_new_V[kept])):
            if which.any():
                mean = Mean.from_batch(share_N[which])
                told |= {f"purity_{name}": mean.compute(), f"purity_{name}_ci95": mean.ci95()}
        return told

    def users(self, grown: Mapping[str, Grown], was: Mapping[str, Modality]) -> dict[str, float]:
        """Users, and the classifier of what they listen to next, before and after."""
        settings, people = self.settings, find_people(self.before, self.settings.asked, self.settings.seed)
        asked = dataclasses.replace(settings.asked, beside=())
        settings = dataclasses.replace(settings, asked=asked)
        with self.timed("train users and classifier"):
            features = make_features(self.before, people, tuple(was.values()), settings)
            chain, _ = train_autoencoder(features, settings, self.before.log.sequence_ids, self.fit("autoencoder"))
            components = principal_components(features.train, chain.weights, settings.model.width, settings.seed)
            run = RunFolder(self.folder / "run", {})
            trained = Trained(self.before, people, chain, components, settings, (RANKER,), run, self.console)
            future_listening(trained)
        classifier = restore_preference(run.path, RANKER)
        self.features = features.space
        space = features.space.grown([one.modality for one in grown.values()], self.after.tables["items"])
        established = people.established_by_week
        drawn = trained.listened(established, settings.asked.days * SECONDS_PER_DAY, RANKER)
        pairs = trained.pairs(drawn, established).test
        # Both read the log in which new tracks are played.
        z, x, odds = {}, {}, {}
        for name, one in (("before", features.space), ("after", space)):
            encoder = UserEncoder(one, chain.params, chain.model)
            inputs = one.read(self.after.log, self.after.tables)
            z[name] = encoder.encode(inputs, established.user, established.time)
            x[name] = user_features(inputs, established.user, established.time, one.cfg)
            scaled = (z[name].values - classifier.read.user_mean) / np.float32(classifier.read.user_spread)
            odds[name] = preference.log_odds(
                classifier.params,
                jnp.asarray(scaled[pairs.user]),
                jnp.asarray(classifier.read.items[pairs.item]),
                classifier.cfg,
            )
        auc = {
            name: told_apart(np.asarray(of, np.float64), pairs, established.user)["auc"] for name, of in odds.items()
        }
        difference = paired_difference(auc["after"], auc["before"])
        moved = [self._moved(number, space, x, established) for number in range(len(space.modalities))]
        share_N = np.max([share for share, _ in moved], axis=0)
        heard_N, apart_N = share_N > 0, cosine_distance(z["before"].values, z["after"].values)
        others_N = cosine_distance(z["before"].values, np.roll(z["before"].values, 1, axis=0))
        change_N = np.abs(z["after"].values - z["before"].values).max(axis=1)
        return {
            "same_space": float(z["before"].space == z["after"].space),
            "users_at_moments": float(len(heard_N)),
            "without_new_tracks": float(np.sum(~heard_N)),
            "largest_change_without_new_tracks": float(change_N[~heard_N].max(initial=0)),
            "share_of_new_tracks": float(share_N[heard_N].mean()),
            "largest_share_of_bound": max(of_bound for _, of_bound in moved),
            "cosine_distance": float(np.median(apart_N[heard_N])),
            "cosine_distance_95": float(np.quantile(apart_N[heard_N], 0.95)),
            "cosine_distance_to_others": float(np.median(others_N)),
            **{f"auc_{name}": one.value for name, one in auc.items()},
            **{f"auc_{name}_ci95": one.ci95 for name, one in auc.items()},
            "auc_difference": difference.mean,
            "auc_difference_ci95": difference.ci95,
        }

    def _moved(
        self, number: int, space: FeatureSpace, x: Mapping[str, np.ndarray], asked: Moments
    ) -> tuple[Float32[np.ndarray, "N"], float]:
        """Of one modality, the largest share of new tracks in any mean of each user, and of the bound on its movement.

        A mean that holds the share s of new vectors, none longer than 1, moves by at most 2 s.
        """
        own, artists = space.modalities[number], space.artists[number]
        old = self.features.modalities[number], self.features.artists[number]
        marked = [
            Modality.trained(own.name, now.item_ids, (np.arange(len(now.item_ids)) >= len(was.item_ids))[:, None] * ONE)
            for now, was in zip((own, artists), old, strict=True)
        ]
        inputs = read_inputs(self.after.log, marked[:1], marked[1:], tables=self.after.tables)
        shares = user_features(inputs, asked.user, asked.time, space.cfg)
        of_share = {group.name: column for group, column in _columns(feature_groups(inputs, space.cfg), shares)}
        of_x = {name: dict(_columns(space.groups, values)) for name, values in x.items()}
        most, largest = np.zeros(len(asked), np.float32), 0.0
        for group in space.groups:
            if group.kind != "vector" or own.name not in group.tags:
                continue
            share_N = np.nan_to_num(of_share[group.name][:, 0])
            most = np.maximum(most, share_N)
            distance_N = np.linalg.norm(of_x["after"][group] - of_x["before"][group], axis=1)
            both = (share_N > 0) & ~np.isnan(distance_N)
            largest = max(largest, float((distance_N[both] / (2 * share_N[both])).max(initial=0)))
        return most, largest


ONE = np.float32(1)


def _columns(groups: Sequence[Group], x: Float32[np.ndarray, "N F"]) -> Iterator[tuple[Group, np.ndarray]]:
    return ((group, x[:, own]) for group, own in zip(groups, columns_of(groups, x.shape[1]), strict=True))


def _random(
    vectors: Float32[np.ndarray, "V D"], which: Bool[np.ndarray, "V"], rng: np.random.Generator
) -> Float32[np.ndarray, "V D"]:
    """The same with random directions in place of some vectors."""
    drawn = rng.normal(size=vectors.shape).astype(np.float32)
    return np.where(which[:, None], drawn / np.linalg.norm(drawn, axis=1, keepdims=True), vectors)


def _tables(items: Mapping[str, Mapping[str, float]], users: Mapping[str, float]) -> Iterator[str]:
    """For a person."""

    def cell(of: Mapping[str, float], name: str, digits: int) -> str:
        return f"{short(of[name], digits)} ±{short(of[f'{name}_ci95'], digits)}" if name in of else "–"

    head = ["vectors", "NDCG@500", "genre of new tracks' neighbours", "of old tracks'"]
    rows = (
        [name, cell(of, "ndcg", 4), cell(of, "purity_new", 3), cell(of, "purity_old", 3)] for name, of in items.items()
    )
    yield markdown_table([head, *rows])
    told = ([name.replace("_", " "), f"{value:.4g}"] for name, value in users.items() if not name.endswith("_ci95"))
    yield markdown_table([["users", ""], *told])


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the numbers as JSON, and the tables on the standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.grown_space",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--encoders", nargs="+", default=["collaborative", "audio"], help="collaborative among them")
    parser.add_argument("--workspace", type=Path, help="where the world is, if it was made before")
    parser.add_argument(
        "--knobs", nargs="+", default=["data.source.params.num_users=1500"], help="as of experiments.run"
    )
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(*world(given.knobs, str(given.workspace or folder)), given.encoders, Path(folder))
        items, grown, was = bench.items()
        users = bench.users(grown, was)
    log = bench.after.log
    about = {"knobs": given.knobs, "users": log.num_sequences, "items": log.num_items, "held_back": len(bench.new)}
    found = {"items": items, "users": users, "seconds": bench.seconds}
    print(json.dumps({"machine": describe(), "about": about, "grown_space": found}, indent=1))
    for told in _tables(items, users):
        bench.console.print(told, soft_wrap=True, markup=False)


if __name__ == "__main__":
    main()
