"""What downstream models cost with z_u, and with curated features instead (§5.2.2, Fig. 8)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.history import read_history
from experiments.user_representation.tasks import Answer, Trained
from experiments.user_representation.towers import CANDIDATES
from urep_jax.data.chosen_items import ChosenBatch
from urep_jax.data.labelled_pairs import PairBatch
from urep_jax.data.lists import ListBatch
from urep_jax.models.preference import PreferenceConfig
from urep_jax.models.ranker import RankerConfig
from urep_jax.models.two_tower import TwoTowerConfig
from urep_jax.training.checkpoints import read_config
from urep_jax.training.operations import step_operations
from urep_jax.training.preference import preference_objective
from urep_jax.training.ranker import ranker_objective
from urep_jax.training.two_tower import two_tower_objective

COMPARED: Mapping[str, tuple[str, str]] = {
    "artist_preference": ("with", "without"),
    "two_tower": ("z_u", "curated"),
    "ranker": ("z_u", "curated"),
}
"""What is trained both ways, and what either way is called: with z_u, and with curated features."""

_BYTES = np.dtype(np.float32).itemsize


def cost(trained: Trained) -> Answer:
    """`cost/<artist_preference|two_tower|ranker>/<...>/<features|bytes|steps|flops>`: what a model costs either way.

    Features are the numbers that a user has, and bytes what they take in float32. Steps are those of the training up to
    its best epoch, and flops the operations of the matrix products in them, forth and back (`step_operations`). What
    z_u itself costs, once for all models, isn't among them. All of it is read from what the trainings of earlier tasks
    have left in the run folder; what isn't trained both ways isn't told of.
    """
    found: dict[str, float] = {}
    for model, folder in _trainings(trained).items():
        if not all((folder / name).is_dir() for name in COMPARED[model]):
            continue
        for name in COMPARED[model]:
            history, size = read_history(folder / name), read_config(folder / name / "checkpoints")["model"]
            steps = max(history, key=lambda epoch: epoch.validation).step
            told = {
                "features": size["user_width"],
                "bytes": size["user_width"] * _BYTES,
                "steps": steps,
                "flops": steps * _of_step(model, size, trained),
            }
            found |= {f"cost/{model}/{name}/{what}": float(value) for what, value in told.items()}
    return Answer(numbers=found)


def _trainings(trained: Trained) -> dict[str, Path]:
    """Where the trainings of the tasks lie; those of a task that isn't asked may have been stopped midway."""
    folder, asked = trained.folder.path, set(trained.tasks)
    folders = {
        "artist_preference": (folder / "transfer" / "artist_preference", {"artist_preference"}),
        "two_tower": (folder / "two_tower", {"candidates", "ranker"}),
        "ranker": (folder / "ranker", {"ranker"}),
    }
    return {model: path for model, (path, by) in folders.items() if by & asked}


def _of_step(model: str, size: Mapping[str, Any], trained: Trained) -> int:
    """Operations of a step, from the size of a model as its checkpoint has it."""
    settings, users, items = trained.settings, size["user_width"], size["item_width"]
    # Only shapes are looked at: they stand for arrays.
    array: Any = jax.ShapeDtypeStruct
    if model == "artist_preference":
        B = settings.transfer.batch_size
        pairs = PairBatch(
            user=array((B, users), np.float32),
            item=array((B, items), np.float32),
            label=array((B,), np.bool_),
            is_pair=array((B,), np.bool_),
            row=array((B,), np.int32),
        )
        return step_operations(preference_objective(PreferenceConfig(**size)), pairs)
    if model == "two_tower":
        B, M = settings.two_tower.training.batch_size, settings.two_tower.block
        blocks = ChosenBatch(
            user=array((B, M, users), np.float32),
            item=array((B, M, items), np.float32),
            number=array((B, M), np.int32),
            log_q=array((B, M), np.float32),
            is_pair=array((B, M), np.bool_),
        )
        return step_operations(two_tower_objective(TwoTowerConfig(**{**size, "hidden": tuple(size["hidden"])})), blocks)
    B, M = settings.ranking.batch_size, min(CANDIDATES, int(trained.items.known.sum()))
    lists = ListBatch(
        user=array((B, users), np.float32),
        item=array((B, M, items), np.float32),
        found=array((B, M), np.float32),
        label=array((B, M), np.bool_),
        is_list=array((B,), np.bool_),
    )
    return step_operations(ranker_objective(RankerConfig(**size)), lists)
