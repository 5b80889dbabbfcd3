"""`task=grow` of a trained chain: new items come in. Its spaces, and all vectors that there are, stay what they are."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from experiments.data import made
from experiments.folder import TRAINED, RunFolder, copy_whole, trained_config, write_whole
from experiments.lineage.registry import refresh
from experiments.user_representation.encoders import NDCG, UNIT, Learnt
from experiments.user_representation.growth import Grown, grow
from experiments.user_representation.settings import Settings
from experiments.user_representation.sources import TRAIN, find_people, load_sources
from experiments.user_representation.together import histories
from experiments.watch import WatchedFit
from urep_jax.core.spaces import refuse_mixed
from urep_jax.data.user_features.modality_files import load_modality, save_modality
from urep_jax.data.user_features.space import save_space
from urep_jax.evaluation.by_user import flat
from urep_jax.serving.restore import restore_encoder


def grow_chain(cfg: DictConfig, folder: RunFolder, console: Console) -> dict[str, float]:
    """Let the items of `data` that have no vector into the chain of `task.run`; returns what `metrics.json` holds.

    The folder holds what `restore_encoder`, `restore_content_encoder` and another growth read. Each model registers in
    the lineage by the id that it has, with this folder, and as old as it is.
    """
    run = Path(cfg.task.run)
    was = restore_encoder(run)
    own = _as_trained(cfg, run)
    names = [one.name for one in was.features.modalities]
    if unknown := sorted(set(names) - set(own.data.modalities)):
        raise ValueError(f"{run} doesn't say how {unknown[0]} was trained; name the run that trained the chain")
    settings = Settings.from_config(own)
    sources = load_sources(own, console)
    people = find_people(sources, settings.asked, settings.seed)
    homes = {name: Path((cfg.task.upstream or {}).get(name, run)) for name in names}
    before = {one.name: [one.space.id, len(one.item_ids)] for one in was.features.modalities}
    folder.claim_data(sources.log, {"users": was.space.id, "items": before})
    tables = {**sources.tables, "histories": histories(sources.log, people.of(people.established, TRAIN))}
    grown: dict[str, Grown] = {}
    metrics: dict[str, float] = {}
    for reads in was.features.modalities:
        name = reads.name
        there = load_modality(homes[name] / "encoders" / name / "modality")
        refuse_mixed("add to", reads.space, there.space)
        here = folder.path / "encoders" / name
        train = WatchedFit(here, name, UNIT, console, cfg.profile)
        encoder = made(own.data.modalities[name])
        grown[name] = found = grow(encoder, there, homes[name], tables, settings.training.fit, train)
        if isinstance(encoder, Learnt) and not (here / "checkpoints").is_dir():
            copy_whole(homes[name] / "encoders" / name / "checkpoints", here / "checkpoints")
        save_modality(found.modality, here / "modality")
        counts = _counts(there.item_ids, found, sources.log.item_ids)
        console.print(_told(name, counts, found.new_words), soft_wrap=True)
        metrics |= {f"{name}_{what}": float(count) for what, count in counts.items()}
        if found.continued is not None:
            metrics |= flat({f"continuation/{name}/{NDCG}": found.continued[NDCG]})
    features = was.features.grown([one.modality for one in grown.values()], sources.tables.get("items"))
    save_space(features, folder.path / "features")
    copy_whole(run / "autoencoder" / "checkpoints", folder.path / "autoencoder" / "checkpoints")
    write_whole(folder.path / TRAINED, yaml.safe_dump(OmegaConf.to_container(own, resolve=True), sort_keys=False))
    now = restore_encoder(folder.path)
    refuse_mixed("serve", was.space, now.space)
    for space in (*now.space.parents, now.space):
        refresh(own, folder.path, space, console)
    folder.write_metrics(metrics)
    return metrics


def _as_trained(cfg: DictConfig, run: Path) -> DictConfig:
    """The config that the chain was trained with, but for the data, whose encoders stay the same."""
    own = OmegaConf.create(trained_config(run))
    assert isinstance(own, DictConfig)
    modalities = own.data.modalities
    own.data = OmegaConf.create(OmegaConf.to_container(cfg.data, resolve=True))
    own.data.modalities, own.workspace = modalities, cfg.workspace
    return own


def _counts(were: pa.StringArray, found: Grown, items: pa.StringArray) -> dict[str, int]:
    """How many items had a vector, how many came in, and how many of the data's have none."""
    without = np.sum(~np.asarray(pc.is_in(items, value_set=found.modality.item_ids)))
    return {"were": len(were), "new": len(found.modality.item_ids) - len(were), "without": int(without)}


def _told(name: str, counts: Mapping[str, int], new_words: int) -> str:
    told = (
        f"{name}: {counts['were']:,} items have a vector, {counts['new']:,} come in, and {counts['without']:,} of the "
        "data have none"
    )
    return told + (f"; {new_words:,} new words are left out" if new_words else "")
