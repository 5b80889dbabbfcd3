"""How much a trained model knows of what it is asked about: told beforehand, and refused where it knows none of it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console

from urep_jax.data.user_features.modality import Modality
from urep_jax.data.vocabulary import FIRST_ITEM, FIRST_STATION, Vocabulary


def tell_known(
    console: Console,
    run: str | Path,
    vocabulary: Vocabulary,
    where: str,
    items: pa.StringArray,
    stations: pa.StringArray | None = None,
) -> None:
    """Tell how many items and stations a model knows.

    Args:
        console: where to tell it.
        run: the folder of the model's run.
        vocabulary: what the model knows.
        where: what names the items and stations, such as `these events`.
        items: their ids, each once.
        stations: likewise; None or none at all where there are no stations.

    Raises:
        ValueError: if there are items, and the model knows none of them: ids of another system look like that, and
            whatever is made of them is worth nothing.
    """
    known = int(np.sum(vocabulary.item_rows(items) >= FIRST_ITEM))
    if len(items) and not known:
        raise ValueError(
            f"the model in {run} knows none of the {len(items):,} items in {where}: they are called such as "
            f"{items[0].as_py()!r}, and those that it knows {vocabulary.item_ids[0].as_py()!r}. Give the items the ids "
            "that it was trained with, or name another run"
        )
    told = f"{known:,} of the {len(items):,} items"
    if stations is not None and len(stations):
        known = int(np.sum(vocabulary.station_rows(stations) >= FIRST_STATION))
        told += f" and {known:,} of the {len(stations):,} stations"
    console.print(f"the model in {run} knows {told} in {where}", soft_wrap=True, markup=False)


def tell_encoded(console: Console, run: str | Path, modalities: Sequence[Modality], items: pa.StringArray) -> None:
    """Tell of how many items of a log an encoder of users has vectors.

    Args:
        console: where to tell it.
        run: the folder of the encoder's run.
        modalities: its vectors of items.
        items: the log's, each once.

    Raises:
        ValueError: if there are items, and it has a vector of none of them.
    """
    known_V = np.zeros(len(items), bool)
    for modality in modalities:
        known_V |= pc.is_in(items, value_set=modality.item_ids).to_numpy(zero_copy_only=False)
    if modalities and len(items) and not known_V.any():
        raise ValueError(
            f"the encoder in {run} has a vector of none of the {len(items):,} items in these events: they are called "
            f"such as {items[0].as_py()!r}, and those that have one {modalities[0].item_ids[0].as_py()!r}. Give the "
            "items the ids that it was trained with, or name another run"
        )
    told = f"{int(known_V.sum()):,} of the {len(items):,} items in these events"
    console.print(f"the encoder in {run} has vectors of {told}", soft_wrap=True, markup=False)
