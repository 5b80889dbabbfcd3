"""`task=train_audio`: an encoder of tracks, trained on a folder of audio files alone."""

import dataclasses
import math

import pyarrow.parquet as pq
from omegaconf import DictConfig
from rich.console import Console

from experiments.audio_parts import open_audio, write_audio
from experiments.data import made
from experiments.folder import RunFolder
from experiments.user_representation.encoders import NDCG, UNIT, Content
from experiments.watch import WatchedFit
from urep_jax.evaluation.by_user import flat
from urep_jax.training.fit import FitConfig

NAME = "audio"
"""What the encoder is called, as among the modalities of a user."""


def train_audio(cfg: DictConfig, folder: RunFolder, console: Console) -> dict[str, float]:
    """Spectrograms of all files to `items/`, then the encoder to `encoders/audio/`.

    Returns:
        How many files there are, and NDCG@500 of the last tracks of artists who were held out, given their first ones.
    """
    encoder: Content = made(cfg.task.encoder)
    sound = encoder.sound
    if sound is None:
        raise ValueError("task.encoder.sound is null, but must say how spectrograms are made from audio files")
    audio = open_audio(cfg)
    folder.claim_files(len(audio.files), audio.digest(), {"sound": dataclasses.asdict(sound)})
    rows = write_audio(audio, cfg.task.block, sound, lambda items: items, folder, console)
    console.print(f"{rows:,} files")
    like = FitConfig(cfg.train.epochs, cfg.train.patience, cfg.seed, cfg.train.parallel, cfg.train.checkpoint_every)
    train = WatchedFit(folder.path / "encoders" / NAME, NAME, UNIT, console, cfg.profile)
    found = encoder(NAME, {"items": pq.read_table(folder.path / "items")}, like, train)
    results = flat({f"continuation/{NAME}/{NDCG}": found.continued()[NDCG]})
    # Of one artist there is no interval.
    metrics = {"files": float(rows), **{name: value for name, value in results.items() if not math.isnan(value)}}
    folder.write_metrics(metrics)
    return metrics
