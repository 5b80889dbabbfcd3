"""What vectors of items are worth: playlists that they continue, and whose neighbours are of one artist, or genre."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int32

from experiments.modality_encoders.settings import BASELINES, Settings
from experiments.user_representation.encoders import Encoded
from urep_jax.evaluation.by_user import ByUser, flat
from urep_jax.evaluation.continuation import continuation
from urep_jax.evaluation.neighbour_purity import Purity, neighbour_purity

LABELS = {"artist": "artist_id", "genre": "genre"}
"""What neighbours may have in common, and which column of the items tells it."""

_UNKNOWN = -1


class Tested(NamedTuple):
    """The results of an encoder.

    Attributes:
        continued: the encoder's continuation of the playlists that test, one number each.
        baselines: that of each baseline.
        known: share of the tracks that are asked for that have a vector, 0 to 1.
        purity: of the tracks with a vector, by label; without labels that the items don't tell of.
    """

    continued: Mapping[str, ByUser]
    baselines: Mapping[str, Mapping[str, ByUser]]
    known: float
    purity: Mapping[str, Purity]

    def metrics(self, name: str) -> dict[str, float]:
        """The results as numbers; `name` is the modality's."""
        places = {f"continuation/{name}": self.continued}
        places |= {f"continuation/{name}/{model}": results for model, results in self.baselines.items()}
        found = flat({f"{place}/{metric}": one for place, results in places.items() for metric, one in results.items()})
        found[f"known/{name}"] = self.known
        for label, purity in self.purity.items():
            share, chance = purity.means()
            found |= {f"purity/{name}/{label}": share.compute(), f"purity/{name}/{label}_ci95": share.ci95()}
            found[f"purity/{name}/{label}/chance"] = chance.compute()
        return found


def assess(encoded: Encoded, items: pa.Table | None, settings: Settings) -> Tested:
    """Test what an encoder made, and on the same playlists the baselines.

    Args:
        encoded: vectors, and what they were learnt from.
        items: the items table, if there is one.
        settings: which baselines, and how many neighbours.
    """
    sets, split, modality = encoded.sets, encoded.split, encoded.modality
    baselines = {
        name: continuation(BASELINES[name](sets, split)(sets, split.test), sets, split.test)
        for name in settings.baselines
    }
    has_vector_V = modality.of(sets.item_ids).vectors.any(axis=1)
    purity = {}
    for label, column in LABELS.items():
        label_N = _labels(modality.item_ids, items, column)
        if np.sum((label_N != _UNKNOWN) & modality.vectors.any(axis=1)) > settings.neighbours:
            purity[label] = neighbour_purity(modality.vectors, label_N, k=settings.neighbours)
    return Tested(encoded.continued(), baselines, float(has_vector_V[split.test.item].mean()), purity)


def _labels(item_ids: pa.StringArray, items: pa.Table | None, column: str) -> Int32[np.ndarray, "N"]:
    """The number of each item's label; `_UNKNOWN` where the table doesn't tell."""
    if items is None or column not in items.column_names:
        return np.full(len(item_ids), _UNKNOWN, np.int32)
    row = pc.index_in(item_ids, value_set=items["item_id"].combine_chunks())
    codes = items[column].combine_chunks().take(row).dictionary_encode().indices
    return pc.fill_null(codes, _UNKNOWN).to_numpy(zero_copy_only=False).astype(np.int32)
