"""`Models`: the trained chain that is served, as the lineage tells, ready to call."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from urep_jax.core.types import Feedback
from urep_jax.lineage.state import Lineage, Serving
from urep_jax.serving.online.digests import DigestIndex, index_of
from urep_jax.serving.online.states import StateEncoder
from urep_jax.serving.preference import Preference, restore_preference
from urep_jax.serving.recommender import Recommender
from urep_jax.serving.restore import restore, restore_encoder

_UNKNOWN = "\0"
"""No id: those that are accepted have letters."""

USERS, RANKER, RECOMMENDER = "users", "future_listening", "recommender"
"""Models of a chain that are served."""


@dataclasses.dataclass(frozen=True, eq=False)
class Models:
    """What is served.

    Attributes:
        users: encodes users.
        ranker: orders items by z_u; None if none was trained.
        recommender: orders items by events; None if none was trained.
    """

    users: StateEncoder
    ranker: Preference | None = None
    recommender: Recommender | None = None

    @functools.cached_property
    def space_id(self) -> str:
        """Of the vectors that are served."""
        return self.users.encoder.space.id

    @functools.cached_property
    def spaces(self) -> dict[str, str]:
        """Ids of all spaces that they come from, by name, their own first."""
        return self.users.encoder.space.ids

    @functools.cached_property
    def items(self) -> DigestIndex:
        """All items that any model knows."""
        ids = [modality.item_ids for modality in self.users.encoder.features.modalities]
        return index_of(*ids, *([] if self.recommender is None else [self.recommender.vocabulary.item_ids]))

    @functools.cached_property
    def stations(self) -> DigestIndex:
        """All stations that the recommender knows."""
        return index_of(*([] if self.recommender is None else [self.recommender.vocabulary.station_ids]))

    @functools.cached_property
    def devices(self) -> DigestIndex:
        """All devices that the recommender knows."""
        return index_of(*([] if self.recommender is None else [self.recommender.vocabulary.device_ids]))

    def events(self, records: np.ndarray) -> dict[str, Any]:
        """Records as the recommender reads events; what it doesn't know has a name that it doesn't know either."""
        named = {
            name: [_UNKNOWN if known is None else known for known in index.names(records[column])]
            for name, column, index in (("item_id", "item", self.items), ("station_id", "station", self.stations))
        }
        stations = [
            None if none else name for none, name in zip(records["station"] == 0, named["station_id"], strict=True)
        ]
        return {
            "item_id": named["item_id"],
            "station_id": pa.array(stations, pa.string()),
            "device": pa.array(self.devices.names(records["device"]), pa.string()),
            "timestamp": records["time"],
            "feedback": [Feedback(code).word for code in records["feedback"]],
            "played_ratio": pa.array(records["played_ratio"], from_pandas=True),
            "utc_offset": records["utc_offset"],
        }


def user_spaces(state: Lineage) -> dict[str, str]:
    """The spaces of users that have to be kept up to date, and the folders of their runs.

    They are those of what is current, and of all that is current downstream: a model that wasn't retrained yet goes on
    reading what it was trained on.
    """
    folders = {batch.space_id: batch.run for batch in state.slots.kept() if batch.model == USERS}
    found: dict[str, str] = {}
    for model in state.current:
        space_id = state.serving(model).spaces.get(USERS)
        if space_id is not None:
            found[space_id] = folders[space_id]
    return found


def to_serve(state: Lineage, recommenders: Lineage | None = None) -> dict[str, Serving]:
    """What is to be served, by model: what is current, and whatever ranks only where it was trained.

    Args:
        state: of a chain of user representations.
        recommenders: of a chain of recommenders.

    Raises:
        Unknown: if no encoder of users is current.
    """
    found = {USERS: state.serving(USERS)}
    for model, chain in ((RANKER, state), (RECOMMENDER, recommenders)):
        if chain is not None and model in chain.current:
            found[model] = chain.serving(model)
    return found


def load_models(found: Mapping[str, Serving]) -> Models:
    """The models, ready to call.

    Args:
        found: as `to_serve` tells them.

    Raises:
        FileNotFoundError: if a run's folder is gone.
        ValueError: if a run's folder holds another model than it did when it was registered.
    """
    users, ranker, recommender = (found.get(model) for model in (USERS, RANKER, RECOMMENDER))
    assert users is not None
    loaded = Models(
        load_users(users.batch.run, users.batch.space_id),
        None if ranker is None else restore_preference(ranker.batch.run, RANKER),
        None if recommender is None else restore(recommender.batch.run),
    )
    if ranker is not None and loaded.ranker is not None:
        _refuse_changed(ranker.batch.run, ranker.batch.space_id, loaded.ranker.space.id)
    if recommender is not None and loaded.recommender is not None:
        _refuse_changed(recommender.batch.run, recommender.batch.space_id, loaded.recommender.space.id)
    return loaded


def load_users(run: str, space_id: str) -> StateEncoder:
    """An encoder of users.

    Raises:
        ValueError: if the run's folder holds another one than it did when it was registered.
    """
    encoder = restore_encoder(run)
    _refuse_changed(run, space_id, encoder.space.id)
    return StateEncoder(encoder)


def _refuse_changed(run: str, registered: str, found: str) -> None:
    if found != registered:
        raise ValueError(
            f"{run} was registered with {registered}, but holds {found}: it was trained again, or changed; bring it "
            "back, or rotate in what is there"
        )
