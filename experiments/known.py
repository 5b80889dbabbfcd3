"""How much a trained model knows of what it is asked about: told beforehand, and refused where it knows none of it."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.console import Console

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
