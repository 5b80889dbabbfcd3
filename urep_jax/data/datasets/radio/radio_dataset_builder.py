"""The simulated radio as a data set."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pyarrow as pa

from urep_jax.data.datasets.base import EventsBuilder, EventsConfig
from urep_jax.data.log import EventLog
from urep_jax.simulation.params import RadioParams
from urep_jax.simulation.world import simulate


@dataclasses.dataclass(frozen=True, kw_only=True)
class RadioConfig(EventsConfig):
    """Which simulated world.

    Attributes:
        params: what the world is like.
        world: its seed, at least 0.
    """

    params: RadioParams = dataclasses.field(default_factory=RadioParams)
    world: int = 0

    def builder(self, data_dir: str | os.PathLike[str]) -> "Builder":
        """The builder of this world's log."""
        return Builder(self, data_dir=data_dir)


class Builder(EventsBuilder[RadioConfig]):
    """Builds the log of a simulated radio; one sequence is a user."""

    def _read(self, folder: Path) -> EventLog:
        params = self.settings.params
        radio = simulate(params, self.settings.world)
        return EventLog(
            name=self.name,
            granularity=self.granularity,
            offsets=radio.offsets,
            item=radio.track,
            timestamp=radio.timestamp,
            feedback=radio.feedback,
            station=radio.station,
            played_ratio=radio.played_ratio,
            affinity=radio.affinity,
            sequence_ids=_names("listener", params.num_listeners),
            item_ids=_names("track", params.num_tracks),
            station_ids=_names("station", params.num_stations),
        )


def _names(kind: str, count: int) -> pa.StringArray:
    return pa.array(np.char.add(f"{kind} ", np.arange(count).astype(str)))
