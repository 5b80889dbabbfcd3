"""`lineage.command=retrain`: train what is due, parents first, and let each model serve as soon as it is trained."""

import itertools
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.text import Text

from experiments.folder import flatten, trained_config
from experiments.knobs import groups
from experiments.launch import run
from urep_jax.lineage.batch import Batch
from urep_jax.lineage.state import Lineage
from urep_jax.lineage.store import LineageStore

_OWN = ("task", "lineage", "workspace", "hydra")
"""Knobs of the command itself; all others are of the trainings."""


def retrain(cfg: DictConfig, store: LineageStore, console: Console) -> None:
    """Train each model that is due as its current batch was trained, with the knobs that the command line gives.

    What is downstream goes on serving what it was trained on until it is trained itself. Stopped and called again, it
    goes on with the training that it was at.

    Raises:
        ValueError: if the chain isn't one of user representations, or a model was never trained.
    """
    chain = cfg.lineage.chain
    seen = store.look(chain)
    due = [one.model for one in seen.lineage.due(time.time())]
    if cfg.lineage.model is not None:
        due = [seen.lineage.serving(cfg.lineage.model).batch.model, *seen.lineage.graph.downstream(cfg.lineage.model)]
    if not due:
        console.print("nothing is due")
    for place, model in enumerate(due):
        console.rule(Text(f"{model} ({place + 1} of {len(due)})"), align="left")
        _one(cfg, store, model, console)


def _one(cfg: DictConfig, store: LineageStore, model: str, console: Console) -> None:
    chain, state = cfg.lineage.chain, store.look(cfg.lineage.chain).lineage
    before = state.serving(model).batch
    own = _config(cfg, state, before)
    folder = _folder(own, state, model)
    run(own, folder, console)
    (new,) = [batch for batch in store.look(chain).lineage.slots.all() if batch.run == str(folder.absolute())]
    if new.space_id == before.space_id:
        console.print(f"{model} is what it was, {new.space_id}: neither its data nor its knobs have changed")
        return
    store.rotate(chain, [new.space_id])
    console.print(f"{model}: {new.space_id} serves, {before.space_id} is legacy")


def _config(cfg: DictConfig, state: Lineage, before: Batch) -> DictConfig:
    """The config that a model was trained with last, with what the command line says otherwise, to train it alone.

    Raises:
        ValueError: if that config is no more, or is not of user representations.
    """
    if not (Path(before.run) / "config.yaml").is_file():
        raise ValueError(
            f"{before.run} is gone, so nothing says how {before.model} was trained; train it with task=train_model"
        )
    plain = trained_config(Path(before.run))
    if plain["system"] != "user_representation":
        raise ValueError(
            f"{before.run} is of {plain['system']}, whose one model is trained with python -m experiments.run and then "
            "rotated in with lineage.command=rotate"
        )
    own = OmegaConf.create(plain)
    for name, value in _overrides(cfg).items():
        OmegaConf.update(own, name, value)
    own.workspace, own.lineage = cfg.workspace, {"chain": cfg.lineage.chain, "retrain_days": None}
    own.main = "experiments.user_representation.one_model.train_model"
    current = {name: state.current[name].run for name in state.graph.upstream(before.model)}
    own.task = {"name": "train_model", "model": before.model, "upstream": current}
    assert isinstance(own, DictConfig)
    return own


def _overrides(cfg: DictConfig) -> Mapping[str, Any]:
    """What the command line says of trainings."""
    names = [override.lstrip("+~").partition("=")[0] for override in HydraConfig.get().overrides.task]
    own = [name for name in names if name.split(".")[0] not in _OWN and name not in groups()]
    plain = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(plain, dict)
    flat = flatten({str(name): value for name, value in plain.items()})
    return {
        place: value
        for place, value in flat.items()
        if any(place == name or place.startswith(f"{name}.") for name in own)
    }


def _folder(own: DictConfig, state: Lineage, model: str) -> Path:
    """Where the training goes: named by what it follows and reads, so that the same command finds it again.

    Each choice of knobs has a folder of its own.
    """
    read = "-".join([state.current[name].space_id.rpartition("-")[2][:8] for name in state.graph.parents[model]])
    before = state.current[model]
    since = f"{before.space_id.rpartition('-')[2][:8]}-{before.trained_at:.0f}"
    home = Path(own.workspace) / "chains" / own.lineage.chain / model
    plain = OmegaConf.to_container(own, resolve=True)
    for number in itertools.count(1):
        folder = home / f"after-{since}{f'-on-{read}' if read else ''}{f'-{number}' if number > 1 else ''}"
        saved = folder / "config.yaml"
        if not saved.is_file() or yaml.safe_load(saved.read_text()) == plain:
            return folder
    raise AssertionError("numbers don't end")
