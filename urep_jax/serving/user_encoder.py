"""`UserEncoder`: a trained chain, ready to make vectors of users."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Int, Int64

from urep_jax.core.mesh import by_rows, local_mesh
from urep_jax.core.spaces import Space, text_arrays, trained_space
from urep_jax.core.vectors import Vectors
from urep_jax.data.user_features.inputs import Inputs
from urep_jax.data.user_features.space import FeatureSpace
from urep_jax.models import autoencoder
from urep_jax.models.autoencoder import AutoencoderConfig, Params
from urep_jax.serving.events import Events, read_events
from urep_jax.serving.questions import power_of_two, question_log

_ROWS = 4096
"""Users that are encoded at once; it changes no result."""

Profile = Mapping[str, Any]
"""What is known of a user: `country`, `age`, `device`, `language`, `plan`, `registered_at`, and of the onboarding
`answered_at`, the `artists` picked and the `languages` picked; times in seconds since 1970, UTC."""


@dataclasses.dataclass(frozen=True, eq=False)
class UserEncoder:
    """From users' events and profiles to z_u.

    Attributes:
        features: makes x_u, with all that was fitted for it.
        params: of the autoencoder, on all devices of this process.
        cfg: its size.

    Example, after `python -m experiments.run experiment=user_representation hydra.run.dir=outputs/mine`::

        encoder = urep_jax.restore_encoder("outputs/mine")
        events = {"item_id": ["track 7"], "feedback": ["play"], "timestamp": [1_700_000_000]}
        encoder.encode_user(events, {"country": "SE", "age": 30})
    """

    features: FeatureSpace
    params: Params
    cfg: AutoencoderConfig

    @functools.cached_property
    def space(self) -> Space:
        """That its vectors lie in: it hangs on the encoder, the features' scales, and on the spaces of modalities.

        Items that are added to a modality change nothing: its space stays what it is.
        """
        scales = self.features.standardisation
        leaves = jax.tree.leaves(self.params["encoder"])
        words = (array for ids in self.features.words.values() for array in text_arrays(ids.to_pylist()))
        arrays = [*map(np.asarray, leaves), scales.mean, scales.scale, *words]
        return trained_space("users", arrays, [modality.space for modality in self.features.modalities])

    def encode(self, inputs: Inputs, user: Int[np.ndarray, "N"], time: Int64[np.ndarray, "N"]) -> Vectors:
        """z_u of users of a log at moments.

        Args:
            inputs: from `features.read`.
            user: the log's numbers of users.
            time: seconds since 1970, UTC, for each of them.
        """
        blocks = (slice(start, start + _ROWS) for start in range(0, len(user), _ROWS))
        found = [self._encode(self.features(inputs, user[own], time[own])) for own in blocks]
        z_NxZ = np.concatenate([np.zeros((0, self.cfg.width), np.float32), *found])
        return Vectors(inputs.log.sequence_ids.take(pa.array(user)), z_NxZ, self.space)

    def warm(self, most: int) -> None:
        """Compile all programs for up to `most` users at once now, so that none of them waits for it later.

        Args:
            most: at least 1.
        """
        rows = 1
        while rows < 2 * most:
            self._encode(np.zeros((rows, self.features.width), np.float32))
            rows *= 2

    def encode_user(self, events: Events, profile: Profile | None = None, *, time: int | None = None) -> Vectors:
        """z_u of one user, as the only row.

        Args:
            events: as `read_events` takes them, with a `timestamp` each; columns of length 0 for one who has none.
            profile: what else is known.
            time: seconds since 1970, UTC; what happens then or later plays no role. The moment after the last event, if
                it is left out.

        Raises:
            ValueError: if events or profile can't be read, an event has no time, or there is none to take.
        """
        table = read_events(events)
        if table["timestamp"].null_count:
            raise ValueError("the events have no 'timestamp', but users are made of when they listened; add the column")
        tables = _tables_of(profile or {}, self.features.categories)
        if time is None:
            if not table.num_rows:
                raise ValueError("there are no events to take the time from; give time=, in seconds since 1970")
            time = table["timestamp"][-1].as_py() + 1
        log, _ = question_log([table], pa.nulls(1, pa.string()))
        inputs = self.features.read(log, tables)
        return self.encode(inputs, np.zeros(1, np.int64), np.array([time], np.int64))

    def _encode(self, x_NxF: Float32[np.ndarray, "N F"]) -> Float32[np.ndarray, "N Z"]:
        mesh = local_mesh()
        # Few different shapes are compiled, and each is spread evenly.
        rows = -(-power_of_two(len(x_NxF)) // mesh.size) * mesh.size
        x_BxF = np.pad(x_NxF, ((0, rows - len(x_NxF)), (0, 0)))
        z_BxZ = _encoded(self.params, jax.device_put(x_BxF, by_rows(mesh)), self.cfg)
        return np.asarray(z_BxZ)[: len(x_NxF)]


@partial(jax.jit, static_argnames="cfg")
def _encoded(params: Params, x_BxF: jax.Array, cfg: AutoencoderConfig) -> jax.Array:
    return autoencoder.encode(params, x_BxF, cfg)


def _tables_of(profile: Profile, categories: Sequence[str]) -> dict[str, pa.Table]:
    """A profile as companion tables of a log whose user is called 0.

    Raises:
        ValueError: if it tells of something else, or a value can't be read.
    """
    users = {name: pa.string() for name in categories} | {"age": pa.int32(), "registered_at": pa.int64()}
    picked = {"artists": pa.list_(pa.string()), "languages": pa.list_(pa.string())}
    may = {**users, "answered_at": pa.int64(), **picked}
    if unknown := [name for name in profile if name not in may]:
        raise ValueError(
            f"the profile tells of {', '.join(map(repr, unknown))}, but may tell of {', '.join(may)}; leave it out, or "
            "call it as these"
        )
    known = {name: _told(name, value, may[name]) for name, value in profile.items() if value is not None}
    user = {"user_id": pa.array(["0"])}
    tables = {"users": pa.table({**user, **{name: known[name] for name in users if name in known}})}
    answers = {name: known[name] for name in picked if name in known}
    if "answered_at" in known:
        tables["onboarding"] = pa.table({**user, "timestamp": known["answered_at"], **answers})
    elif answers:
        raise ValueError(f"the profile tells of {' and '.join(answers)} picked, but not when; give answered_at as well")
    return tables


def _told(name: str, value: Any, kind: pa.DataType) -> pa.Array:
    try:
        return pa.array([value], kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ValueError(f"the profile's {name!r} is {value!r}, but must be {kind} ({error})") from error
