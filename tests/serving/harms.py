"""What may happen to an export before it is read."""

import json
import pickle
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export as jax_export

from urep_jax.serving.exported import digest


class Harm:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.trace,))


def forge(folder: Path, **changes: Any) -> None:
    """Change what `export.json` says, and make its digests those of the files."""
    told = json.loads((folder / "export.json").read_text())
    told["files"] = {name: digest(folder / name) for name in told["files"]} | changes.pop("files", {})
    told["versions"] |= changes.pop("versions", {})
    (folder / "export.json").write_text(json.dumps(told | changes))


def flip(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)


def truncate(folder: Path, name: str, told: bool = False) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:-99])
    if told:
        forge(folder)


def pickled(folder: Path, name: str, how: str) -> None:
    with (folder / name).open("wb") as file:
        if how == "inside":
            np.savez(file, mean=np.array([Harm(folder / "trace")], object))
        else:
            pickle.dump(Harm(folder / "trace"), file)
    forge(folder)


def foreign(folder: Path) -> None:
    """A program that calls LAPACK: it could call whatever the process has."""

    def run(_: Any, inputs: dict[str, jax.Array]) -> jax.Array:
        return jnp.linalg.cholesky(inputs["x_u"])

    like = jax.ShapeDtypeStruct((3, 3), np.float32)
    program = jax_export.export(jax.jit(run), platforms=("cpu",))({}, {"x_u": like})
    (folder / "encode.stablehlo").write_bytes(program.serialize())
    forge(folder)


def other_parameters(folder: Path) -> None:
    with np.load(folder / "parameters.npz", allow_pickle=False) as stored:
        arrays = dict(stored)
    np.savez(folder / "parameters.npz", allow_pickle=False, **(arrays | {"mean": arrays["mean"][1:]}))
    forge(folder)


def link_out(folder: Path) -> None:
    (folder / "parameters.npz").rename(folder.parent / "elsewhere.npz")
    (folder / "parameters.npz").symlink_to(folder.parent / "elsewhere.npz")


def less(folder: Path) -> None:
    told = json.loads((folder / "export.json").read_text())
    del told["files"]["encode.stablehlo"]
    (folder / "export.json").write_text(json.dumps(told))
