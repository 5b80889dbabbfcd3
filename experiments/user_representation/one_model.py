"""`task=train_model`: one model of a chain, trained on what other runs have trained."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console

from experiments.data import made
from experiments.folder import RunFolder
from experiments.lineage.registry import Registry, user_graph
from experiments.user_representation import chain as chains
from experiments.user_representation.chain import make_features, train_autoencoder, trained_before
from experiments.user_representation.components import principal_components
from experiments.user_representation.encoders import NDCG, UNIT
from experiments.user_representation.future import future_listening
from experiments.user_representation.settings import Settings
from experiments.user_representation.sources import TRAIN, People, Sources, find_people, load_sources
from experiments.user_representation.tasks import Trained
from experiments.user_representation.together import histories
from experiments.watch import WatchedFit
from urep_jax.core.spaces import Space
from urep_jax.data.user_features.modality_files import load_modality, save_modality
from urep_jax.data.user_features.space import save_space
from urep_jax.evaluation.by_user import flat
from urep_jax.serving.online.models import RANKER, USERS
from urep_jax.serving.preference import restore_preference
from urep_jax.serving.restore import restore_encoder


@dataclasses.dataclass(frozen=True, eq=False)
class _Training:
    """What the training of any one model is given."""

    cfg: DictConfig
    folder: RunFolder
    console: Console
    settings: Settings
    sources: Sources
    people: People
    upstream: Mapping[str, Path]

    def fit(self, path: str, title: str, unit: str) -> WatchedFit:
        return WatchedFit(self.folder.path / path, title, unit, self.console, self.cfg.profile)


def train_model(cfg: DictConfig, folder: RunFolder, console: Console) -> dict[str, float]:
    """Train `task.model`; returns what `metrics.json` holds."""
    settings = Settings.from_config(cfg)
    graph = user_graph(list(cfg.data.get("modalities") or {}))
    model = cfg.task.model
    if model not in graph:
        raise ValueError(f"task.model is {model}, but must be one of {', '.join(graph)}")
    upstream = {str(name): Path(run) for name, run in (cfg.task.upstream or {}).items()}
    # What is downstream of users reads encoders through them.
    needed = (USERS,) if model == RANKER else graph[model]
    if missing := [name for name in needed if name not in upstream]:
        raise ValueError(
            f"{model} reads {', '.join(graph[model])}, but task.upstream doesn't say where {', '.join(missing)} was "
            "trained; give the folder of a run for each"
        )
    sources = load_sources(cfg, console)
    people = find_people(sources, settings.asked, settings.seed)
    folder.claim_data(sources.log)
    registry = Registry(cfg, folder.path, graph, console)
    training = _Training(cfg, folder, console, settings, sources, people, upstream)
    train = {USERS: _users, RANKER: _future}.get(model, _encoder)
    space, metrics = train(training, model)
    metrics = {name: value for name, value in metrics.items() if not math.isnan(value)}
    registry.trained(space)
    console.print(f"trained {space.id}")
    folder.write_metrics(metrics)
    return metrics


def _encoder(training: _Training, name: str) -> tuple[Space, dict[str, float]]:
    sources, people = training.sources, training.people
    tables = {**sources.tables, "histories": histories(sources.log, people.of(people.established, TRAIN))}
    encoder, train = made(training.cfg.data.modalities[name]), training.fit(f"encoders/{name}", name, UNIT)
    encoded = encoder(name, tables, training.settings.training.fit, train)
    save_modality(encoded.modality, training.folder.path / "encoders" / name / "modality")
    return encoded.modality.space, flat({f"continuation/{name}/{NDCG}": encoded.continued()[NDCG]})


def _users(training: _Training, name: str) -> tuple[Space, dict[str, float]]:
    modalities = tuple(
        load_modality(training.upstream[one] / "encoders" / one / "modality") for one in training.cfg.data.modalities
    )
    features = make_features(training.sources, training.people, modalities, training.settings)
    save_space(features.space, training.folder.path / "features")
    train = training.fit("autoencoder", "autoencoder", chains.UNIT)
    chain, learnt = train_autoencoder(features, training.settings, training.sources.log.sequence_ids, train)
    return chain.encoder.space, {"validation_loss": -learnt.best.validation}


def _future(training: _Training, name: str) -> tuple[Space, dict[str, float]]:
    sources, people, settings = training.sources, training.people, training.settings
    chain = trained_before(restore_encoder(training.upstream[USERS]), sources, people, settings)
    # Only what is served is trained.
    settings = dataclasses.replace(settings, asked=dataclasses.replace(settings.asked, beside=()))
    components = principal_components(chain.features.train, chain.weights, chain.model.width, settings.seed)
    trained = Trained(sources, people, chain, components, settings, (RANKER,), training.folder, training.console)
    answer = future_listening(trained)
    metrics = flat({f"{one}/{metric}": of for one, found in answer.results.items() for metric, of in found.items()})
    return restore_preference(training.folder.path, RANKER).space, metrics
