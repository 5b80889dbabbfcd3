"""Our side of `benchmarks.frontier`: a recipe that trains, and where asked items stand after each epoch.

Prints a line of JSON for each epoch: `seconds`, all that passed until its end but for the asking, compilation and what
the training begins with among them; and `places`, a character for each user. A last line has the places of the `test`
after the best epoch.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir
from rich.console import Console

from benchmarks.frontier_page import BEYOND, PLACES
from experiments.data import load_data
from experiments.knobs import CONF
from experiments.negative_feedback.beginning import content_of
from experiments.negative_feedback.protocols import protocol_of
from experiments.negative_feedback.recipe import Recipe
from experiments.negative_feedback.training import train
from urep_jax.data.cases import Cases
from urep_jax.data.log import EventLog
from urep_jax.data.vocabulary import build_vocabulary
from urep_jax.evaluation.next_item import next_item
from urep_jax.evaluation.scorer import Scorer


class Asked:
    """A validation that prints what it found, and keeps its own time out of the training's."""

    def __init__(self) -> None:
        self._begun, self._asking = time.perf_counter(), 0.0

    def __call__(self, scorer: Scorer, log: EventLog, cases: Cases) -> float:
        """NDCG@10."""
        before = time.perf_counter()
        ndcg = next_item(scorer, log, cases)["ndcg@10"]
        print(json.dumps({"seconds": before - self._begun - self._asking, "places": places(ndcg.values)}), flush=True)
        self._asking += time.perf_counter() - before
        return ndcg.value


def places(ndcg_U: np.ndarray) -> str:
    """Where each user's item stands, by its NDCG@10, which is 1 / log2(2 + p) at place p, from 0."""
    at_U = np.rint(np.exp2(1 / np.where(ndcg_U > 0, ndcg_U, 1))).astype(int) - 2
    return "".join(PLACES[at] if ndcg > 0 else BEYOND for at, ndcg in zip(at_U, ndcg_U, strict=True))


def main() -> None:
    """Train once."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.frontier_recipe", description=__doc__)
    parser.add_argument("knobs", nargs="+", help="as of experiments.run")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=["experiment=negative_feedback", *parser.parse_args().knobs])
    console = Console(stderr=True)
    log, split = load_data(cfg, console)
    vocabulary = build_vocabulary(log, split)
    recipe = Recipe.from_config(cfg).sized_for(vocabulary)
    protocol = protocol_of(cfg.data.protocol)._replace(validate=Asked())
    with tempfile.TemporaryDirectory() as folder:
        how = (recipe, log, split, vocabulary, protocol, Path(folder), lambda progress: None, console)
        done = train(*how, content=content_of(recipe.item_content, log, cfg))
        test = next_item(done.scorer(split.test), log, split.test)["ndcg@10"]
    print(json.dumps({"test": places(test.values)}))


if __name__ == "__main__":
    main()
