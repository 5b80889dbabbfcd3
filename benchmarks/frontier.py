"""NDCG@10 against seconds of training, beside RecTools: `python -m benchmarks.frontier LISTS FOLDER --rectools PYTHON`.

LISTS is the folder of the published lists. Each of SYSTEMS trains with each of SEEDS, alone on this machine's cores,
and after each epoch is asked for the next item of all users whose lists are known to the end. A training that has ended
lies in FOLDER as SYSTEM/SEED.jsonl and isn't made again; one that was stopped is. After each, a page, its figure and
`frontier.json` are written there of all that there is; of trainings elsewhere, their `frontier.json` may be given.

    pip install torch==2.13.0 && pip install "rectools[torch]==0.19.0" torch==2.13.0      # in an environment of its own

SYSTEMS are recipes of ours, which train for as many epochs as they say, and RecTools', which train until ten epochs
have brought nothing or the time is up: `rectools_sasrec`, `rectools_bert4rec` and `rectools_hstu`, as they come but for
width 128 and 200 positions; the lists have no times, so HSTU has no bias for them. A recipe may have knobs, as of
`experiments.run`, and a name of its own: "sparse: sasrec train.tables=sparse".
"""

import argparse
import dataclasses
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.frontier_page import Curve, Curves, draw, page
from benchmarks.machine import describe, importable
from urep_jax.data.cases import Split
from urep_jax.data.datasets.movielens_1m_leave_one_out import Movielens1mLeaveOneOutConfig, PublishedSplit
from urep_jax.data.log import EventLog
from urep_jax.data.prepare import prepare

REFERENCE = "rectools_sasrec"
MINUTES = (3, 10, 60)
_SYSTEMS = (REFERENCE, "gsasrec", "next_item_quick", "next_item")
RECTOOLS = {REFERENCE: "sasrec", "rectools_bert4rec": "bert4rec", "rectools_hstu": "hstu"}
"""RecTools' models, by the names of their systems."""

_AS_THEY_COME: Mapping[str, str | float] = {
    "loss": "softmax",
    "n-negatives": 1,
    "width": 128,
    "blocks": 2,
    "heads": 4,
    "dropout": 0.2,
    "learning-rate": 1e-3,
    "batch-size": 128,
    "max-length": 200,
    "patience": 10,
}
_MALLOC = "GLIBC_TUNABLES"
# As `experiments.run` has it, and as torch is fastest here: with memory that the C library keeps (README.md).
_OURS, _TORCHS = (
    ":".join(f"glibc.malloc.{name}" for name in names)
    for names in (("hugetlb=1",), ("hugetlb=1", "arena_max=1", "mmap_max=0", "trim_threshold=17179869184"))
)


class System(NamedTuple):
    """What trains.

    Attributes:
        name: how it is told, and the name of its folder.
        recipe: one of ours, or one of `RECTOOLS`.
        knobs: what is otherwise than in the recipe.
    """

    name: str
    recipe: str
    knobs: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "System":
        """Read `RECIPE`, or `NAME: RECIPE KNOB=VALUE...`.

        Raises:
            argparse.ArgumentTypeError: if there is no recipe, the name isn't that of a folder, or RecTools' has knobs.
        """
        name, told, rest = text.rpartition(": ")
        words = shlex.split(rest)
        name = name if told else rest.strip()
        if not words or Path(name).name != name or name in ("", ".", ".."):
            form = "RECIPE, or NAME: RECIPE KNOB=VALUE..., with no / in NAME"
            raise argparse.ArgumentTypeError(f"{text!r} is no system; write {form}")
        if words[0] in RECTOOLS and words[1:]:
            raise argparse.ArgumentTypeError(f"{text!r} has knobs, but {words[0]} takes none; leave them out")
        return cls(name, words[0], tuple(words[1:]))


class Bench:
    """The published lists, and whoever trains on them."""

    def __init__(self, lists: Path, folder: Path) -> None:
        self._lists, self._folder = lists, folder
        log = prepare(Movielens1mLeaveOneOutConfig(path=lists), folder / "workspace")
        published, extended = (PublishedSplit(lists, which)(log) for which in ("published", "extended"))
        asked = extended.validation.sequence
        few = np.isin(asked, published.validation.sequence)
        self.groups = {f"{few.sum():,} users": few, f"{len(asked):,} users": np.ones(len(asked), bool)}
        self._for_rectools = folder / "workspace" / "rectools"
        _write_lists(log, extended, self._for_rectools)

    def train(self, system: System, seed: int, rectools: Path | None, seconds: float) -> None:
        """Train one system with one seed, if that isn't done yet."""
        path = self._folder / system.name / f"{seed}.jsonl"
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if rectools is None:
            command, malloc = self._recipe(system, seed), _OURS
        else:
            command, malloc = self._rectools(rectools, system, seed, seconds), _TORCHS
        print(f"{system.name}, seed {seed}", file=sys.stderr)
        begun = path.with_suffix(".begun")
        with begun.open("w") as lines:
            env = os.environ | importable() | {_MALLOC: malloc}
            subprocess.run(command, check=True, stdout=lines, env=env)
        begun.rename(path)

    def curves(self) -> dict[str, dict[str, Curve]]:
        """All that has been trained."""
        found: dict[str, dict[str, Curve]] = {}
        for path in sorted(self._folder.glob("*/*.jsonl")):
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            found.setdefault(path.parent.name, {})[path.stem] = Curve.of(lines, self.groups, MINUTES)
        return found

    def _recipe(self, system: System, seed: int) -> list[str]:
        data = ["data=movielens_1m_leave_one_out", f"data.path={self._lists}", "data.split.validate=extended"]
        own = [f"recipe={system.recipe}", "max_length=200", f"seed={seed}", f"workspace={self._folder / 'workspace'}"]
        return [sys.executable, "-m", "benchmarks.frontier_recipe", *data, *own, *system.knobs]

    def _rectools(self, python: Path, system: System, seed: int, seconds: float) -> list[str]:
        model, cores = RECTOOLS[system.recipe], describe()["cores"]
        options = {**_AS_THEY_COME, "model": model, "seed": seed, "seconds": seconds, "threads": cores}
        told = [f"--{name}={value}" for name, value in options.items()]
        return [str(python), "-m", "benchmarks.rectools_frontier", str(self._for_rectools), *told]


def _write_lists(log: EventLog, split: Split, folder: Path) -> None:
    """What trains, what is known of those who are asked, and what they took next, as numbers of users and items."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "train.npy", _events(log, split.start[split.train], split.stop[split.train]))
    for name, cases in (("validation", split.validation), ("test", split.test)):
        np.save(folder / f"{name}_known.npy", _events(log, cases.start, cases.stop))
        np.save(folder / f"{name}_wanted.npy", cases.item)


def _events(log: EventLog, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    user = np.repeat(np.arange(len(start)), stop - start)
    event = np.concatenate([np.arange(a, b) for a, b in zip(start, stop, strict=True)])
    return np.stack([user, np.asarray(log.item)[event]])


def read_curves(path: Path) -> dict[str, dict[str, Curve]]:
    """The curves that a `frontier.json` holds."""
    told = json.loads(path.read_text())["frontier"]
    return {name: {seed: Curve(**one) for seed, one in of_seeds.items()} for name, of_seeds in told.items()}


def _write(curves: Curves, folder: Path) -> None:
    told = {name: {seed: dataclasses.asdict(one) for seed, one in of.items()} for name, of in curves.items()}
    (folder / "frontier.json").write_text(json.dumps({"machine": describe(), "frontier": told}) + "\n")
    (folder / "frontier.md").write_text(page(curves, MINUTES, REFERENCE if REFERENCE in curves else next(iter(curves))))
    draw(curves, folder / "frontier.svg")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what isn't trained yet, and write the page."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m benchmarks.frontier", description=__doc__, formatter_class=form)
    parser.add_argument("lists", type=Path, metavar="LISTS", help="folder of the published lists")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where trainings and the page go")
    parser.add_argument(
        "--systems",
        nargs="+",
        type=System.of,
        default=[System.of(name) for name in _SYSTEMS],
        help=f"(default: {', '.join(_SYSTEMS)})",
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="(default: 0 1 2)")
    parser.add_argument("--rectools", type=Path, metavar="PYTHON", help="interpreter of RecTools' environment")
    parser.add_argument("--seconds", type=float, default=3600, help="after which RecTools' systems end (default: 3600)")
    parser.add_argument("--printed", nargs="+", type=Path, default=[], help="frontier.json files of other trainings")
    given = parser.parse_args(arguments)
    if given.rectools is None and (theirs := [one.name for one in given.systems if one.recipe in RECTOOLS]):
        parser.error(f"{', '.join(theirs)} want --rectools PYTHON; without it, name other --systems")
    bench = Bench(given.lists, given.folder)
    for seed in given.seeds:
        for system in given.systems:
            bench.train(system, seed, given.rectools if system.recipe in RECTOOLS else None, given.seconds)
            curves = bench.curves()
            for path in given.printed:
                for name, of_seeds in read_curves(path).items():
                    curves[name] = of_seeds | curves.get(name, {})
            _write(curves, given.folder)


if __name__ == "__main__":
    main()
