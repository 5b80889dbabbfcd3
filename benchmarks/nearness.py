"""Which parts of x_u, and of what z_u gives back, find users with the same favourites.

    python -m benchmarks.nearness RUNS

Clusters of similar users (nDCG@50 of each established user's nearest, by cosine) are asked of vectors that are more
than z_u and less: of the vectors of the longest window (average embeddings), of those with one further group of
features beside them, weighted as the loss weighs them, of all features, and of what the decoder makes of z_u. It tells
whether z_u has lost what is needed, or has it beside other things that count for its cosine. Nothing is trained.

It prints JSON, and the table to the terminal besides.

Source: Generalized User Representations, §5.2.3 and Table 4.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jax
import numpy as np
import yaml
from jaxtyping import Float32
from omegaconf import DictConfig
from rich.console import Console

import urep_jax
from benchmarks.machine import describe
from experiments.report.intervals import estimate
from experiments.report.runs import Run, by_data, read_runs
from experiments.tables import markdown_table
from experiments.user_representation.chain import weights_of
from experiments.user_representation.item_groups import favourites
from experiments.user_representation.settings import Settings
from experiments.user_representation.sources import find_people, load_sources
from urep_jax.data.user_features.groups import Group, columns_of
from urep_jax.evaluation.similar_users import similar_users
from urep_jax.models import autoencoder

_BLOCK = 4096

Vectors = dict[str, Float32[np.ndarray, "N _"]]


def vectors_of(
    x: Float32[np.ndarray, "N F"],
    back: Float32[np.ndarray, "N F"],
    z: Float32[np.ndarray, "N Z"],
    groups: Sequence[Group],
    weights: Float32[np.ndarray, "F"],
    longest: str,
) -> Vectors:
    """The vectors that are compared.

    Args:
        x: standardised features.
        back: what the decoder makes of `z`.
        z: z_u.
        groups: of the features.
        weights: of the features in the loss.
        longest: tag of the longest window.
    """
    own = columns_of(groups, x.shape[1])
    root_F = np.sqrt(weights)

    def taken(of: Float32[np.ndarray, "N F"], wanted: Callable[[Group], bool]) -> Float32[np.ndarray, "N _"]:
        return np.concatenate([of[:, place] for group, place in zip(groups, own, strict=True) if wanted(group)], axis=1)

    def is_average(group: Group) -> bool:
        return group.kind == "vector" and longest in group.tags

    def is_average_or(tag: str) -> Callable[[Group], bool]:
        return lambda group: is_average(group) or tag in group.tags

    windows = dict.fromkeys(tag for group in groups for tag in group.tags if tag[:-1].isdigit() and tag != longest)
    beside = (*windows, "onboarding", "static", "activity", "devices")
    found = {"z_u": z, "average embeddings": taken(x, is_average)}
    for tag in (tag for tag in beside if any(tag in group.tags for group in groups)):
        found[f"average embeddings, {tag}"] = taken(x * root_F, is_average_or(tag))
    found |= {"all features": x * root_F, "all features, by z_u": back * root_F}
    return found | {"average embeddings, by z_u": taken(back, is_average)}


def seen(run: Run, console: Console) -> dict[str, dict[str, float]]:
    """nDCG@50 by kind of cluster and vector."""
    cfg = DictConfig(yaml.safe_load((run.folder / "config.yaml").read_text()))
    settings = Settings.from_config(cfg)
    sources = load_sources(cfg, console)
    asked = find_people(sources, settings.asked, settings.seed).established
    encoder = urep_jax.restore_encoder(run.folder)
    inputs = encoder.features.read(sources.log, sources.tables)
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(asked), _BLOCK)]
    x = np.concatenate([encoder.features(inputs, asked.user[own], asked.time[own]) for own in blocks])
    z = encoder.encode(inputs, asked.user, asked.time).values
    back = np.asarray(jax.jit(lambda params, z: autoencoder.decode(params, z, encoder.cfg))(encoder.params, z))
    groups, longest = encoder.features.groups, encoder.features.cfg.longest
    assert longest is not None
    weights = weights_of(groups, settings.group_weights, encoder.features.cfg)
    vectors = vectors_of(x, back, z, groups, weights, longest)
    return {
        kind: {name: similar_users(of, shared, asked.user, k=50).value for name, of in vectors.items()}
        for kind, shared in favourites(sources, asked).items()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the numbers as JSON, and the table on the standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.nearness",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="RUN", help="run folders, or folders of them")
    given = parser.parse_args(arguments)
    console = Console(stderr=True)
    numbers: dict[str, Mapping[str, Mapping[str, list[float]]]] = {}
    tables = []
    for data, runs in by_data(read_runs(given.folders)).items():
        by_run = [seen(run, console) for run in runs]
        kinds = list(by_run[0])
        numbers[data] = {
            kind: {name: [found[kind][name] for found in by_run] for name in by_run[0][kind]} for kind in kinds
        }
        head = [data, *(kind.replace("_", " ") for kind in kinds)]
        rows = (
            [name, *(estimate(numbers[data][kind][name]).told(3) for kind in kinds)] for name in by_run[0][kinds[0]]
        )
        tables.append(markdown_table([head, *rows]))
    print(json.dumps({"machine": describe(), "nearness": numbers}, indent=1))
    for told in tables:
        console.print(told, soft_wrap=True, markup=False)


if __name__ == "__main__":
    main()
