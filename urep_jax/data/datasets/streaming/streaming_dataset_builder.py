"""The simulated streaming service as a data set."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from urep_jax.data.datasets.base import EventsBuilder, EventsConfig
from urep_jax.data.datasets.streaming.tables import companions, names
from urep_jax.data.log import EventLog
from urep_jax.simulation.streaming import StreamingParams, simulate_streaming
from urep_jax.simulation.streaming.params import DEVICES


@dataclasses.dataclass(frozen=True, kw_only=True)
class StreamingConfig(EventsConfig):
    """Which simulated world.

    Attributes:
        params: what the world is like.
        world: its seed, at least 0.
    """

    params: StreamingParams = dataclasses.field(default_factory=StreamingParams)
    world: int = 0

    def builder(self, data_dir: str | os.PathLike[str]) -> "Builder":
        """The builder of this world's log."""
        return Builder(self, data_dir=data_dir)


class Builder(EventsBuilder[StreamingConfig]):
    """Builds the log of a simulated streaming service and the tables beside it; one sequence is a user."""

    def _read(self, folder: Path) -> EventLog:
        params, world = self.settings.params, self.settings.world
        streamed = simulate_streaming(params, world)
        for name, table in companions(params, world, streamed):
            pq.write_table(table, folder / f"{name}.parquet")
        return EventLog(
            name=self.name,
            granularity=self.granularity,
            offsets=streamed.offsets,
            item=streamed.item,
            timestamp=streamed.timestamp,
            feedback=streamed.feedback,
            device=streamed.device,
            played_ratio=streamed.played_ratio,
            affinity=streamed.affinity,
            sequence_ids=names("user", np.arange(params.num_users)),
            item_ids=names("item", np.arange(params.num_items), params.num_tracks),
            device_ids=names("device", np.arange(len(DEVICES))),
        )
