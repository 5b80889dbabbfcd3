"""From a run's folder to what was trained, ready to call; and what a checkpoint must say of a model for that."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from urep_jax.core.mesh import data_mesh, local_mesh, put_copies, replicated
from urep_jax.core.spaces import refuse_mixed, space_of
from urep_jax.data.audio.spectrogram import SpectrogramConfig
from urep_jax.data.content_scale import ContentScale, content_scale
from urep_jax.data.sequences import SequenceConfig
from urep_jax.data.user_features.space import FeatureSpace, load_space
from urep_jax.data.vocabulary import load_vocabulary
from urep_jax.models import autoencoder, content_encoder, transformer
from urep_jax.models.autoencoder import AutoencoderConfig
from urep_jax.models.content_encoder import ContentEncoderConfig
from urep_jax.models.transformer import TransformerConfig
from urep_jax.serving.content_encoder import ContentEncoder
from urep_jax.serving.recommender import Recommender
from urep_jax.serving.user_encoder import UserEncoder
from urep_jax.training.checkpoints import read_best_params, read_config

SYSTEM = "negative_feedback"
FORMAT = 3
"""Of the config in a checkpoint. 1 had `signed` where 2 has `fold_in`; 2 didn't tell `trained_items`."""

ENCODER_SYSTEM = "user_representation"
ENCODER_FORMAT = 2
"""Of the config in an autoencoder's checkpoint. 1 didn't tell which spaces of items it reads."""

CONTENT_FORMAT = 1
"""Of the config in a content encoder's checkpoint. Without a number, the scale isn't told."""


def stored_config(model: TransformerConfig, sequences: SequenceConfig, trained_items: int) -> dict[str, Any]:
    """What checkpoints of a recommender keep beside its parameters, so that `restore` can build it again.

    Args:
        model: size and inputs.
        sequences: how its input is made.
        trained_items: how many of its items it was trained on; the others have come in since.
    """
    return {
        "system": SYSTEM,
        "format": FORMAT,
        "model": dataclasses.asdict(model),
        "sequences": dataclasses.asdict(sequences),
        "trained_items": trained_items,
    }


def restore(run_folder: str | os.PathLike[str]) -> Recommender:
    """The best model of a run, on all devices of this process, whatever it was trained on.

    Only parameters are read: no optimiser state, no data, and no config but the one that the checkpoint holds.

    Args:
        run_folder: the folder that the run named at its end, or the folder of a baseline in it (`positive_only`).

    Raises:
        FileNotFoundError: if there is no such folder, or nothing in it was trained yet.
        ValueError: if it is a run of another system, or was written by a version that this one does not read.

    Example, after `python -m experiments.run hydra.run.dir=outputs/mine`::

        model = urep_jax.restore("outputs/mine")
        events = {"item_id": ["track 7", "track 12"], "feedback": ["up", "skip"]}
        model.rank(events, candidates=["track 1", "track 2"], station="station 3").items
        model.recommend(events, station="station 3", k=5).items
    """
    folder = Path(run_folder)
    config = model_config(folder)
    cfg = TransformerConfig(**config["model"])
    like = jax.eval_shape(lambda: transformer.init(jax.random.key(0), cfg))
    _, params = read_best_params(folder / "checkpoints", like)
    # A baseline that was trained within a run shares the run's vocabulary.
    home = folder if (folder / "vocabulary").is_dir() else folder.absolute().parent
    if not (home / "vocabulary").is_dir():
        raise FileNotFoundError(
            f"{folder} holds no vocabulary/, nor does the folder above it; copy the run's folder whole"
        )
    return Recommender(
        params=put_copies(params, data_mesh()),
        cfg=cfg,
        sequences=SequenceConfig(**config["sequences"]),
        vocabulary=load_vocabulary(home / "vocabulary"),
        trained_items=config["trained_items"],
    )


def stored_encoder_config(model: AutoencoderConfig, features: FeatureSpace) -> dict[str, Any]:
    """What checkpoints of an autoencoder keep beside its parameters, so that `restore_encoder` can build it again."""
    reads = [modality.space.plain() for modality in features.modalities]
    return {"system": ENCODER_SYSTEM, "format": ENCODER_FORMAT, "model": dataclasses.asdict(model), "reads": reads}


def holds_encoder(run_folder: str | os.PathLike[str]) -> bool:
    """Whether a run made user representations, for `restore_encoder`, and not a recommender, for `restore`."""
    return (Path(run_folder) / "autoencoder").is_dir()


def restore_encoder(run_folder: str | os.PathLike[str]) -> UserEncoder:
    """The trained chain of a run of user representations, on all devices of this process.

    Args:
        run_folder: the folder that the run named at its end.

    Raises:
        FileNotFoundError: if there is no such folder, or its autoencoder wasn't trained yet.
        ValueError: if it was written by a version that this one does not read.
        SpaceMismatch: if its features are made of other vectors of items than it was trained on.
    """
    folder = Path(run_folder)
    checkpoints = folder / "autoencoder" / "checkpoints"
    if (folder / "checkpoints").is_dir():
        raise ValueError(f"{folder} holds a recommender, and no encoder of users; take urep_jax.restore for it")
    _check_folder(folder, checkpoints)
    config = read_config(checkpoints)
    if (config.get("system"), config.get("format")) != (ENCODER_SYSTEM, ENCODER_FORMAT):
        raise ValueError(
            f"{folder} was written in format {config.get('format')}, but this version reads {ENCODER_FORMAT}; train it "
            "again, or restore it with the version that wrote it (see versions.json)"
        )
    model = {**config["model"], "hidden": tuple(config["model"]["hidden"])}
    cfg = AutoencoderConfig(**model)
    features = load_space(folder / "features")
    for trained, there in zip(map(space_of, config["reads"]), features.modalities, strict=True):
        refuse_mixed(f"encode users, as {folder} has them, from", trained, there.space)
    _, params = read_best_params(checkpoints, jax.eval_shape(lambda: autoencoder.init(jax.random.key(0), cfg)))
    return UserEncoder(features, jax.device_put(params, replicated(local_mesh())), cfg)


def stored_content_config(
    model: ContentEncoderConfig, scale: ContentScale, sound: SpectrogramConfig | None
) -> dict[str, Any]:
    """What checkpoints of a content encoder keep beside its parameters, so that it can be put to use on other items."""
    return {
        "system": ENCODER_SYSTEM,
        "format": CONTENT_FORMAT,
        "model": dataclasses.asdict(model),
        "scale": scale.plain(),
        "sound": None if sound is None else dataclasses.asdict(sound),
    }


def restore_content_encoder(run_folder: str | os.PathLike[str], name: str) -> ContentEncoder:
    """A content encoder of a run that trained one, with the scale of what it was trained on.

    Args:
        run_folder: the folder of a run of user representations, or of `task=train_audio`.
        name: of the modality, such as `audio`.

    Raises:
        FileNotFoundError: if there is no such folder, or nothing was trained yet.
        ValueError: if the run has no such encoder, it reads no content, or was written by a version that this one does
            not read.
    """
    folder = Path(run_folder)
    there = sorted(path.name for path in (folder / "encoders").glob("*"))
    if there and name not in there:
        raise ValueError(f"{folder} has no encoder {name!r}, but {', '.join(there)}; name one of them")
    checkpoints = folder / "encoders" / name / "checkpoints"
    _check_folder(folder, checkpoints)
    config = read_config(checkpoints)
    if "shape" not in config["model"]:
        raise ValueError(f"{name!r} of {folder} has learnt from logs, and reads no content; name another encoder")
    if config.get("format") != CONTENT_FORMAT:
        raise ValueError(
            f"{folder} was written in format {config.get('format')}, but this version reads {CONTENT_FORMAT}; train it "
            "again, or restore it with the version that wrote it (see versions.json)"
        )
    model = {**config["model"], "shape": tuple(config["model"]["shape"]), "hidden": tuple(config["model"]["hidden"])}
    cfg = ContentEncoderConfig(**model)
    _, params = read_best_params(checkpoints, jax.eval_shape(lambda: content_encoder.init(jax.random.key(0), cfg)))
    sound = config["sound"] and SpectrogramConfig(**config["sound"])
    return ContentEncoder(name, params, cfg, content_scale(config["scale"]), sound)


def model_config(run_folder: str | os.PathLike[str]) -> Mapping[str, Any]:
    """What a run's checkpoints say of its model, as `stored_config` would write it today; no parameters are read.

    Args:
        run_folder: as `restore` takes it.

    Raises:
        FileNotFoundError: if there is no such folder, or nothing in it was trained yet.
        ValueError: if it is a run of another system, or was written by a version that this one does not read.
    """
    folder = Path(run_folder)
    if holds_encoder(folder):
        raise ValueError(f"{folder} holds user representations; take urep_jax.restore_encoder for it")
    checkpoints = folder / "checkpoints"
    _check_folder(folder, checkpoints)
    return _current(folder, read_config(checkpoints))


def _check_folder(folder: Path, checkpoints: Path) -> None:
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder; name a run's folder, which the run prints at its end")
    if checkpoints.is_dir() and any(checkpoints.iterdir()):
        return
    if (folder / "config.yaml").is_file():
        raise FileNotFoundError(
            f"{folder} holds a run that has saved no checkpoint yet; repeat the run's command to continue it, "
            "and restore it once an epoch is done"
        )
    raise FileNotFoundError(
        f"{folder} is no run's folder: it holds no checkpoints/; name a run's folder, which the run prints at its end"
    )


def _current(folder: Path, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A checkpoint's config as this version writes it."""
    system, version = config.get("system"), config.get("format")
    if system != SYSTEM:
        raise ValueError(
            f"{folder} holds a model of the system {system!r}, but only {SYSTEM!r} can be restored; name such a run"
        )
    if version == 2 or (version == 1 and not config["model"].get("signed")):
        model = {knob: value for knob, value in config["model"].items() if knob != "signed"}
        return {**config, "format": FORMAT, "model": model, "trained_items": model["num_items"]}
    if version != FORMAT:
        raise ValueError(
            f"{folder} was written in format {version}, but this version reads {FORMAT}; "
            "train it again, or restore it with the version that wrote it (see versions.json)"
        )
    return config
