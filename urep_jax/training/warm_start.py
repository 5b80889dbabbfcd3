"""Parameters to begin with, from a model that was trained before on other items and stations."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa

from urep_jax.data.vocabulary import FIRST_ITEM, FIRST_STATION, UNKNOWN, Vocabulary
from urep_jax.training.objective import Params


def warm_start(fresh: Params, vocabulary: Vocabulary, old: Params, old_vocabulary: Vocabulary) -> Params:
    """The old parameters, in the places that the new vocabulary gives them; what is new keeps its fresh row.

    Items, stations and devices are known again by their ids. Positions are counted from the latest event, so models of
    different lengths share those that both have.

    Args:
        fresh: of the new model, as `init` made them.
        vocabulary: of the new model.
        old: the trained parameters.
        old_vocabulary: what they were trained on.

    Raises:
        ValueError: if the models are not of one shape besides; names the parameter.

    Example:
        >>> none = pa.array([], pa.string())
        >>> new, known = (Vocabulary(pa.array(ids), none, none) for ids in (["b", "c"], ["a", "b"]))
        >>> tables = {"item": jnp.zeros((5, 1)), "station": jnp.zeros((2, 1))}
        >>> old = {"tables": tables | {"item": jnp.arange(5.0)[:, None]}, "body": {}}
        >>> warm_start({"tables": tables, "body": {}}, new, old, known)["tables"]["item"].ravel().tolist()
        [0.0, 1.0, 2.0, 4.0, 0.0]
    """
    # On the host they are NumPy arrays.
    fresh, old = jax.tree.map(jnp.asarray, (fresh, old))
    tables = {
        "item": _carried(fresh, old, "item", FIRST_ITEM, vocabulary.item_ids, old_vocabulary.item_rows),
        "station": _carried(fresh, old, "station", FIRST_STATION, vocabulary.station_ids, old_vocabulary.station_rows),
    }
    body = dict(fresh["body"])
    if body.keys() != old["body"].keys():
        differing = sorted(body.keys() ^ old["body"].keys())
        raise ValueError(f"the models differ in {', '.join(differing)}; give the new one the old one's model config")
    for name, value in body.items():
        if name == "position":
            common = min(len(value), len(old["body"][name]))
            body[name] = value.at[len(value) - common :].set(old["body"][name][len(old["body"][name]) - common :])
        elif name == "device":
            rows = old_vocabulary.device_rows(vocabulary.device_ids)
            body[name] = _rows(value, old["body"][name], 1, rows, rows >= 1)
        else:
            body[name] = jax.tree.map_with_path(partial(_same, name), value, old["body"][name])
    return {"tables": tables, "body": body}


def with_new_items(old: Params, num_items: int) -> Params:
    """The old parameters, with rows for new items after those that there are.

    A new item begins as what the model takes it for until then: the row of what training never saw.

    Args:
        old: the trained parameters.
        num_items: that there are to be, the old ones among them.

    Raises:
        ValueError: if that is less than there are.
    """
    # On the host, for they may lie on other devices than the training is to.
    old = jax.device_get(old)
    old_RxF = old["tables"]["item"]
    new = FIRST_ITEM + num_items - len(old_RxF)
    if new < 0:
        raise ValueError(f"num_items is {num_items}, but the model has {len(old_RxF) - FIRST_ITEM}; items only come in")
    rows_NxF = np.tile(old_RxF[UNKNOWN], (new, 1))
    return {**old, "tables": old["tables"] | {"item": np.concatenate([old_RxF, rows_NxF])}}


def _carried(fresh: Params, old: Params, name: str, first: int, ids: pa.StringArray, old_rows: Any) -> jax.Array:
    new_RxD, old_RxD = fresh["tables"][name], old["tables"][name]
    if new_RxD.shape[1] != old_RxD.shape[1]:
        raise ValueError(
            f"rows of the {name} table have {new_RxD.shape[1]} numbers, and {old_RxD.shape[1]} in the old model; give "
            "the new one the old one's width, and item_bias"
        )
    rows = old_rows(ids)
    return _rows(new_RxD, old_RxD, first, rows, rows >= first)


def _rows(new: jax.Array, old: jax.Array, first: int, rows: np.ndarray, known: np.ndarray) -> jax.Array:
    """Rows of `new` that stand for what both know, and those before `first`, replaced by those of `old`."""
    carried = new.at[:first].set(old[:first])
    return carried.at[first + np.flatnonzero(known)].set(old[rows[known]])


def _same(name: str, path: Any, new: jax.Array, old: jax.Array) -> jax.Array:
    if new.shape != old.shape:
        place = "/".join([name, *(str(part.key) for part in path)])
        raise ValueError(
            f"{place} has shape {new.shape}, and {old.shape} in the old model; give the new one the old one's model "
            "config"
        )
    return jnp.asarray(old)
