"""System A whole: encode modalities, make features, train the autoencoder, transfer, evaluate, draw and report."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console

from experiments import figures
from experiments.data import left_out, made
from experiments.folder import RunFolder
from experiments.user_representation import chain as chains
from experiments.user_representation import encoders
from experiments.user_representation.chain import make_features, train_autoencoder
from experiments.user_representation.clusters import clusters
from experiments.user_representation.cold_start import cold_start
from experiments.user_representation.encoders import Encoded
from experiments.user_representation.future import future_listening
from experiments.user_representation.page import TASKS, page, representation_title
from experiments.user_representation.representations import principal_components
from experiments.user_representation.settings import Settings
from experiments.user_representation.sources import TRAIN, People, Sources, find_people, load_sources
from experiments.user_representation.tasks import Results, Trained
from experiments.user_representation.together import histories
from experiments.user_representation.users import users_table
from experiments.watch import watched
from urep_jax.data.user_features.space import save_space
from urep_jax.evaluation.by_user import flat
from urep_jax.training.fit import Fit, FitConfig, fit
from urep_jax.training.objective import Objective, Params
from urep_jax.training.optimizers import adam


def run(cfg: DictConfig, folder: RunFolder, console: Console) -> dict[str, float]:
    """Train, test and report; returns what `metrics.json` holds."""
    # What is wrong with a config is known before hours go into data.
    settings = Settings.from_config(cfg)
    if not cfg.data.get("modalities"):
        raise ValueError(
            f"data.modalities of {cfg.data.name} names none, but users are made of what they listen to; name one, as "
            "conf/data/streaming.yaml does"
        )
    by_config = {str(name): made(entry) for name, entry in cfg.data.modalities.items()}
    sources = load_sources(cfg, console)
    rejects = left_out(cfg)
    log, people = sources.log, find_people(sources, settings.asked, settings.seed)
    folder.claim_data(log)
    console.print(
        f"{log.name}: {log.num_events:,} events, {log.num_sequences:,} users, {log.num_items:,} items; "
        f"{len(people.established):,} established users and {len(people.new):,} new ones are asked about"
    )
    encoded = {
        name: _encode(name, encoder, sources, people, settings, folder.path, console, cfg.profile)
        for name, encoder in by_config.items()
    }
    with console.status("making features"):
        features = make_features(sources, people, tuple(one.modality for one in encoded.values()), settings)
        save_space(features.space, folder.path / "features")
    path = folder.path / "autoencoder"
    with watched(path, "autoencoder", chains.UNIT, console, trace=cfg.profile) as watch:
        chain = train_autoencoder(features, settings, log.sequence_ids, path / "checkpoints", watch)
        watch.ended(chain.result.history)
    components = principal_components(features, settings.model.width, settings.seed)
    trained = Trained(sources, people, chain, components, settings, folder.path, console)
    results: Results = {}
    for task in (future_listening, cold_start, clusters):
        results |= task(trained)

    held = features.validation
    back = {"z_u": chain.unexplained(held), "pca": chain.unexplained_by(components, held)}
    metrics = {
        **{f"{name}/{key}": value for name, found in results.items() for key, value in flat(found).items()},
        **{f"continuation/{name}/{key}": v for name, one in encoded.items() for key, v in _continued(one).items()},
        **{f"unexplained/{r}/{group}": lost for r, of_group in back.items() for group, lost in of_group.items()},
        "validation_loss": -chain.result.best.validation,
    }
    # A group that doesn't vary, or a mean of one, has no number that could be told.
    metrics = {name: value for name, value in metrics.items() if not math.isnan(value)}
    _draw(folder, results, chain.result)
    folder.write_users(users_table(log, people, results))
    folder.write_report(page(cfg, sources, people, features.space, metrics, results, rejects))
    folder.write_metrics(metrics)
    return metrics


def _continued(encoded: Encoded) -> Mapping[str, float]:
    return flat({"ndcg@500": encoded.continued})


def _encode(
    name: str,
    encoder: Any,
    sources: Sources,
    people: People,
    settings: Settings,
    folder: Path,
    console: Console,
    trace: bool,
) -> Encoded:
    """Train a modality encoder, or go on where an earlier call stopped, and encode all items."""
    # Histories are of users who train, and end where users are asked about.
    train = people.of(people.established, TRAIN)
    tables = {**sources.tables, "histories": histories(sources.log, train)}
    path = folder / "encoders" / name
    with watched(path, name, encoders.UNIT, console, trace=trace) as watch:

        def trained(
            objective: Objective,
            learning_rate: float,
            batches: Any,
            validate: Callable[[Params], tuple[float, Mapping[str, float]]],
            cfg: FitConfig,
            config: Mapping[str, Any],
        ) -> Fit:
            result = fit(objective, adam(learning_rate), batches, validate, cfg, path / "checkpoints", config, watch)
            watch.ended(result.history)
            return result

        found: Encoded = encoder(name, tables, settings.training.fit, trained)
    return found


def _draw(folder: RunFolder, results: Results, autoencoder: Fit) -> None:
    """The figures of a run: a bar for each representation in each task, and how the autoencoder learnt."""
    figures.training_curves(autoencoder.history, chains.UNIT, folder.figures / "training.png")
    for task, (metric, title) in TASKS.items():
        found = {
            representation_title(name.removeprefix(f"{task}/")): (of[metric].value, of[metric].ci95)
            for name, of in results.items()
            if name.startswith(f"{task}/")
        }
        if found:
            figures.compared(found, title, folder.figures / f"{task.replace('/', '_')}.png")
