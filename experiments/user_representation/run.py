"""System A whole: encode modalities, make features, train the autoencoder, transfer, evaluate, draw and report."""

import math

from omegaconf import DictConfig
from rich.console import Console

from experiments import figures
from experiments.data import left_out, made
from experiments.folder import RunFolder
from experiments.lineage.registry import Registry, user_graph
from experiments.user_representation import chain as chains
from experiments.user_representation.all_tasks import chosen
from experiments.user_representation.chain import make_features, train_autoencoder
from experiments.user_representation.components import principal_components
from experiments.user_representation.encoders import NDCG, UNIT, Encoded
from experiments.user_representation.page import page
from experiments.user_representation.paper import TASKS, representation_title
from experiments.user_representation.settings import Settings
from experiments.user_representation.sources import TRAIN, find_people, load_sources
from experiments.user_representation.strata import by_stratum
from experiments.user_representation.tasks import Results, Trained
from experiments.user_representation.together import histories
from experiments.user_representation.users import users_table
from experiments.watch import WatchedFit
from urep_jax.data.datasets.streaming import StreamingConfig
from urep_jax.data.user_features.modality_files import save_modality
from urep_jax.data.user_features.space import save_space
from urep_jax.evaluation.by_user import flat
from urep_jax.serving.online.models import RANKER
from urep_jax.serving.preference import restore_preference
from urep_jax.training.fit import Fit


def run(cfg: DictConfig, folder: RunFolder, console: Console) -> dict[str, float]:
    """Train, test and report; returns what `metrics.json` holds."""
    # What is wrong with a config is known before hours go into data.
    settings, tasks = Settings.from_config(cfg), chosen(cfg.evaluation)
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
    registry = Registry(cfg, folder.path, user_graph(list(by_config)), console)
    console.print(
        f"{log.name}: {log.num_events:,} events, {log.num_sequences:,} users, {log.num_items:,} items; "
        f"{len(people.established):,} established users and {len(people.new):,} new ones are asked about"
    )
    # Histories are of users who train, and end where users are asked about.
    tables = {**sources.tables, "histories": histories(log, people.of(people.established, TRAIN))}

    def watched_fit(name: str, title: str, unit: str) -> WatchedFit:
        return WatchedFit(folder.path / name, title, unit, console, cfg.profile)

    encoded: dict[str, Encoded] = {}
    for name, encoder in by_config.items():
        train = watched_fit(f"encoders/{name}", name, UNIT)
        encoded[name] = encoder(name, tables, settings.training.fit, train)
        save_modality(encoded[name].modality, folder.path / "encoders" / name / "modality")
        registry.trained(encoded[name].modality.space)
    with console.status("making features"):
        features = make_features(sources, people, tuple(one.modality for one in encoded.values()), settings)
        save_space(features.space, folder.path / "features")
    train = watched_fit("autoencoder", "autoencoder", chains.UNIT)
    chain, learnt = train_autoencoder(features, settings, log.sequence_ids, train)
    registry.trained(chain.encoder.space)
    components = principal_components(features.train, chain.weights, settings.model.width, settings.seed)
    source = made(cfg.data.source)
    simulated = source if isinstance(source, StreamingConfig) else None
    trained = Trained(sources, people, chain, components, settings, tuple(tasks), folder, console, simulated)
    results: Results = {}
    numbers: dict[str, float] = {}
    for task in tasks.values():
        answer = task.run(trained)
        results |= answer.results
        numbers |= answer.numbers
    if RANKER in tasks:
        registry.trained(restore_preference(folder.path, RANKER).space)
    of_strata = by_stratum(sources, people, results)
    held = features.validation
    back = {"z_u": chain.unexplained(held), "pca": chain.unexplained_by(components, held)}
    metrics = {
        **flat({f"{name}/{metric}": one for name, found in results.items() for metric, one in found.items()}),
        **numbers,
        **flat({f"strata/{name}/{r}/auc": one for name, own in of_strata.items() for r, one in own.items()}),
        **flat({f"continuation/{name}/{NDCG}": one.continued()[NDCG] for name, one in encoded.items()}),
        **{f"unexplained/{r}/{group}": lost for r, of_group in back.items() for group, lost in of_group.items()},
        "validation_loss": -learnt.best.validation,
    }
    # A group that doesn't vary, or a mean of one, has no number that could be told.
    metrics = {name: value for name, value in metrics.items() if not math.isnan(value)}
    _draw(folder, results, learnt)
    folder.write_users(users_table(log, people, results))
    folder.write_report(page(cfg, sources, people, features.space, metrics, results, of_strata, rejects))
    folder.write_metrics(metrics)
    return metrics


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
