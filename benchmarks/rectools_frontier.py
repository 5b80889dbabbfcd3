"""RecTools' side of `benchmarks.frontier`: a model of its that trains, and where asked items stand after each epoch.

Runs in an environment of its own, which needs nothing but RecTools. Reads the folder that `benchmarks.frontier`
writes, and prints the lines that `benchmarks.frontier_recipe` does. It trains until as many epochs have passed without
a better NDCG@10 as it is told, or so many seconds.
"""

import argparse
import json
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pytorch_lightning import Callback, LightningModule, Trainer, seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models.nn.transformers.base import TransformerModelBase

from benchmarks.rectools_models import add_options, build, dataset

K = 10


class Ask(Callback):
    """Asks after each epoch, and stops the training when it is time."""

    def __init__(self, validation: "Questions", test: "Questions", patience: int, seconds: float) -> None:
        self.validation, self.test, self.patience, self.limit = validation, test, patience, seconds
        self.tested = ""
        self.model: TransformerModelBase | None = None
        self.begun, self.asking, self.best, self.stale = time.perf_counter(), 0.0, 0.0, 0

    def __deepcopy__(self, memo: dict) -> "Ask":
        """RecTools trains with a copy of the trainer; the model that is asked stays the one that trains."""
        return self

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Tell the epoch's line."""
        before = time.perf_counter()
        seconds = before - self.begun - self.asking
        place_U = self._places(self.validation)
        print(json.dumps({"seconds": seconds, "places": told(place_U)}), flush=True)
        ndcg = float(np.mean(np.where(place_U < 0, 0, 1 / np.log2(2 + np.maximum(place_U, 0)))))
        self.stale += 1
        if ndcg > self.best:
            self.stale, self.best, self.tested = 0, ndcg, told(self._places(self.test))
        trainer.should_stop = self.stale >= self.patience or seconds > self.limit
        module.train()
        self.asking += time.perf_counter() - before

    def _places(self, questions: "Questions") -> np.ndarray:
        assert self.model is not None
        self.model.is_fitted = True
        wanted_U = questions.wanted
        found = self.model.recommend(np.arange(len(wanted_U)), questions.known, k=K, filter_viewed=True)
        right = found[found[Columns.Item].to_numpy() == wanted_U[found[Columns.User].to_numpy()]]
        place_U = np.full(len(wanted_U), -1)
        place_U[right[Columns.User]] = right[Columns.Rank] - 1
        return place_U


class Questions(NamedTuple):
    """What is known of each user, and which item comes next."""

    known: Dataset
    wanted: np.ndarray

    @classmethod
    def read(cls, folder: Path, name: str) -> "Questions":
        """As `benchmarks.frontier` wrote them."""
        return cls(interactions(folder, f"{name}_known"), np.load(folder / f"{name}_wanted.npy"))


def told(places: np.ndarray) -> str:
    """A character for each user."""
    return "".join("." if place < 0 else str(place) for place in places)


def interactions(folder: Path, name: str) -> Dataset:
    """Lists of items in order; of their times only the order is known."""
    user, item = np.load(folder / f"{name}.npy")
    return dataset(user, item, np.arange(len(user)))


def main() -> None:
    """Train once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    add_options(parser)
    for name in ("seed", "patience"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args()
    seed_everything(given.seed)
    validation, test = (Questions.read(given.folder, name) for name in ("validation", "test"))
    ask = Ask(validation, test, given.patience, given.seconds)
    ask.model = build(given, ask, times=False)
    ask.model.fit(interactions(given.folder, "train"))
    print(json.dumps({"test": ask.tested}), flush=True)


if __name__ == "__main__":
    main()
