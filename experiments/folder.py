"""The run folder: what every run leaves behind, and how a run finds out that it is being continued."""

import contextlib
import csv
import fcntl
import importlib.metadata
import io
import json
import platform
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from experiments.processes import is_first
from urep_jax.data.draft import draft_folder
from urep_jax.data.log import EventLog

_PACKAGES = ("urep_jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy", "duckdb", "pyarrow")
_MAY_DIFFER = ("workspace", "profile", "distributed", "lineage", "train.readers")
_ONLY_TESTED = ("baselines", "metrics", "evaluation.tasks")
"""What a run that has not ended may still be asked: it doesn't change what is trained."""
TRAINED = "trained.yaml"
"""In a folder where models have grown, the config that they were trained with; elsewhere that is the run's own."""
_WORK = (
    *("checkpoints", "encoders", "agents", "models", "recommendations", "candidates.parquet", "ranking", "users"),
    *("items", "export", "metrics.json"),
)


class RunFolder:
    """One run's folder.

    | file | holds |
    |---|---|
    | `config.yaml` | the resolved config |
    | `versions.json` | packages, devices, git commit |
    | `data.json` | which log it is, by a digest of all that it holds; or which audio files |
    | `checkpoints/` | Orbax checkpoints: the latest, and the best |
    | `agents/` | the latest snapshot of each agent that learns |
    | `models/` | the models of each world, with their checkpoints and histories |
    | `history.jsonl` | one line for each epoch, while it trains |
    | `events.out.tfevents.*` | the same for TensorBoard |
    | `metrics.json` | the results |
    | `figures/` | PNG, and CSV of the numbers behind them |
    | `table1.json` | the log described as the paper's Table 1 does |
    | `users.parquet` | the results of each tested user |
    | `report.md` | the results, to be read |
    | `.lock` | held while a process works here |
    | `candidates.parquet` | what two towers find for all users, where that was asked |
    | `recommendations/`, `ranking/`, `users/` | what `task=recommend`, `task=rank` and `task=embed_users` make |
    | `export/` | what `task=export` makes |
    | `trained.yaml` | what the models were trained with that `task=grow` has put here |
    | `items/`, `rejects.csv` | what `task=embed_audio` and `train_audio` make of files, and what they can't read |

    Args:
        path: made if missing.
        config: the resolved config, plain values.

    Raises:
        ValueError: if the folder belongs to a run of another config, or its path holds brackets.
    """

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        if set("[]") & set(str(path)):
            raise ValueError(f"{path} holds a bracket, and checkpoints below such a path can't be read; rename it")
        self.path = path
        self.config = config
        path.mkdir(parents=True, exist_ok=True)
        saved = path / "config.yaml"
        # A run that was refused before it trained has left nothing to lose.
        if saved.exists() and self._has_begun:
            self._refuse_other_config(yaml.safe_load(saved.read_text()))
        # A run that has ended keeps what its results were made with.
        if self.metrics is None and is_first():
            write_whole(saved, yaml.safe_dump(dict(config), sort_keys=False))
            write_whole(path / "versions.json", json.dumps(versions(), indent=1))

    @property
    def _has_begun(self) -> bool:
        """Whether something is there that was worked for."""
        return any((self.path / name).exists() for name in _WORK)

    def _refuse_other_config(self, saved: Mapping[str, Any]) -> None:
        before, now = flatten(saved), flatten(self.config)
        may_differ = _MAY_DIFFER if self.metrics is not None else (*_MAY_DIFFER, *_ONLY_TESTED)
        differing = [
            f"{key} was {before.get(key, 'not there')} and is now {now.get(key, 'not there')}"
            for key in sorted({*before, *now})
            if before.get(key) != now.get(key) and {key, key.split(".")[0]}.isdisjoint(may_differ)
        ]
        if differing:
            raise ValueError(
                f"{self.path} holds a run of another config: {'; '.join(differing)}. Give the new run a folder of its "
                "own with hydra.run.dir=..., or repeat the old run's command to continue it"
            )

    def claim_data(self, log: EventLog, inputs: Mapping[str, Any] | None = None) -> None:
        """Note which log the run is about, before anything is written that depends on it.

        Args:
            log: the log.
            inputs: what else it is made from, plain JSON values.

        Raises:
            ValueError: if the run began on another one.
        """
        now = {"name": log.name, "events": log.num_events, "digest": log.digest()}
        self._claim(now | ({"inputs": dict(inputs)} if inputs else {}), "events")

    def claim_files(self, files: int, digest: str, inputs: Mapping[str, Any] | None = None) -> None:
        """Note which files the run is about, as `claim_data` does with a log.

        Args:
            files: how many.
            digest: of all that the run makes of them.
            inputs: what else it is made from, plain JSON values.

        Raises:
            ValueError: if the run began on others.
        """
        self._claim({"files": files, "digest": digest} | ({"inputs": dict(inputs)} if inputs else {}), "files")

    def _claim(self, now: dict[str, Any], unit: str) -> None:
        path = self.path / "data.json"
        if path.exists() and self._has_begun:
            before = json.loads(path.read_text())
            if before.get("inputs") != now.get("inputs"):
                raise ValueError(
                    f"{self.path} holds answers made from other inputs: {before.get('inputs')}, now "
                    f"{now.get('inputs')} (sizes and times of files, and a digest of the model). Give the new ones a "
                    "folder of their own with hydra.run.dir=..."
                )
            if before != now:
                raise ValueError(
                    f"{self.path} holds a run on other data: {before[unit]:,} {unit} with digest "
                    f"{before['digest']}, now {now[unit]:,} with {now['digest']}. Bring the old data back to "
                    "continue it, or give the new run a folder of its own with hydra.run.dir=..."
                )
        if is_first():
            write_whole(path, json.dumps(now, indent=1))

    @property
    def figures(self) -> Path:
        """Where figures go."""
        folder = self.path / "figures"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def metrics(self) -> dict[str, float] | None:
        """The results, if the run has ended."""
        path = self.path / "metrics.json"
        return json.loads(path.read_text()) if path.exists() else None

    def write_table(self, name: str, header: Sequence[str], rows: Iterable[Sequence[float | str]] | np.ndarray) -> None:
        """Write the numbers behind a figure as CSV, beside it; words among them stay as they are."""
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(header)
        lines.writerows([value if isinstance(value, str) else f"{value:.6g}" for value in row] for row in rows)
        if is_first():
            write_whole(self.figures / name, text.getvalue())

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Write a file of plain values."""
        if is_first():
            write_whole(self.path / name, json.dumps(dict(value), indent=1) + "\n")

    def write_users(self, users: pa.Table) -> None:
        """Write the results of each tested user."""
        if is_first():
            write_parquet(self.path / "users.parquet", users)

    def write_report(self, text: str) -> None:
        """Write the results for a person."""
        if is_first():
            write_whole(self.path / "report.md", text)

    def write_metrics(self, metrics: Mapping[str, float]) -> None:
        """Write the results; that they are there says that the run has ended."""
        self.write_json("metrics.json", metrics)


@contextlib.contextmanager
def alone_in(path: Path) -> Iterator[None]:
    """Keep other commands from working in a run folder; one that dies lets go of it.

    Processes that share a task have a lock each, by their number.

    Raises:
        ValueError: if another one is at work there.
    """
    path.mkdir(parents=True, exist_ok=True)
    number = jax.process_index()
    with (path / (f".lock-{number}" if number else ".lock")).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"another process is at work in {path}; wait until it has ended, or give this run a folder of its own "
                "with hydra.run.dir=..."
            ) from None
        except OSError:
            # Not every file system knows locks.
            pass
        yield


def trained_config(run: Path) -> dict[str, Any]:
    """The config that the models in a run's folder were trained with, on the data that they last grew by.

    Raises:
        ValueError: if the folder doesn't tell.
    """
    for saved in (run / TRAINED, run / "config.yaml"):
        if saved.is_file():
            plain: dict[str, Any] = yaml.safe_load(saved.read_text())
            return plain
    raise ValueError(f"{run} has no config.yaml, so nothing says how its models were trained; name a run's folder")


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text)
    draft.replace(path)


def copy_whole(there: Path, here: Path) -> None:
    """A folder as it is, whole or not at all; what has been copied before stays."""
    if not here.is_dir():
        with draft_folder(here) as draft:
            shutil.copytree(there, draft, dirs_exist_ok=True)


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write a table so that it is there whole or not at all."""
    draft = path.with_name(f".{path.name}.draft")
    pq.write_table(table, draft, compression="zstd")
    draft.replace(path)


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def versions() -> dict[str, Any]:
    """What a result depends on besides its config."""
    return {
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "devices": [f"{device.platform} {device.device_kind}" for device in jax.devices()],
        "git": _git_commit(),
    }


def _git_commit() -> str | None:
    """The checkout's commit, with `+changes` if files differ from it; nothing outside a checkout."""

    def git(*args: str) -> str:
        here = Path(__file__).parent
        return subprocess.run(["git", *args], cwd=here, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
