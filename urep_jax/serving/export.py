"""Trained models as StableHLO, which a service without our models' code runs: `serving.exported` reads it.

A folder holds `<name>.stablehlo` for each program, the parameters in `parameters.npz`, and `export.json`, which tells
what it is. Parameters lie beside the programs, not in them: two programs share the item table, a program with more than
2 GiB of constants can't be serialized, and XLA would spend its time folding them. All that is done to numbers before a
model reads them is part of the program, so that nothing can be forgotten.

JAX reads an export for about half a year, and only one of its own version or an older one: the run's parameters and
config are what is kept, and an export is made of them again.
"""

import dataclasses
import importlib.metadata
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from jaxtyping import Array, Float

from urep_jax.data.draft import draft_folder
from urep_jax.data.sequences import Batch
from urep_jax.data.user_features.groups import columns_of
from urep_jax.data.vocabulary import FIRST_ITEM, save_vocabulary
from urep_jax.models import autoencoder, transformer
from urep_jax.models.transformer import TransformerConfig
from urep_jax.serving.exported import FORMAT, PARAMETERS, PROGRAM, TOLD, digest, need_flatbuffers, parameter_name
from urep_jax.serving.recommender import Recommender
from urep_jax.serving.user_encoder import UserEncoder

PLATFORMS = ("cpu", "cuda")
"""What programs are lowered for."""


class _Program(NamedTuple):
    """A function of parameters and named inputs, and what they look like; axes are as in `exported.Input`."""

    run: Callable[[Any, Mapping[str, Array]], Array]
    parameters: Any
    inputs: Mapping[str, tuple[str, type]]


def export_encoder(encoder: UserEncoder, folder: str | os.PathLike[str]) -> None:
    """Write an encoder of users: the program `encode` makes z_u of x_u.

    x_u is what `user_features` gives: not yet standardised, NaN where nothing is known. `export.json` says what its
    columns are, and the ids of the spaces that z_u comes from.

    Args:
        encoder: the trained chain.
        folder: written whole or not at all; an export that lies there is replaced.

    Raises:
        ValueError: if something else lies there.
        ExtraMissing: without the extra `export`.
    """
    scales, cfg = encoder.features.standardisation, encoder.cfg

    def encode(params: Any, inputs: Mapping[str, Array]) -> Float[Array, "B Z"]:
        # As `Standardisation` does it.
        x_BxF = jnp.nan_to_num((inputs["x_u"] - params["mean"]) / params["scale"], nan=0.0)
        return autoencoder.encode(params, x_BxF, cfg, row=jnp.zeros(x_BxF.shape[0], jnp.int32))

    parameters = {"encoder": encoder.params["encoder"], "mean": scales.mean, "scale": scales.scale}
    groups = encoder.features.groups
    told = {
        "kind": "user_encoder",
        **_space(encoder),
        "features": [
            {"name": group.name, "kind": group.kind, "columns": [own.start, own.stop]}
            for group, own in zip(groups, columns_of(groups, cfg.num_features), strict=True)
        ],
    }
    _write(folder, told, {"encode": _Program(encode, parameters, {"x_u": (f"b, {cfg.num_features}", np.float32)})})


def export_recommender(model: Recommender, folder: str | os.PathLike[str]) -> None:
    """Write a recommender: the program `encode` makes a vector of each question, and `score` scores items by it.

    `encode` reads the columns of a `data.sequences.Batch` that this model reads, as `serving.questions` makes it with
    the `vocabulary/` and the `sequences` of the export. `score` reads the vectors as `query` and, for each, rows of the
    item table as `item`; what is no row of an item that training saw has NaN for a score.

    Args:
        model: the trained model.
        folder: written whole or not at all; an export that lies there is replaced.

    Raises:
        ValueError: if something else lies there.
        ExtraMissing: without the extra `export`.
    """
    cfg, params = model.cfg, model.params
    width, length = params["tables"]["item"].shape[1], model.sequences.max_length
    inputs: dict[str, tuple[str, type]] = dict.fromkeys(("item", "station"), (f"b, {length}", np.int32))
    inputs |= {"feedback": (f"b, {length}", np.int8), "task": ("b, 1", np.int32)}
    inputs |= {name: (f"b, {length}", np.int32) for name in ("device", "hour") if getattr(cfg, name)}
    score = _Program(
        _score,
        {"tables": {"item": params["tables"]["item"]}},
        {"query": (f"b, {width}", np.float32), "item": ("b, m", np.int32)},
    )
    told = {"kind": "recommender", **_space(model), "sequences": dataclasses.asdict(model.sequences)}
    _write(
        folder,
        told,
        {"encode": _Program(_question_encoder(cfg), params, inputs), "score": score},
        lambda draft: save_vocabulary(model.vocabulary, draft / "vocabulary"),
    )


def _space(model: UserEncoder | Recommender) -> dict[str, Any]:
    """The id of its space, and those of all that it comes from."""
    return {"space": model.space.id, "spaces": model.space.ids}


def _question_encoder(cfg: TransformerConfig) -> Callable[[Any, Mapping[str, Array]], Array]:
    def encode(params: Any, inputs: Mapping[str, Array]) -> Float[Array, "B D"]:
        zeros_BxL = jnp.zeros_like(inputs["item"])
        none_Bx0 = zeros_BxL[:, :0]
        batch = Batch(
            # Names what dropout draws, and there is none.
            row=zeros_BxL[:, 0],
            item=inputs["item"],
            station=inputs["station"],
            feedback=inputs["feedback"],
            device=inputs.get("device", zeros_BxL),
            hour=inputs.get("hour", zeros_BxL),
            task=inputs["task"],
            target=none_Bx0,
            negative=none_Bx0,
            rung=none_Bx0,
        )
        return transformer.at_tasks(transformer.encode(params, batch, cfg), batch.task)[:, 0]

    return encode


def _score(params: Any, inputs: Mapping[str, Array]) -> Float[Array, "B M"]:
    table_RxD, row_BxM = params["tables"]["item"], inputs["item"]
    scores_BxM = transformer.score(inputs["query"][:, None], table_RxD[row_BxM])
    # Past the table's end the nearest row would be read.
    return jnp.where((row_BxM >= FIRST_ITEM) & (row_BxM < len(table_RxD)), scores_BxM, jnp.nan)


def _write(
    folder: str | os.PathLike[str],
    told: Mapping[str, Any],
    programs: Mapping[str, _Program],
    beside: Callable[[Path], None] = lambda draft: None,
) -> None:
    """Write programs, what they read, `beside` what else a server needs, and what all of that is."""
    need_flatbuffers("exports are written")
    folder = Path(folder)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / TOLD).is_file()):
        raise ValueError(f"{folder} holds something that is no export, which would be lost; name another folder")
    with draft_folder(folder) as draft:
        exported = {name: _lowered(program) for name, program in programs.items()}
        for name, one in exported.items():
            (draft / f"{name}{PROGRAM}").write_bytes(one.serialize())
        np.savez(
            draft / PARAMETERS, allow_pickle=False, **_named([program.parameters for program in programs.values()])
        )
        beside(draft)
        files = sorted(path for path in draft.rglob("*") if path.is_file())
        whole = {
            "format": FORMAT,
            **told,
            "programs": {name: _described(exported[name], program) for name, program in programs.items()},
            "platforms": PLATFORMS,
            "versions": {
                "urep_jax": importlib.metadata.version("urep_jax"),
                "jax": jax.__version__,
                "calling_convention": max(one.calling_convention_version for one in exported.values()),
            },
            "files": {path.relative_to(draft).as_posix(): digest(path) for path in files},
        }
        (draft / TOLD).write_text(json.dumps(whole, indent=1) + "\n")


def _lowered(program: _Program) -> export.Exported:
    scope = export.SymbolicScope()
    inputs = {
        name: jax.ShapeDtypeStruct(export.symbolic_shape(axes, scope=scope), dtype)
        for name, (axes, dtype) in program.inputs.items()
    }
    # Shapes alone: what the parameters are, and which devices they lie on, is no part of the program.
    parameters = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), program.parameters)
    return export.export(jax.jit(program.run), platforms=PLATFORMS)(parameters, inputs)


def _named(parameters: Any) -> dict[str, np.ndarray]:
    """The arrays of several programs, each once."""
    return {
        parameter_name(path): np.asarray(leaf) for tree in parameters for path, leaf in jax.tree.leaves_with_path(tree)
    }


def _described(exported: export.Exported, program: _Program) -> dict[str, Any]:
    """For people: `exported.load_exported` asks the program itself."""
    inputs = {name: {"shape": axes, "dtype": np.dtype(dtype).name} for name, (axes, dtype) in program.inputs.items()}
    (made,) = exported.out_avals
    output = {"shape": ", ".join(map(str, made.shape)), "dtype": made.dtype.name}
    return {"inputs": inputs, "output": output, "parameters": sorted(_named([program.parameters]))}
