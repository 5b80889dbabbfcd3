"""A modality on disk: vectors, whose they are, and the space that they lie in."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from urep_jax.core.spaces import space_of
from urep_jax.data.draft import draft_folder
from urep_jax.data.id_files import read_ids, write_ids
from urep_jax.data.user_features.modality import Modality

_FORMAT = 1


def save_modality(modality: Modality, folder: str | os.PathLike[str]) -> None:
    """Write a modality to `folder`, whole or not at all."""
    with draft_folder(folder) as draft:
        np.save(draft / "vectors.npy", modality.vectors, allow_pickle=False)
        write_ids(modality.item_ids, draft / "item_ids.arrow")
        told = {"format": _FORMAT, "space": modality.space.plain()}
        (draft / "modality.json").write_text(json.dumps(told, indent=1))


def load_modality(folder: str | os.PathLike[str]) -> Modality:
    """Read what `save_modality` wrote.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it was written in a format that this version does not read.
    """
    folder = Path(folder)
    if not (folder / "modality.json").is_file():
        raise FileNotFoundError(f"{folder} holds no vectors of items (no modality.json); name a run that has encoded")
    told: dict[str, Any] = json.loads((folder / "modality.json").read_text())
    if told["format"] != _FORMAT:
        raise ValueError(f"{folder} is of format {told['format']}, and this version reads {_FORMAT}; train it again")
    ids = read_ids(folder / "item_ids.arrow")
    return Modality(space_of(told["space"]), ids, np.load(folder / "vectors.npy", allow_pickle=False))
