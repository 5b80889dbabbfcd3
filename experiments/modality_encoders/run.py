"""The modality encoders of a data set alone: train them on its playlists, test their vectors, draw and report."""

import math
from typing import Any

from omegaconf import DictConfig
from rich.console import Console

from experiments import figures
from experiments.data import left_out, load_log, load_tables, made
from experiments.folder import RunFolder
from experiments.modality_encoders.page import METRICS, page
from experiments.modality_encoders.settings import Settings
from experiments.modality_encoders.tested import Tested, assess
from experiments.tables import model_title
from experiments.user_representation.encoders import NDCG, UNIT, Encoded
from experiments.watch import WatchedFit
from urep_jax.data.playlists import playlist_log, read_playlists


def run(cfg: DictConfig, folder: RunFolder, console: Console) -> dict[str, float]:
    """Train, test and report; returns what `metrics.json` holds.

    Raises:
        ValueError: if the data has no playlists, or no encoder that learns from them.
    """
    # What is wrong with a config is known before hours go into data.
    settings = Settings.from_config(cfg)
    encoders = _encoders(cfg, console)
    load_log(cfg, console)
    tables, rejects = load_tables(cfg), left_out(cfg)
    if "playlists" not in tables:
        raise _no_playlists(f"{cfg.data.name} has no table of playlists")
    playlists = playlist_log(read_playlists(tables["playlists"]), cfg.data.name)
    folder.claim_data(playlists)
    console.print(
        f"{playlists.name}: {playlists.num_sequences:,} playlists, {playlists.num_events:,} places, "
        f"{playlists.num_items:,} tracks"
    )
    encoded: dict[str, Encoded] = {}
    for name, encoder in encoders.items():
        train = WatchedFit(folder.path / "encoders" / name, name, UNIT, console, cfg.profile)
        encoded[name] = encoder(name, tables, settings.fit, train)
    tested: dict[str, Tested] = {}
    for name, one in encoded.items():
        with console.status(f"testing {name}"):
            tested[name] = assess(one, tables.get("items"), settings)
    found = {key: value for name, results in tested.items() for key, value in results.metrics(name).items()}
    # A mean of one has no interval that could be told.
    metrics = {key: value for key, value in found.items() if not math.isnan(value)}
    for name, results in tested.items():
        _draw(folder, name, encoded[name], results)
    folder.write_report(page(cfg, playlists, encoded, tested, metrics, rejects))
    folder.write_metrics(metrics)
    return metrics


def _encoders(cfg: DictConfig, console: Console) -> dict[str, Any]:
    """The encoders of the data's modalities that learn from playlists; which don't is told."""
    found = {}
    for name, entry in (cfg.data.get("modalities") or {}).items():
        encoder = made(entry)
        # Histories are of users, and there are none here.
        if "playlists" in encoder.together and "histories" not in encoder.together:
            found[str(name)] = encoder
        else:
            told = " and ".join(encoder.together)
            console.print(f"{name} is left out: it learns from {told}, but must from playlists", soft_wrap=True)
    if not found:
        raise _no_playlists(f"data.modalities of {cfg.data.name} names none that learns from playlists")
    return found


def _no_playlists(problem: str) -> ValueError:
    return ValueError(
        f"{problem}, but encoders are tried on playlists here; take data=million_playlist or data=streaming, or "
        "experiment=user_representation for what is learnt from histories"
    )


def _draw(folder: RunFolder, name: str, encoded: Encoded, tested: Tested) -> None:
    """How an encoder learnt, and how it continues playlists beside the baselines."""
    if encoded.fit is not None:
        figures.training_curves(encoded.fit.history, UNIT, folder.figures / f"{name}_training.png")
    found = {name: tested.continued, **{model_title(model): one for model, one in tested.baselines.items()}}
    ndcg = {title: (results[NDCG].value, results[NDCG].ci95) for title, results in found.items()}
    figures.compared(ndcg, f"{METRICS[NDCG]} of playlists' ends", folder.figures / f"{name}_continuation.png")
