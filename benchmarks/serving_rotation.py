"""Whether a request fails, or an answer mixes spaces, while a chain that is served retrains and rotates under load.

    python -m benchmarks.serving_rotation --workspace outputs
    python -m benchmarks.serving_rotation --workspace outputs --redis --events 2000 --reads 1000 --rankings 20

The service, its workers, Redis, the client and the training are processes of their own, on a copy of the workspace's
lineage. Each of `--users` gets `--history` events. From then on `--events` a second are told, vectors are read and
tracks ranked, open loop, in rounds of `--round` seconds, while `task=lineage lineage.command=retrain` trains and
rotates `--model` and everything downstream of it, and for one round more after the service has taken them up. What
follows the options is given to the training, such as `data=...` where the chain isn't the default's.

Each answer tells which spaces it comes from. They must be those of one of the chains that were whole at some time
(`mixed` counts the others), of old and new ones at the end. It ends with status 1 if anything failed or was mixed. It
prints JSON, and the table to the terminal besides.
"""

import argparse
import contextlib
import json
import multiprocessing
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks import load
from benchmarks.load import Load, Told, summary
from benchmarks.machine import describe
from benchmarks.service import add_arguments, encoder_of, running
from experiments.tables import markdown_table
from urep_jax.lineage.state import Lineage
from urep_jax.lineage.store import LineageStore

_ROOT = Path(__file__).parents[1]


def of_one_chain(spaces: dict[str, str], batches: dict[str, dict[str, str]]) -> bool:
    """Whether an answer comes from spaces each of which was trained on the others, of its model, that are told.

    Args:
        spaces: space ids that are told, by model.
        batches: what each space that there was read: space ids by model.
    """
    if not spaces or any(space_id not in batches for space_id in spaces.values()):
        return False
    return all(spaces.get(model, read) == read for one in spaces.values() for model, read in batches[one].items())


def read_by(lineage: Lineage) -> dict[str, dict[str, str]]:
    """What each space that there is comes from: space ids by model."""
    return {batch.space_id: dict(lineage.slots.spaces(batch)) for batch in lineage.slots.kept()}


def current_in(lineage: Lineage) -> dict[str, str]:
    """Space ids that are served, by model."""
    return {model: batch.space_id for model, batch in lineage.current.items()}


def measured(given: argparse.Namespace) -> dict[str, Any]:
    """Load before, while and after the chain rotates."""
    parts = encoder_of(given.workspace, given.chain).features.modalities
    items = sorted({one for part in parts for one in part.item_ids.to_pylist()})
    users = [f"listener-{number}" for number in range(given.users)]
    with contextlib.ExitStack() as stack:
        workspace, service, _ = stack.enter_context(running(given))
        spawn = multiprocessing.get_context("spawn")
        client = stack.enter_context(ProcessPoolExecutor(1, mp_context=spawn))
        rates = {name: getattr(given, name) for name in ("events", "reads", "rankings", "probes")}
        asked = Load(service.port, users, items, given.round, given.connections, **rates)
        client.submit(load.run, asked, "all_once", given.history).result()
        service.until_idle(patience=600)

        lineages = LineageStore(workspace / "lineage.sqlite")
        batches = read_by(lineages.look(given.chain).lineage)
        old = current_in(lineages.look(given.chain).lineage)
        rounds: list[Told] = [client.submit(load.run, asked).result()]
        called = ["task=lineage", "lineage.command=retrain", f"lineage.model={given.model}", f"workspace={workspace}"]
        called += [f"lineage.chain={given.chain}", *given.overrides]
        began = time.monotonic()
        training = subprocess.Popen(
            [sys.executable, "-m", "experiments.run", *called], cwd=_ROOT, stdout=sys.stderr, start_new_session=True
        )
        stack.callback(training.kill)
        until = began + given.patience
        while True:
            done = training.poll() is not None
            now = lineages.look(given.chain).lineage
            batches |= read_by(now)
            new = current_in(now)
            rounds.append(client.submit(load.run, asked).result())
            if done and all(set(json.loads(text).values()) <= set(new.values()) for text in rounds[-1].spaces):
                break
            if time.monotonic() > until:
                raise SystemExit(f"after {given.patience:.0f} s the service still answers from other spaces than {new}")
        seconds = time.monotonic() - began
        waited = service.until_idle()
        dead = service.ask("/v1/status")[1]["dead"]
    if training.returncode:
        raise SystemExit(f"retraining ended with status {training.returncode}")
    answers: Counter[str] = sum((Counter(told.spaces) for told in rounds), Counter())
    failed: Counter[str] = sum((Counter(told.failed) for told in rounds), Counter())
    kinds = sorted({kind for told in rounds for kind in told.latency})
    latency = {kind: np.concatenate([told.latency.get(kind, np.zeros(0)) for told in rounds]) for kind in kinds}
    return {
        "seconds": round(seconds, 1),
        "rounds": len(rounds),
        "events": sum(told.accepted for told in rounds),
        **{kind: {"count": len(found), **summary(found)} for kind, found in latency.items()},
        "failed": sum(failed.values()),
        "failures": dict(failed),
        "rotated": sorted(model for model in new if new[model] != old[model]),
        "answers": dict(answers),
        "mixed": sum(count for text, count in answers.items() if not of_one_chain(json.loads(text or "{}"), batches)),
        "dead": dead,
        "seconds_until_idle": round(waited, 2),
    }


def rows(results: dict[str, Any]) -> list[list[str]]:
    """The table."""
    told = [["", "answered", "p50, ms", "p99, ms", "largest, ms"]]
    for kind in ("reads", "rankings", "posts", "probes"):
        if kind in results:
            found = results[kind]
            told.append([kind, f"{found['count']:,}", *(f"{found[f'{one}_ms']:,.1f}" for one in ("p50", "p99", "max"))])
    return told + [[what, f"{results[what]:,}", "", "", ""] for what in ("events", "failed", "mixed", "dead")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the numbers as JSON, and the table on the standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving_rotation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    parser.add_argument("--model", default="collaborative", help="that is retrained, and all that read it")
    parser.add_argument("--users", type=int, default=2000, help="users who listen")
    parser.add_argument("--history", type=int, default=20, help="events of each user at the beginning")
    parser.add_argument("--connections", type=int, default=32, help="that the client keeps")
    parser.add_argument("--round", type=float, default=20.0, help="seconds of one round of load")
    parser.add_argument("--events", type=float, default=2000.0, help="events a second")
    parser.add_argument("--reads", type=float, default=1000.0, help="vectors a second")
    parser.add_argument("--rankings", type=float, default=20.0, help="rankings a second, of a hundred tracks each")
    parser.add_argument("--probes", type=float, default=5.0, help="events a second whose vectors are waited for")
    parser.add_argument("--patience", type=float, default=3600.0, help="seconds until it must be over")
    parser.add_argument("overrides", nargs="*", default=["seed=1"], help="of the training; seed=1 if left out")
    given = parser.parse_args(arguments)
    results = measured(given)
    about = {name: value for name, value in vars(given).items() if name != "workspace"}
    print(json.dumps({"machine": describe(), "about": about, "serving_rotation": results}, indent=1))
    Console(stderr=True).print(markdown_table(rows(results)), soft_wrap=True, markup=False)
    if results["failed"] or results["mixed"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
