"""Training pairs/s of the skip-gram encoder, beside gensim's Word2Vec in the same run.

    python3.11 -m venv gensim && gensim/bin/pip install gensim==4.4.0      # an environment of its own
    python -m benchmarks.skip_gram --gensim gensim/bin/python

Both train 80 numbers a track, skip-gram with negative sampling, on the same playlists (Million Playlist if `UREP_DATA`
holds it, less tracks in fewer than 5 of them; otherwise generated ones), with the same window and as many negatives,
none thinned out, each on one core. Each is a process of its own that trains a little whenever it is its turn, so that
whatever else the machine does falls on both. A pair is an ordered one of different tracks.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import logs
from benchmarks.machine import describe
from benchmarks.training import System, times

WIDTH, MIN_COUNT, POWER, LEARNING_RATE = 80, 5, 0.75, 0.03
GENSIM = "gensim"
_GENSIM_SCRIPT = Path(__file__).parent / "gensim_word2vec.py"


class Case(NamedTuple):
    """A window in places, None for the whole playlist, and how many blocks a batch of ours has."""

    window: int | None
    batch_size: int


CASES = {"window_5": Case(5, 512), "whole_playlist": Case(None, 64)}


def playlists(count: int | None) -> Any:
    """The log of playlists that both train on; `count` generated ones, if there are to be no real ones."""
    from urep_jax.data.playlists import playlist_log, read_playlists

    path = Path(os.environ.get("UREP_DATA", "")) / "million-playlist" / "playlist_tracks.parquet"
    if count is None and "UREP_DATA" in os.environ and path.is_file():
        table = pq.read_table(path).rename_columns(["playlist_id", "position", "item_id"])
        return playlist_log(read_playlists(table), "million_playlist")
    rng = np.random.default_rng(0)
    length = np.clip(np.exp(rng.normal(np.log(80), 0.7, count or 7000)), 5, 250).astype(int)
    item = np.floor(np.exp(rng.random(length.sum()) * np.log(30_000))).astype(int)
    position = np.concatenate([np.arange(n) for n in length])
    playlist = np.repeat(np.arange(len(length)), length)
    table = pa.table({"playlist_id": playlist, "position": position, "item_id": item})
    return playlist_log(read_playlists(table), "generated")


def serve(folder: Path, case: Case, k_negatives: int) -> None:
    """Our side: train as many batches as each line of standard input says."""
    import jax

    from urep_jax.data.co_occurrences import CoOccurrenceBatches, CoOccurrenceConfig, frequent_items
    from urep_jax.data.log import load_log
    from urep_jax.data.negatives import negative_sampler
    from urep_jax.data.vocabulary import item_counts
    from urep_jax.models.skip_gram import SkipGramConfig
    from urep_jax.training.optimizers import adam
    from urep_jax.training.parallel import parallelize
    from urep_jax.training.skip_gram import skip_gram_objective

    log = load_log(folder)
    split = logs.all_trains(log)
    vocabulary = frequent_items(log, split, MIN_COUNT)
    cfg = CoOccurrenceConfig(case.window, subsample=0.0)
    batches = CoOccurrenceBatches(log, split, vocabulary, cfg, case.batch_size, seed=0)
    sampler = negative_sampler(item_counts(log, split, vocabulary), POWER)
    model = SkipGramConfig(len(vocabulary.item_ids), WIDTH)
    objective = skip_gram_objective(model, sampler, k_negatives, case.batch_size)
    parallel = parallelize(objective, adam(LEARNING_RATE), 0, case.batch_size)
    iterator, state = batches.iterate(sys.maxsize), parallel.init()
    for line in sys.stdin:
        before, cpu_before, told = time.perf_counter(), time.process_time(), []
        for _ in range(int(line)):
            state, info = parallel.step(parallel.key, state, parallel.put_batch(next(iterator)))
            told.append(info.weight)
        pairs = int(sum(jax.device_get(told)))
        seconds, cpu_seconds = time.perf_counter() - before, time.process_time() - cpu_before
        print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "pairs": pairs}), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"peak_rss_gib": round(peak / 2**30, 3)}), flush=True)


def summary(turns: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Rates of each system, and our ratio to gensim in each round: by the clock, and by the time its threads ran."""
    results: dict[str, dict[str, Any]] = {}
    for name, own in turns.items():
        results[name] = {
            "pairs_per_s": round(statistics.median(turn["pairs"] / turn["seconds"] for turn in own)),
            "pairs_per_cpu_s": round(statistics.median(turn["pairs"] / turn["cpu_seconds"] for turn in own)),
        }
    if GENSIM in turns:
        results["urep_jax"] |= times(GENSIM, turns["urep_jax"], turns[GENSIM], "pairs")
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    beside = parser.add_mutually_exclusive_group(required=True)
    beside.add_argument("--gensim", metavar="PYTHON", help="interpreter of an environment that has gensim")
    beside.add_argument("--without-gensim", action="store_true", help="measure our side only")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--negatives", type=int, default=5, help="negatives of each pair")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=40, help="batches of ours in each round")
    parser.add_argument("--playlists", type=int, help="train on so many generated playlists")
    parser.add_argument("--serve", nargs=2, metavar=("CASE", "LOG"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        serve(Path(arguments.serve[1]), CASES[arguments.serve[0]], arguments.negatives)
        return

    from urep_jax.data.log import save_log

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    log, results = playlists(arguments.playlists), {}
    with tempfile.TemporaryDirectory() as folder:
        save_log(log, f"{folder}/log")
        for name in arguments.cases:
            own = ["-m", "benchmarks.skip_gram", "--without-gensim", f"--negatives={arguments.negatives}"]
            systems = {"urep_jax": System([sys.executable, *own, "--serve", name, f"{folder}/log"], huge_pages=True)}
            if arguments.gensim:
                options = {"width": WIDTH, "min-count": MIN_COUNT, "power": POWER, "negatives": arguments.negatives}
                options["window"] = CASES[name].window or int(np.diff(log.offsets).max())
                command = [arguments.gensim, str(_GENSIM_SCRIPT), f"{folder}/log"]
                command += [f"--{option}={value}" for option, value in options.items()]
                systems[GENSIM] = System(command, huge_pages=False)
            turns: dict[str, list[dict[str, Any]]] = {system: [] for system in systems}
            for _ in range(arguments.rounds):
                for system, process in systems.items():
                    # A line for gensim is so many hundred thousand pairs, about as long as our batches take.
                    turns[system].append(process.train(1 if system == GENSIM else arguments.steps))
            results[name] = summary(turns)
            for system, process in systems.items():
                results[name][system] |= process.end()
    about = {"log": log.name, "playlists": log.num_sequences, "places": log.num_events, "tracks": log.num_items}
    about |= {"width": WIDTH, "negatives": arguments.negatives, "min_count": MIN_COUNT, "cores": 1}
    about |= {"rounds": arguments.rounds, "steps": arguments.steps}
    about |= {"batch_size": {name: CASES[name].batch_size for name in arguments.cases}}
    print(json.dumps({"machine": describe(), "about": about, "skip_gram": results}, indent=1))


if __name__ == "__main__":
    main()
