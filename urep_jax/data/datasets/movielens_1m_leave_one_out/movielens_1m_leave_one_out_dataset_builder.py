"""MovieLens-1M in the order that a leave-one-out study published: items without ratings or times."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pyarrow as pa

from urep_jax.core.types import Feedback
from urep_jax.data.datasets.base import EventsBuilder, EventsConfig
from urep_jax.data.datasets.movielens_1m_leave_one_out.files import find_files, read_files
from urep_jax.data.log import EventLog
from urep_jax.data.ragged import offsets_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Movielens1mLeaveOneOutConfig(EventsConfig):
    """MovieLens-1M as one list of items for each user, every item an up.

    Attributes:
        path: folder of the published files.
    """

    path: str | os.PathLike[str]

    def builder(self, data_dir: str | os.PathLike[str]) -> "Builder":
        """The builder of the lists."""
        return Builder(self, data_dir=data_dir)

    def sources(self) -> list[Path]:
        """The published files."""
        return find_files(self.path)


class Builder(EventsBuilder[Movielens1mLeaveOneOutConfig]):
    """Builds the log; one sequence is a user, and an event's time is its place in the list."""

    def _read(self, folder: Path) -> EventLog:
        train, held = read_files(self.settings.path)
        lists = [
            [*items, *held[user].known, held[user].validation, held[user].test] if user in held else items
            for user, items in enumerate(train)
        ]
        item = np.concatenate([np.array(items, np.int32) for items in lists])
        lengths = np.array([len(items) for items in lists])
        return EventLog(
            name=self.name,
            granularity=self.granularity,
            offsets=offsets_of(lengths),
            item=item - 1,
            timestamp=np.concatenate([np.arange(length) for length in lengths]),
            feedback=np.full(len(item), Feedback.UP, np.int8),
            sequence_ids=pa.array([str(1 + user) for user in range(len(lists))]),
            item_ids=pa.array([str(1 + number) for number in range(item.max())]),
        )
