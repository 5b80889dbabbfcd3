"""`Vocabulary`: the items and stations that a model knows, and the rows of its tables that stand for them.

A model's tables have a few rows that stand for no single item, then one row for each item that occurs in training:

| row | stands for |
|---|---|
| `PAD` | no event |
| `MASK` | the song that is asked for |
| `UNKNOWN` | any item that training never saw |
| `FIRST_ITEM + i` | the vocabulary's item `i` |

Station tables have `NULL_STATION` and `UNKNOWN_STATION`, then the stations. Unknown rows are read, never recommended.
"""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Int, Int32, Int64

from urep_jax.data.cases import Split
from urep_jax.data.id_files import read_ids, write_ids
from urep_jax.data.log import EventLog

PAD, MASK, UNKNOWN, FIRST_ITEM = 0, 1, 2, 3
NULL_STATION, UNKNOWN_STATION, FIRST_STATION = 0, 1, 2

_KINDS = ("item", "station", "device")


@dataclasses.dataclass(frozen=True, eq=False)
class Vocabulary:
    """Source ids of what a model knows, in the order of its table rows.

    Attributes:
        item_ids: the item of row `FIRST_ITEM + i`.
        station_ids: the station of row `FIRST_STATION + i`.
        device_ids: the device of row `1 + i`; row 0 is an unknown device.
    """

    item_ids: pa.StringArray
    station_ids: pa.StringArray
    device_ids: pa.StringArray

    def item_rows(self, ids: pa.StringArray) -> Int32[np.ndarray, "N"]:
        """The item-table row of each source id; `UNKNOWN` for an id that training never saw."""
        return _rows(ids, self.item_ids, FIRST_ITEM, UNKNOWN)

    def station_rows(self, ids: pa.StringArray) -> Int32[np.ndarray, "N"]:
        """The station-table row of each source id; `UNKNOWN_STATION` for a new one, `NULL_STATION` for null."""
        rows = _rows(ids, self.station_ids, FIRST_STATION, UNKNOWN_STATION)
        return np.where(ids.is_null().to_numpy(zero_copy_only=False), np.int32(NULL_STATION), rows)

    def device_rows(self, ids: pa.StringArray) -> Int32[np.ndarray, "N"]:
        """The device-table row of each source id; 0 for a new one."""
        return _rows(ids, self.device_ids, 1, 0)


def build_vocabulary(log: EventLog, split: Split) -> Vocabulary:
    """What occurs in the training events of `split`: nothing else may leave a trace in a model."""
    trained_E = training_events(log, split)
    known_V = np.zeros(log.num_items, bool)
    known_V[np.asarray(log.item)[trained_E]] = True
    station_ids = _heard(log.station_ids, log.station, trained_E)
    return Vocabulary(
        log.item_ids.filter(pa.array(known_V)), station_ids, _heard(log.device_ids, log.device, trained_E)
    )


def grown_vocabulary(vocabulary: Vocabulary, log: EventLog, split: Split) -> Vocabulary:
    """The same with the items that occur in the training events of `split` besides, after those that it has.

    Stations and devices stay what they are: new ones are read as unknown.
    """
    heard = build_vocabulary(log, split).item_ids
    new = heard.filter(pc.invert(pc.is_in(heard, value_set=vocabulary.item_ids)))
    return dataclasses.replace(vocabulary, item_ids=pa.concat_arrays([vocabulary.item_ids, new]))


def _heard(ids: pa.StringArray, numbers: Int[np.ndarray, "E"] | None, where: Bool[np.ndarray, "E"]) -> pa.StringArray:
    """The ids that some events carry, in order; none if the log has no such column."""
    if numbers is None:
        return ids[:0]
    heard = np.unique(np.asarray(numbers)[where])
    return ids.take(pa.array(heard[heard >= 0]))


def item_counts(log: EventLog, split: Split, vocabulary: Vocabulary) -> Int64[np.ndarray, "V"]:
    """Training events of each item of the vocabulary, whose order may be another than the log's."""
    counts = np.bincount(np.asarray(log.item)[training_events(log, split)], minlength=log.num_items)
    rows = vocabulary.item_rows(log.item_ids)
    counts_V = np.zeros(len(vocabulary.item_ids), np.int64)
    counts_V[rows[rows >= FIRST_ITEM] - FIRST_ITEM] = counts[rows >= FIRST_ITEM]
    return counts_V


def training_events(log: EventLog, split: Split) -> Bool[np.ndarray, "E"]:
    """Which events of the log train: those of training sequences, within the training period."""
    edge_E = np.zeros(log.num_events + 1, np.int32)
    np.add.at(edge_E, split.start[split.train], 1)
    np.add.at(edge_E, split.stop[split.train], -1)
    return np.cumsum(edge_E)[:-1] > 0


def save_vocabulary(vocabulary: Vocabulary, folder: str | os.PathLike[str]) -> None:
    """Write the vocabulary as one Arrow file of ids for each kind."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for kind in _KINDS:
        write_ids(getattr(vocabulary, f"{kind}_ids"), Path(folder) / f"{kind}s.arrow")


def load_vocabulary(folder: str | os.PathLike[str]) -> Vocabulary:
    """Read what `save_vocabulary` wrote."""
    return Vocabulary(*(read_ids(Path(folder) / f"{kind}s.arrow") for kind in _KINDS))


def _rows(ids: pa.StringArray, known: pa.StringArray, first: int, otherwise: int) -> Int32[np.ndarray, "N"]:
    if not len(known):
        return np.full(len(ids), otherwise, np.int32)
    index = pc.index_in(ids, value_set=known)
    return pc.fill_null(pc.add(index, first), otherwise).to_numpy(zero_copy_only=False).astype(np.int32)
