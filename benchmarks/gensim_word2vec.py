"""gensim's Word2Vec, trained as much as it is told: the other side of `benchmarks.skip_gram`.

Runs in an environment of its own and imports nothing of ours. Speaks over pipes: for each number n read from standard
input it trains on playlists of about n hundred thousand pairs and prints one line of JSON, and a last line when
standard input ends.
"""

import argparse
import itertools
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
from gensim.models import Word2Vec


def pairs_of(lengths: np.ndarray, window: int) -> np.ndarray:
    """How many pairs are expected of sentences of these lengths.

    Each centre draws a window of its own, evenly from 1 to `window`, so that two words d apart are a pair, either way,
    with probability (window + 1 - d) / window.
    """
    distance = np.arange(1, max(2, min(window, lengths.max()) + 1))
    places = np.maximum(lengths[:, None] - distance, 0)
    return (2 * places * (window + 1 - distance) / window).sum(axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path)
    for name in ("width", "min-count", "negatives", "window"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--power", type=float, required=True)
    arguments = parser.parse_args()

    offsets, item = (np.load(arguments.log / f"{name}.npy", allow_pickle=False) for name in ("offsets", "item"))
    frequent = np.bincount(item)[item] >= arguments.min_count
    playlists = [item[a:b][frequent[a:b]].astype(str).tolist() for a, b in itertools.pairwise(offsets)]
    model = Word2Vec(
        vector_size=arguments.width,
        window=arguments.window,
        negative=arguments.negatives,
        ns_exponent=arguments.power,
        sg=1,
        sample=0,
        min_count=1,
        workers=1,
    )
    model.build_vocab(playlists)
    playlists = [playlist for playlist in playlists if len(playlist) > 1]
    pairs = pairs_of(np.array([len(playlist) for playlist in playlists]), arguments.window)
    place = 0
    for line in sys.stdin:
        wanted, part, told = int(line) * 100_000, [], 0.0
        while told < wanted:
            part.append(playlists[place])
            told, place = told + pairs[place], (place + 1) % len(playlists)
        before, cpu_before = time.perf_counter(), time.process_time()
        model.train(part, total_examples=len(part), epochs=1, start_alpha=0.025, end_alpha=0.025)
        seconds, cpu_seconds = time.perf_counter() - before, time.process_time() - cpu_before
        print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "pairs": round(told)}), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"peak_rss_gib": round(peak / 2**30, 3)}), flush=True)


if __name__ == "__main__":
    main()
