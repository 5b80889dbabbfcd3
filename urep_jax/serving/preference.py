"""`Preference`: the classifier on top of user representations, ready to order items for users by z_u."""

import dataclasses
import functools
import json
import os
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Array, Float, Float32, Int

from urep_jax.core.spaces import Space, refuse_mixed, space_of, text_arrays, trained_space
from urep_jax.core.vectors import Vectors
from urep_jax.data.draft import draft_folder
from urep_jax.data.id_files import read_ids, write_ids
from urep_jax.models import preference
from urep_jax.models.preference import Params, PreferenceConfig
from urep_jax.serving.questions import power_of_two
from urep_jax.training.checkpoints import read_best_params, read_config

_FORMAT = 1


class Read(NamedTuple):
    """What a classifier reads of users and items, and how it is scaled.

    Attributes:
        user_mean: of each number of a user's vector, among users who trained.
        user_spread: by which all of them are divided.
        item_ids: the items that it knows.
        items: what is known of each, as of the moment that training ended with.
        users: the space that users' vectors must lie in.
    """

    user_mean: Float32[np.ndarray, "U"]
    user_spread: float
    item_ids: pa.StringArray
    items: Float32[np.ndarray, "V I"]
    users: Space


class Ranked(NamedTuple):
    """Items for a user, best first.

    Attributes:
        items: the source's ids, best first; those that the classifier doesn't know come last, in the order given.
        log_odds: that the user goes for each; NaN for those.
    """

    items: list[str]
    log_odds: Float32[np.ndarray, "M"]


@dataclasses.dataclass(frozen=True, eq=False)
class Preference:
    """A trained classifier.

    Attributes:
        name: of the model, such as `future_listening`.
        params: its parameters.
        cfg: its size.
        read: what it reads.
    """

    name: str
    params: Params
    cfg: PreferenceConfig
    read: Read

    @functools.cached_property
    def space(self) -> Space:
        """What it is, and what it comes from."""
        read = self.read
        scale, ids = (read.user_mean, np.float64(read.user_spread)), text_arrays(read.item_ids.to_pylist())
        arrays = [*map(np.asarray, jax.tree.leaves(self.params)), *map(np.asarray, scale), read.items, *ids]
        return trained_space(self.name, arrays, [read.users, *read.users.parents])

    def rank(self, user: Vectors, item_ids: pa.StringArray) -> Ranked:
        """Order items by how likely a user is to go for each.

        Args:
            user: z_u, one row.
            item_ids: the items, at least one.

        Raises:
            ValueError: if there is no item, or there is another number of rows.
            SpaceMismatch: if z_u lies in another space than the one that the classifier learnt from.
        """
        refuse_mixed("rank by", self.read.users, user.space)
        if len(user) != 1 or not len(item_ids):
            raise ValueError(f"there are {len(user)} users and {len(item_ids)} items, but must be one user, and items")
        row_M = pc.fill_null(pc.index_in(item_ids, value_set=self.read.item_ids), -1).to_numpy(zero_copy_only=False)
        known_M = row_M >= 0
        odds_M = np.full(len(item_ids), np.nan, np.float32)
        odds_M[known_M] = self._odds(user.values[0], row_M[known_M])
        best_M = np.argsort(-np.where(known_M, odds_M, -np.inf), kind="stable")
        return Ranked(item_ids.take(pa.array(best_M)).to_pylist(), odds_M[best_M])

    def _odds(self, z_U: Float32[np.ndarray, "U"], row_M: Int[np.ndarray, "M"]) -> Float32[np.ndarray, "M"]:
        if not len(row_M):
            return np.zeros(0, np.float32)
        # Few different numbers of items are compiled.
        rows = np.pad(row_M, (0, power_of_two(len(row_M)) - len(row_M)), mode="edge")
        scaled_U = (z_U - self.read.user_mean) / np.float32(self.read.user_spread)
        return np.asarray(_odds(self.params, jnp.asarray(scaled_U), self._items, jnp.asarray(rows), self.cfg))[
            : len(row_M)
        ]

    @functools.cached_property
    def _items(self) -> Float[Array, "V I"]:
        return jnp.asarray(self.read.items)


@partial(jax.jit, static_argnames="cfg")
def _odds(
    params: Params, user: Float[Array, "U"], items: Float[Array, "V I"], row: Int[Array, "M"], cfg: PreferenceConfig
) -> Float[Array, "M"]:
    users_MxU = jnp.broadcast_to(user, (len(row), len(user)))
    return preference.log_odds(params, users_MxU, items[row], cfg)


def save_read(read: Read, folder: str | os.PathLike[str]) -> None:
    """Write what a classifier reads to `folder`, whole or not at all."""
    with draft_folder(folder) as draft:
        np.save(draft / "user_mean.npy", read.user_mean, allow_pickle=False)
        np.save(draft / "items.npy", read.items, allow_pickle=False)
        write_ids(read.item_ids, draft / "item_ids.arrow")
        told = {"format": _FORMAT, "user_spread": float(read.user_spread), "users": read.users.plain()}
        (draft / "read.json").write_text(json.dumps(told, indent=1))


def load_read(folder: str | os.PathLike[str]) -> Read:
    """Read what `save_read` wrote.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it was written in a format that this version does not read.
    """
    folder = Path(folder)
    if not (folder / "read.json").is_file():
        raise FileNotFoundError(f"{folder} doesn't tell what a classifier reads (no read.json); train it again")
    told: dict[str, Any] = json.loads((folder / "read.json").read_text())
    if told["format"] != _FORMAT:
        raise ValueError(f"{folder} is of format {told['format']}, and this version reads {_FORMAT}; train it again")
    return Read(
        np.load(folder / "user_mean.npy", allow_pickle=False),
        told["user_spread"],
        read_ids(folder / "item_ids.arrow"),
        np.load(folder / "items.npy", allow_pickle=False),
        space_of(told["users"]),
    )


def restore_preference(run_folder: str | os.PathLike[str], name: str = "future_listening") -> Preference:
    """The classifier on z_u that a run of user representations trained.

    Args:
        run_folder: the folder that the run named at its end.
        name: of the task that it was trained for.

    Raises:
        FileNotFoundError: if the run has trained none.
        ValueError: if it was written in a format that this version does not read.
    """
    folder = Path(run_folder) / "transfer" / name / "z_u"
    read = load_read(folder / "reads")
    cfg = PreferenceConfig(**read_config(folder / "checkpoints")["model"])
    like = jax.eval_shape(lambda: preference.init(jax.random.key(0), cfg))
    return Preference(name, read_best_params(folder / "checkpoints", like)[1], cfg, read)
