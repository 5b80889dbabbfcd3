"""`task=grow` of a recommender: new items come in. What it says of all others stays what it is, and so its space."""

import dataclasses
from pathlib import Path

import yaml
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from experiments.data import load_data
from experiments.folder import TRAINED, RunFolder, copy_whole, trained_config, write_whole
from experiments.known import tell_known
from experiments.lineage.registry import refresh
from experiments.negative_feedback.protocols import Questions, protocol_of
from experiments.negative_feedback.recipe import Recipe
from experiments.negative_feedback.training import train
from experiments.watch import watched
from urep_jax.core.spaces import refuse_mixed
from urep_jax.data.cases import Split
from urep_jax.data.log import EventLog
from urep_jax.data.sequences import Sequences
from urep_jax.data.vocabulary import Vocabulary, grown_vocabulary, save_vocabulary
from urep_jax.evaluation.by_user import flat
from urep_jax.evaluation.model_scorer import transformer_scorer
from urep_jax.serving.recommender import Recommender
from urep_jax.serving.restore import restore


def grow_recommender(cfg: DictConfig, folder: RunFolder, console: Console) -> dict[str, float]:
    """Let the items of `data` that the recommender of `task.run` doesn't know into it.

    Items come in as they would in a training: those that occur in the training events of `data.split`. Stations and
    devices don't. The folder holds what `restore` and another growth read. The recommender registers in the lineage by
    the id that it has, with this folder, and as old as it is. Returns what `metrics.json` holds.

    Raises:
        ValueError: if the folder doesn't say how it was trained, it knows none of the items, or there is no split.
    """
    run = Path(cfg.task.run)
    was = restore(run)
    own = _as_trained(cfg, run)
    log, split = load_data(own, console)
    folder.claim_data(log, {"recommender": was.space.id, "items": was.cfg.num_items})
    tell_known(console, run, was.vocabulary, "these events", log.item_ids, log.station_ids)
    vocabulary = grown_vocabulary(was.vocabulary, log, split)
    counts = {"were": was.cfg.num_items, "new": len(vocabulary.item_ids) - was.cfg.num_items}
    console.print(f"{counts['were']:,} items are known, and {counts['new']:,} come in")
    save_vocabulary(vocabulary, folder.path / "vocabulary")
    if counts["new"]:
        _learn_new(own, was, log, split, vocabulary, folder, console)
    else:
        copy_whole(run / "checkpoints", folder.path / "checkpoints")
    write_whole(folder.path / TRAINED, yaml.safe_dump(OmegaConf.to_container(own, resolve=True), sort_keys=False))
    now = restore(folder.path)
    refuse_mixed("serve", was.space, now.space)
    refresh(own, folder.path, now.space, console)
    scorer = transformer_scorer(now.params, now.cfg, Sequences(log, now.vocabulary, now.sequences), split.test)
    results = protocol_of(own.data.protocol).test(scorer, Questions.of(log, split, split.test, own.seed))
    metrics = {name: float(count) for name, count in counts.items()} | flat(results)
    folder.write_metrics(metrics)
    return metrics


def _learn_new(
    own: DictConfig,
    was: Recommender,
    log: EventLog,
    split: Split,
    vocabulary: Vocabulary,
    folder: RunFolder,
    console: Console,
) -> None:
    protocol = protocol_of(own.data.protocol)
    with watched(folder.path, "growth", protocol.title, console, trace=own.profile) as watch:
        recipe = grown_recipe(Recipe.from_config(own), was, vocabulary)
        done = train(recipe, log, split, vocabulary, protocol, folder.path, watch, console, was)
        watch.ended(done.result.history)


def grown_recipe(recipe: Recipe, was: Recommender, vocabulary: Vocabulary) -> Recipe:
    """The recipe of a recommender's training, to let the items of a vocabulary that has grown into it.

    Args:
        recipe: of the training.
        was: the recommender.
        vocabulary: its own, and new items.
    """
    model = dataclasses.replace(was.cfg, num_items=len(vocabulary.item_ids))
    return dataclasses.replace(recipe.beginning_fresh(), model=model, sequences=was.sequences, init_from=None)


def _as_trained(cfg: DictConfig, run: Path) -> DictConfig:
    """The config that the recommender was trained with, but for the data."""
    own = OmegaConf.create(trained_config(run))
    assert isinstance(own, DictConfig)
    if cfg.data.split is None:
        raise ValueError(
            f"{run} holds a recommender, which learns from what a split leaves to learn from, but data.split is null; "
            "add experiment=negative_feedback to the command"
        )
    own.data = OmegaConf.create(OmegaConf.to_container(cfg.data, resolve=True))
    own.workspace, own.profile = cfg.workspace, cfg.profile
    return own
