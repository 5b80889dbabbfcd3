"""All that is measured of speed and memory, one after the other: `python -m benchmarks FOLDER`.

What each benchmark prints goes to FOLDER/NAME.json, and what it says on the way to NAME.log. What is there isn't run
again, so a call that was stopped goes on. At the end FOLDER/README.md tells it all, ratios first, with plots of cost
against catalogue, length, negatives and devices. Peers are measured in the same run where their interpreters are given:

    python3.11 -m venv rectools && rectools/bin/pip install torch==2.13.0
    rectools/bin/pip install "rectools[torch]==0.19.0" torch==2.13.0
    python3.11 -m venv gensim && gensim/bin/pip install gensim==4.4.0
    python -m benchmarks FOLDER --rectools rectools/bin/python --gensim gensim/bin/python

Nothing else should run on the machine. What a benchmark measures, its own `--help` says: `python -m benchmarks.NAME`.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.overview import draw, page, read_results
from experiments.progress import WorkBar

SMALL: Mapping[str, Sequence[str]] = {
    "training": [
        "--users=16",
        "--seconds=0.1",
        "--rounds=2",
        "--batch-size=4",
        "--strata=1",
        "--cases",
        "softmax",
        "bce_1",
    ],
    "skip_gram": ["--playlists=40", "--rounds=1", "--steps=1"],
    "step_cost": ["--largest=10000", "--rounds=1", "--steps=1", "--batch-size=2", "--width=8"],
    "matmul_share": ["--users=64", "--rounds=1", "--steps=1", "--cases", "next_item", "--knobs", "model.width=16"],
    "ranking": ["--largest=10000", "--users=8", "--rounds=1"],
    "user_vectors": ["--users=64", "--rounds=1", "--seconds=0.01", "--batch-size=32"],
    "input": ["--users=64", "--steps=2", "--repeats=2", "--batch-size=16", "--generated-only"],
    "ingest": ["--rows=1000"],
    "listeners": ["--listeners=8", "--candidates=20", "--tracks=60", "--steps=8", "--rounds=1", "--cases", "world"],
    "online_parts": ["--users=20", "--records=3", "--seconds=0.1", "--kinds", "sqlite"],
}
"""What is run, in this order, and how it is made small."""


def commands(given: argparse.Namespace) -> dict[str, list[str]]:
    """What is to be run, by name."""
    own = {"online_parts": ["--kinds", "sqlite", *(["redis"] if shutil.which("redis-server") else [])]}
    for name, peer in {"training": "rectools", "skip_gram": "gensim"}.items():
        python = getattr(given, peer)
        own[name] = [f"--without-{peer}"] if python is None else [f"--{peer}={python}"]
    # Of an option that stands there twice, the last one counts.
    small = SMALL if given.small else {}
    module = {name: [sys.executable, "-m", f"benchmarks.{name}"] for name in given.only}
    return {name: [*command, *own.get(name, ()), *small.get(name, ())] for name, command in module.items()}


def run(name: str, command: Sequence[str], folder: Path) -> bool:
    """Run one, if it hasn't been; returns whether its numbers are there."""
    done = folder / f"{name}.json"
    if not done.exists():
        begun, log = folder / f"{name}.begun", folder / f"{name}.log"
        with begun.open("w") as out, log.open("w") as err:
            ended = subprocess.run(command, stdout=out, stderr=err, check=False)
        if ended.returncode:
            begun.unlink()
            return False
        begun.rename(done)
    return True


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what isn't there yet, and write the page."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, formatter_class=form)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where everything goes")
    parser.add_argument("--only", nargs="+", choices=SMALL, default=list(SMALL), metavar="NAME", help=", ".join(SMALL))
    parser.add_argument("--rectools", metavar="PYTHON", help="interpreter of an environment that has rectools[torch]")
    parser.add_argument("--gensim", metavar="PYTHON", help="interpreter of an environment that has gensim")
    parser.add_argument(
        "--small", action="store_true", help="a few minutes for all of them: a try, whose numbers say nothing"
    )
    given = parser.parse_args(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    failed = []
    with WorkBar(console, "benchmarks", len(given.only)) as bar:
        for name, command in commands(given).items():
            ended = run(name, command, given.folder)
            bar.advance(said=name)
            if not ended:
                failed.append(name)
                console.print(f"{name} failed: {given.folder / name}.log says why", soft_wrap=True)
    results = read_results(given.folder)
    if results:
        draw(results, given.folder)
        told = page(results)
        (given.folder / "README.md").write_text(told)
        console.print(f"written: {given.folder / 'README.md'}", soft_wrap=True)
    if failed:
        raise SystemExit(f"{', '.join(failed)} failed")


if __name__ == "__main__":
    main()
