"""An exported model, run without the code that made it; `serving.export` writes what is read here.

Of this library only `core.extras` is imported: neither models nor Flax are, and a service that has JAX and NumPy runs
what was exported elsewhere.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import export
from jaxtyping import Float32, Shaped

from urep_jax.core.extras import from_extra

FORMAT = 1
"""Of `export.json`."""

TOLD, PARAMETERS, PROGRAM = "export.json", "parameters.npz", ".stablehlo"
"""The files of an export: what it is, the parameters, and how a program's name ends."""

_MAY_CALL = {"shape_assertion"}
"""What a program may call besides StableHLO's own operations: JAX's look at the sizes of a batch."""

_CALLED = re.compile(r"""(?:custom_call\s+@"?|call_target_name\s*=\s*")([^\s"(]+)""")
_AGAIN = "copy the folder whole, or export the run again: its parameters and config are what is kept"


class Input(NamedTuple):
    """What a program reads by one name.

    Attributes:
        shape: numbers, and letters for the axes that may be of any length from 1 on: `b` questions or users, `m`
            candidates of each.
        dtype: NumPy's name of its type.
    """

    shape: tuple[int | str, ...]
    dtype: str


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """One function of a model.

    Attributes:
        name: such as `encode`.
        inputs: what it reads, by name.
        output: the axes of what it makes, as in `Input.shape`.
        platforms: what it was lowered for.
    """

    name: str
    inputs: Mapping[str, Input]
    output: tuple[int | str, ...]
    platforms: tuple[str, ...]
    _call: Callable[[dict[str, np.ndarray]], jax.Array] = dataclasses.field(repr=False)

    def __call__(self, **inputs: Shaped[np.ndarray, "..."]) -> Float32[np.ndarray, "..."]:
        """Run it.

        Axes that may be of any length are filled up to a power of two, so that few different shapes are compiled; that
        changes no result.

        Raises:
            ValueError: if an input is missing, of another type, or of a shape that doesn't fit.
        """
        if inputs.keys() != self.inputs.keys():
            raise ValueError(
                f"{self.name} was given {', '.join(inputs) or 'nothing'}, but reads {', '.join(self.inputs)}; give "
                "each by its name, and no more"
            )
        sizes: dict[str, int] = {}
        for name, wanted in self.inputs.items():
            _fit(name, inputs[name], wanted, sizes)
        filled = {name: _filled(inputs[name], wanted.shape) for name, wanted in self.inputs.items()}
        made = np.asarray(self._call(filled))
        return made[tuple(slice(sizes.get(str(axis))) for axis in self.output)]


@dataclasses.dataclass(frozen=True, eq=False)
class ExportedModel:
    """A model that was exported, ready to call.

    Attributes:
        programs: its functions, by name; every model has `encode`.
        told: what `export.json` says: `kind`, `space` and the ids of all that it comes from, `features` or `sequences`.

    Example, after `python -m experiments.run task=export task.run=outputs/mine task.out=outputs/exported`::

        model = load_exported("outputs/exported")
        model(x_u=x_u)  # float32, one row for each user, NaN where nothing is known
    """

    programs: Mapping[str, Program]
    told: Mapping[str, Any] = dataclasses.field(repr=False)

    @property
    def kind(self) -> str:
        """`user_encoder` or `recommender`."""
        return str(self.told["kind"])

    def __call__(self, **inputs: Shaped[np.ndarray, "..."]) -> Float32[np.ndarray, "..."]:
        """The program `encode`."""
        return self.programs["encode"](**inputs)


def load_exported(folder: str | os.PathLike[str]) -> ExportedModel:
    """Read what `export_encoder` or `export_recommender` wrote, and make sure that it is that.

    No pickle is read, nor a file outside of the folder. A program that calls more than StableHLO's own operations is
    refused. The digests tell damage, and files of two exports that were mixed. Whoever can write to the folder can
    write digests as well.

    Raises:
        FileNotFoundError: if there is no export, or a file of it is missing.
        ValueError: if it is of another format or of a newer JAX, or a file isn't what was written.
        ExtraMissing: without the extra `export`.
    """
    need_flatbuffers("exports are read")
    folder = Path(folder)
    if not (folder / TOLD).is_file():
        raise FileNotFoundError(f"{folder} holds no export (no {TOLD}); name a folder that task=export wrote")
    with _readable(folder / TOLD):
        told = json.loads((folder / TOLD).read_text())
        version = told["format"]
    if version != FORMAT:
        raise ValueError(f"{folder} is an export of format {version!r}, but this version reads {FORMAT}; {_AGAIN}")
    with _readable(folder / TOLD):
        wrote, convention = str(told["versions"]["jax"]), int(told["versions"]["calling_convention"])
        files = {str(name): dict(file) for name, file in told["files"].items()}
        names = [str(name) for name in told["programs"]]
    _check_jax(folder, wrote, convention)
    for name, file in files.items():
        _check_file(folder, name, file)
    if unknown := sorted({PARAMETERS, *(name + PROGRAM for name in names)} - files.keys()):
        raise ValueError(f"{folder / TOLD} has no digest of {', '.join(unknown)}; {_AGAIN}")
    # Opened here: NumPy leaves a file open that is no archive.
    with _readable(path := folder / PARAMETERS), path.open("rb") as data, np.load(data, allow_pickle=False) as stored:
        # Once for all programs: two of them read the item table, and it may be most of the memory.
        arrays = {name: jax.device_put(stored[name]) for name in stored.files}
    return ExportedModel({name: _program(folder / f"{name}{PROGRAM}", name, arrays) for name in names}, told)


def need_flatbuffers(doing: str) -> None:
    """Import what `jax.export` writes and reads with; JAX doesn't bring it along.

    Raises:
        ExtraMissing: if it isn't there.
    """
    from_extra("flatbuffers", doing, "export")


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Tell whatever comes of a file that isn't what its name says."""
    try:
        yield
    # Readers of bytes at random raise nearly anything.
    except Exception as error:
        raise ValueError(f"{path} can't be read ({type(error).__name__}: {error}); {_AGAIN}") from error


def _check_jax(folder: Path, wrote: str, convention: int) -> None:
    here = jax.__version__
    if _numbers(wrote) > _numbers(here):
        raise ValueError(
            f"{folder} was exported by jax {wrote}, but this is {here}, which doesn't read what newer ones write; "
            f"install jax>={wrote}, or export the run again with jax {here}: its parameters and config are what is kept"
        )
    least, most = (
        export.minimum_supported_calling_convention_version,
        export.maximum_supported_calling_convention_version,
    )
    if not least <= convention <= most:
        raise ValueError(
            f"{folder} is of calling convention {convention}, but jax {here} reads {least} to {most}; export the run "
            "again: its parameters and config are what is kept"
        )


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:3]]


def _check_file(folder: Path, name: str, file: Mapping[str, Any]) -> None:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{folder / TOLD} names {name!r}, which lies outside of the folder; {_AGAIN}")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; {_AGAIN}")
    found = digest(path)
    if found != file:
        raise ValueError(f"{path} is {found}, but was written as {dict(file)}; {_AGAIN}")


def digest(path: Path) -> dict[str, Any]:
    """How long a file is, and its SHA-256."""
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _program(path: Path, name: str, arrays: Mapping[str, jax.Array]) -> Program:
    with _readable(path):
        exported = export.deserialize(bytearray(path.read_bytes()))
        calls = set(_CALLED.findall(exported.mlir_module()))
        (parameters, inputs), _ = jax.tree.unflatten(exported.in_tree, exported.in_avals)
        made = exported.out_avals[0]
        named = jax.tree.map_with_path(lambda leaf, _: arrays[parameter_name(leaf)], parameters)
        differ = jax.tree.map(
            lambda aval, array: (aval.shape, aval.dtype) != (array.shape, array.dtype), parameters, named
        )
    if others := sorted(calls - _MAY_CALL):
        raise ValueError(f"{path} calls {', '.join(others)}, which no export of ours does; {_AGAIN}")
    if any(jax.tree.leaves(differ)):
        raise ValueError(f"{path} reads parameters of other shapes than {PARAMETERS} has; {_AGAIN}")
    call = jax.jit(exported.call)
    return Program(
        name,
        {name: Input(_axes(aval.shape), str(aval.dtype)) for name, aval in inputs.items()},
        _axes(made.shape),
        tuple(exported.platforms),
        lambda filled: call(named, filled),
    )


def parameter_name(path: tuple[Any, ...]) -> str:
    """What an array is called in `parameters.npz`, from its place in the tree of parameters."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _axes(shape: tuple[Any, ...]) -> tuple[int | str, ...]:
    return tuple(axis if isinstance(axis, int) else str(axis) for axis in shape)


def _fit(name: str, value: np.ndarray, wanted: Input, sizes: dict[str, int]) -> None:
    """Look at an input, and note the lengths of the axes that may be of any."""
    if str(value.dtype) != wanted.dtype:
        raise ValueError(
            f"{name} is of {value.dtype}, but must be of {wanted.dtype}; give {name}.astype({wanted.dtype!r})"
        )
    fits = value.ndim == len(wanted.shape) and all(
        length >= 1 and sizes.setdefault(axis, length) == length if isinstance(axis, str) else length == axis
        for axis, length in zip(wanted.shape, value.shape, strict=False)
    )
    if not fits:
        told = ", ".join(f"{letter} = {length}" for letter, length in sizes.items())
        raise ValueError(
            f"{name} has the shape {value.shape}, but must have ({', '.join(map(str, wanted.shape))})"
            f"{f' with {told}' if told else ''}, letters being 1 or more and the same in all inputs"
        )


def _filled(value: np.ndarray, axes: tuple[int | str, ...]) -> np.ndarray:
    """Axes named by letters filled up with zeros, to a power of two."""
    lengths = zip(axes, value.shape, strict=True)
    return np.pad(value, [(0, (1 << (n - 1).bit_length()) - n if isinstance(axis, str) else 0) for axis, n in lengths])
