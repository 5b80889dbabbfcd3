"""RecTools' side of `benchmarks.frontier`: its SASRec that trains, and where asked items stand after each epoch.

Runs in an environment of its own and imports nothing of ours. Reads the folder that `benchmarks.frontier` writes, and
prints the lines that `benchmarks.frontier_recipe` does. It trains until as many epochs have passed without a better
NDCG@10 as it is told, or so many seconds.
"""

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, LightningModule, Trainer, seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel

K = 10


class Ask(Callback):
    """Asks after each epoch, and stops the training when it is time."""

    def __init__(self, validation: "Questions", test: "Questions", patience: int, seconds: float) -> None:
        self.validation, self.test, self.patience, self.limit = validation, test, patience, seconds
        self.tested = ""
        self.model: SASRecModel | None = None
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
    """Lists of items in order, as RecTools wants them; only the order of its times is looked at."""
    user, item = np.load(folder / f"{name}.npy")
    moment = pd.to_datetime(np.arange(len(user)), unit="s")
    return Dataset.construct(
        pd.DataFrame({Columns.User: user, Columns.Item: item, Columns.Weight: 1, Columns.Datetime: moment})
    )


def main() -> None:
    """Train once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    for name in ("width", "blocks", "heads", "max-length", "batch-size", "threads", "n-negatives", "seed", "patience"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("dropout", "learning-rate", "seconds"):
        parser.add_argument(f"--{name}", type=float, required=True)
    parser.add_argument("--loss", choices=["softmax", "BCE", "gBCE", "sampled_softmax"], required=True)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(given.threads)
    seed_everything(given.seed)
    validation, test = (Questions.read(given.folder, name) for name in ("validation", "test"))
    ask = Ask(validation, test, given.patience, given.seconds)

    def trainer() -> Trainer:
        return Trainer(
            max_epochs=1_000_000,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[ask],
        )

    model = SASRecModel(
        n_blocks=given.blocks,
        n_heads=given.heads,
        n_factors=given.width,
        dropout_rate=given.dropout,
        session_max_len=given.max_length,
        loss=given.loss,
        n_negatives=given.n_negatives,
        gbce_t=0.75,
        lr=given.learning_rate,
        batch_size=given.batch_size,
        get_trainer_func=trainer,
    )
    ask.model = model
    model.fit(interactions(given.folder, "train"))
    print(json.dumps({"test": ask.tested}), flush=True)


if __name__ == "__main__":
    main()
